"""Layers of remote models: shown at once, exact when they have arrived, never all read."""

import json
from pathlib import Path

import numpy as np
import pytest

from napari_gpt2_tomo.base import TomoError
from napari_gpt2_tomo.checkpoint.remote.blocks import clear_blocks
from napari_gpt2_tomo.viewer.layers import is_image
from napari_gpt2_tomo.viewer.link import link_of
from napari_gpt2_tomo.viewer.reader import get_reader
from napari_gpt2_tomo.viewer.remembered import recent_addresses, recent_scans, remember_scan
from napari_gpt2_tomo.viewer.remote.opening import prepare
from napari_gpt2_tomo.viewer.state import open_session, save_session

PLUGIN = "napari-gpt2-tomo"


@pytest.fixture
def opened(viewer, address, settle):
    """A viewer that shows the model, and its image."""
    viewer.open(address, plugin=PLUGIN)
    settle()
    return viewer, next(layer for layer in viewer.layers if is_image(layer))


def shown(layer) -> np.ndarray:
    return np.asarray(layer._slice.image.raw)


def test_what_is_opened_shows_the_exact_section(opened, local) -> None:
    viewer, image = opened
    section = viewer.dims.current_step[0]
    level = image.data_level
    link = link_of(image)
    assert link.name == "small"
    expected = link.volume.level(level)[section // link.volume.factors[level][0]]
    assert np.array_equal(
        np.asarray(image.data[level][section // link.volume.factors[level][0]]), expected
    )
    if level == 0:
        assert np.array_equal(expected, local[section])


def test_a_slice_is_a_quick_look_until_it_has_arrived(opened, server, local, settle) -> None:
    _, image = opened
    link = link_of(image)
    arrivals = link.arrivals
    clear_blocks()
    section = 3
    server.delay = 0.05
    early = np.asarray(image.data[0][section])
    assert early.shape == local[section].shape
    assert arrivals.running
    settle()
    assert not arrivals.running
    assert np.array_equal(np.asarray(image.data[0][section]), local[section])
    assert not arrivals.running


def test_a_coronal_slice_arrives_too(opened, local, settle) -> None:
    _, image = opened
    np.asarray(image.data[0][:, 20])
    settle()
    assert np.array_equal(np.asarray(image.data[0][:, 20]), local[:, 20])
    backwards = np.asarray(image.data[0][::-1, 20, 5:1:-2])
    settle()
    assert backwards.shape == local[::-1, 20, 5:1:-2].shape
    assert np.array_equal(np.asarray(image.data[0][::-1, 20, 5:1:-2]), local[::-1, 20, 5:1:-2])


def test_a_plane_that_would_read_too_much_stays_a_quick_look(
    opened, server, monkeypatch, settle
) -> None:
    from napari_gpt2_tomo.viewer.remote import arrivals

    said = []
    monkeypatch.setattr(arrivals, "MOST", 10)
    monkeypatch.setattr(arrivals, "_say", said.append)
    _, image = opened
    clear_blocks()
    server.forget()
    for _ in range(2):
        np.asarray(image.data[0][:, 20])
        settle()
    assert len(said) == 1
    assert "quick look" in said[0]
    assert not [asked for asked in server.asked if "/cdn/" in asked.path]


def test_an_error_of_the_server_is_said(opened, server, monkeypatch, settle) -> None:
    from napari.utils.notifications import notification_manager

    _, image = opened
    link = link_of(image)
    clear_blocks()
    server.files.clear()
    server.routes.clear()
    before = len(notification_manager.records)
    np.asarray(image.data[0][:, 21])
    settle()
    new = [record.message for record in notification_manager.records[before:]]
    (message,) = set(new)
    assert "is not there" in message
    assert not link.arrivals.running


def test_the_overview_waits_until_it_is_wanted(opened, settle) -> None:
    _, image = opened
    link = link_of(image)
    assert link.volume.overview.state == "quick"
    assert not link.refinement.running
    assert link.volume.overview.cost > 0
    link.refinement.confirm()
    settle()
    assert link.volume.overview.state == "refined"
    assert link.volume.overview.cost == 0


def test_the_probe_fetches_what_is_under_the_cursor(opened, server, settle) -> None:
    from napari_gpt2_tomo.viewer.session import session_of

    viewer, image = opened
    viewer.cursor.position = (*viewer.dims.point[:1], 3, 4)
    probe = session_of(viewer).probe
    probe.update()
    settle()
    reading = probe.read()
    assert reading is not None
    assert (
        reading.address.value
        == link_of(image).scan.checkpoint[reading.address.tensor][reading.address.index]
    )


def test_what_is_closed_fetches_nothing_more(opened, server, settle) -> None:
    viewer, image = opened
    arrivals = link_of(image).arrivals
    server.delay = 0.3
    np.asarray(image.data[0][:, 22])
    assert arrivals.running
    viewer.layers.clear()
    settle()
    assert not arrivals.running


def test_a_session_remembers_the_address(opened, address, make_viewer, settle, tmp_path) -> None:
    viewer, _ = opened
    path = tmp_path / "x.tomo.json"
    save_session(viewer, path)
    saved = json.loads(path.read_text())["scans"][0]["source"]
    assert saved["path"] == address
    other = make_viewer()
    open_session(path, other)
    settle()
    assert link_of(other.layers[0]).scan.checkpoint.path == address


def test_addresses_are_remembered_apart_from_files(tmp_path, address) -> None:
    remember_scan(address)
    remember_scan(tmp_path / "x")
    assert recent_addresses()[0] == address
    assert address not in map(str, recent_scans())
    assert tmp_path / "x" in recent_scans()


def test_only_addresses_of_models_are_read() -> None:
    assert get_reader("hf://org/small") is not None
    assert get_reader(str(Path("hf://org/small"))) is not None
    assert get_reader("https://host/picture.png") is None


def test_what_cannot_be_opened_is_said(viewer, server, monkeypatch) -> None:
    from napari.utils.notifications import notification_manager

    monkeypatch.setenv("HF_ENDPOINT", server.url)
    before = len(notification_manager.records)
    viewer.open("hf://org/none", plugin=PLUGIN)
    new = [record.message for record in notification_manager.records[before:]]
    assert any("is not there" in message for message in new)
    assert not viewer.layers


def test_preparing_reads_megabytes_at_most(address, server) -> None:
    from napari_gpt2_tomo.base import SilentProgress

    scan, volume = prepare(address, SilentProgress())
    with scan:
        server.forget()
        volume.window()
        assert volume.overview.state == "quick"
        assert not server.asked
    with pytest.raises(TomoError):
        prepare("hf://org/none", SilentProgress())
