"""The dock that opens models of the hub, and what it says of them; running one downloads it."""

from pathlib import Path

import pytest

from napari_gpt2_tomo.viewer.link import link_of
from napari_gpt2_tomo.viewer.remote import current, downloading
from napari_gpt2_tomo.viewer.remote.dock import RemoteDock
from napari_gpt2_tomo.viewer.remote.downloading import Downloading


@pytest.fixture
def dock(viewer, qtbot):
    made = RemoteDock(viewer)
    qtbot.addWidget(made)
    return made


def test_it_shows_what_lies_at_an_address(dock, address, server) -> None:
    dock.address.setEditText(address)
    dock.look()
    dock.wait()
    words = dock.about.text()
    assert "in 1 file, safetensors" in words
    assert "gpt2" in words
    assert "were read to learn this" in words
    assert dock.open_button.isEnabled()


def test_it_opens_an_address(dock, viewer, address, settle) -> None:
    dock.address.setEditText("org/small")
    dock.open()
    dock.wait()
    settle()
    assert link_of(viewer.layers[0]).scan.checkpoint.path == address
    assert dock.address.findText(address) >= 0
    assert "of" in dock.current.words.text()
    assert dock.current.link is not None
    viewer.layers.clear()
    settle()
    assert dock.current.link is None


def test_a_revision_is_part_of_the_address(dock) -> None:
    dock.address.setEditText("hf://org/small")
    dock.revision.setText("step1000")
    assert dock.wanted == "hf://org/small@step1000"
    dock.address.setEditText("https://host/x.safetensors")
    assert not dock.revision.isEnabled()
    assert dock.wanted == "https://host/x.safetensors"


@pytest.mark.parametrize("text", ["", "ftp://host/x", "a b c"])
def test_what_is_no_address_is_said_in_the_dock(dock, text) -> None:
    dock.address.setEditText(text)
    dock.look()
    assert not dock.busy
    assert "hf://" in dock.about.text()


def test_several_checkpoints_are_listed(dock, server, folder, viewer, settle) -> None:
    data = (folder / "model.safetensors").read_bytes()
    from checkpoint.remote.hub import FakeHub

    hub = FakeHub(server)
    hub.add("org/two", {"a.safetensors": data, "b.safetensors": data})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", server.url)
        dock.address.setEditText("org/two")
        dock.look()
        dock.wait()
        assert [dock.choices.item(i).text() for i in range(dock.choices.count())] == [
            "a.safetensors",
            "b.safetensors",
        ]
        dock.choices.setCurrentRow(1)
        assert dock.wanted == "hf://org/two/b.safetensors"
        dock.open()
        dock.wait()
        settle()
    assert link_of(viewer.layers[0]).name == "b"


def test_what_is_under_way_can_be_cancelled(dock, viewer, address, server, settle) -> None:
    server.delay = 0.3
    dock.address.setEditText(address)
    dock.open()
    assert dock.busy
    assert not dock.open_button.isEnabled()
    dock.cancel()
    dock.wait()
    settle()
    assert not viewer.layers
    assert dock.open_button.isEnabled()


def test_reading_everything_is_confirmed_with_its_cost(
    dock, viewer, address, settle, monkeypatch
) -> None:
    dock.address.setEditText(address)
    dock.open()
    dock.wait()
    settle()
    asked = []
    monkeypatch.setattr(current, "confirm", lambda *words: asked.append(words) or False)
    link = link_of(viewer.layers[0])
    dock.current.follow()
    assert "MB" in dock.current.refine.text() or "kB" in dock.current.refine.text()
    dock.current.refine.click()
    settle()
    assert "Read all" in asked[0][1]
    assert link.volume.overview.state == "quick"
    monkeypatch.setattr(current, "confirm", lambda *words: True)
    dock.current.refine.click()
    settle()
    assert link.volume.overview.state == "refined"


@pytest.mark.parametrize("agreed", [True, False])
def test_a_download_is_confirmed_with_its_size(
    viewer, address, folder, settle, monkeypatch, agreed
) -> None:
    asked, found, ended = [], [], []
    monkeypatch.setattr(downloading, "confirm", lambda *words: asked.append(words) or agreed)
    made = Downloading(address, found.append, lambda: ended.append(True))
    settle()
    assert "Download" in asked[0][1]
    assert str(address) in asked[0][1]
    assert ended == [True]
    if agreed:
        (stored,) = found
        name = "model.safetensors"
        assert (stored / name).read_bytes() == (folder / name).read_bytes()
        assert made.share == 1
    else:
        assert not found


def test_running_a_remote_model_downloads_it_first(
    viewer, address, folder, settle, qtbot, monkeypatch
) -> None:
    from napari_gpt2_tomo.viewer.activity.run_dock import RunDock

    viewer.open(address, plugin="napari-gpt2-tomo")
    settle()
    run = RunDock(viewer)
    qtbot.addWidget(run)
    assert run.model.address == address
    assert run.model.place is None
    ran: list[Path] = []
    monkeypatch.setattr(downloading, "confirm", lambda *words: True)
    first = run.run

    def again(checked: bool = False) -> None:
        ran.append(run.model.place)

    first()
    monkeypatch.setattr(run, "run", again)
    settle()
    assert (ran[0] / "model.safetensors").is_file()
    assert run.model.address is None
