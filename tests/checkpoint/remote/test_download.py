"""Downloads: announced, visible, resumed, whole or not there."""

import json
from pathlib import Path

import numpy as np
import pytest

from napari_gpt2_tomo.base import Cancelled, CheckpointError, SilentProgress, TomoError
from napari_gpt2_tomo.checkpoint import open_checkpoint
from napari_gpt2_tomo.checkpoint.remote import download as module
from napari_gpt2_tomo.checkpoint.remote.download import download, download_plan

from .hub import FakeHub
from .server import RangeServer

REPOSITORY = "org/small-model"


def holds(folder: Path, tensors) -> bool:
    with open_checkpoint(folder) as checkpoint:
        return all(np.array_equal(checkpoint[n][...], v) for n, v in tensors.items())


class Watching(SilentProgress):
    def start(self, total: int, description: str) -> None:
        super().start(total, description)
        self.description = description


def test_the_hub_stores_it_where_others_find_it(
    hub: FakeHub, server: RangeServer, folder, tensors
) -> None:
    from huggingface_hub import snapshot_download

    hub.add_folder(REPOSITORY, folder)
    progress = Watching()
    made = download(f"hf://{REPOSITORY}", progress=progress)
    assert holds(made, tensors)
    assert (made / "config.json").is_file()
    assert progress.done == progress.total > 0
    assert "small-model" in progress.description
    assert Path(snapshot_download(REPOSITORY, local_files_only=True)) == made
    server.forget()
    assert download(f"hf://{REPOSITORY}") == made
    assert all("/resolve/" not in asked.path for asked in server.asked)


def test_what_it_brings_is_known_before(hub: FakeHub, server: RangeServer, folder) -> None:
    hub.add_folder(REPOSITORY, folder)
    plan = download_plan(f"hf://{REPOSITORY}")
    assert plan.size == plan.missing == sum(f.stat().st_size for f in folder.iterdir())
    assert set(plan.files) == {f.name for f in folder.iterdir()}


@pytest.mark.parametrize("name", ["", "/model-00002-of-00003.safetensors"])
def test_a_model_of_the_web_comes_into_a_folder(
    server: RangeServer, folder, tensors, tmp_path, name: str
) -> None:
    url = server.add_folder("/models/small", folder)
    progress = Watching()
    made = download(url + name, tmp_path / "here", progress=progress)
    assert made == tmp_path / "here"
    assert holds(made, tensors)
    assert progress.done == progress.total
    assert {f.name for f in made.iterdir()} == {f.name for f in folder.iterdir()}


def test_it_has_a_place_of_its_own_without_a_folder(server: RangeServer, folder, tensors) -> None:
    made = download(server.add_folder("/models/small", folder))
    assert holds(made, tensors)
    assert made.name == "small"


def test_a_cancelled_download_goes_on_later(
    server: RangeServer, folder, tensors, tmp_path, monkeypatch
) -> None:
    url = server.add_folder("/models/small", folder)

    class Impatient(SilentProgress):
        def advance(self, amount: int) -> None:
            super().advance(amount)
            if self.done > 20_000:
                self.cancel()

    with pytest.raises(Cancelled):
        download(url, tmp_path, progress=Impatient())
    assert not [f for f in tmp_path.iterdir() if f.name.startswith(".")]
    there = {f.name for f in tmp_path.iterdir()}
    assert there
    assert len(there) < len(list(folder.iterdir()))
    server.forget()
    assert holds(download(url, tmp_path), tensors)


def test_a_broken_connection_does_not_break_it(
    server: RangeServer, folder, tensors, tmp_path, patience: None
) -> None:
    url = server.add_folder("/models/small", folder)
    server.fail(path="00002", times=3, drop_after=3_000)
    assert holds(download(url, tmp_path), tensors)


def test_a_full_disk_is_said_before(server: RangeServer, folder, tmp_path, monkeypatch) -> None:
    url = server.add_folder("/models/small", folder)
    monkeypatch.setattr(module, "SPARE", 1 << 62)
    with pytest.raises(TomoError, match="left"):
        download(url, tmp_path)


def test_without_a_connection_only_what_is_there(
    server: RangeServer, folder, tmp_path, monkeypatch
) -> None:
    url = server.add_folder("/models/small", folder)
    with open_checkpoint(url):
        monkeypatch.setenv("NAPARI_GPT2_TOMO_OFFLINE", "1")
        with pytest.raises(CheckpointError, match="no connection"):
            download(url, tmp_path)


def test_a_remote_model_is_not_run_but_the_way_to_is_said(hub: FakeHub, folder) -> None:
    from napari_gpt2_tomo.activity.running.places import find_place

    hub.add_folder(REPOSITORY, folder)
    with pytest.raises(TomoError, match=r"tomo\.download\('hf://org/small-model'\)"):
        find_place(f"hf://{REPOSITORY}")


def test_an_index_that_names_files_elsewhere_is_refused(
    server: RangeServer, folder, tmp_path
) -> None:
    url = server.add_folder("/models/small", folder)
    index = json.dumps({"weight_map": {"x": "../../escape.safetensors"}}).encode()
    server.add("/models/small/model.safetensors.index.json", index)
    with pytest.raises(CheckpointError, match="not a file of its folder"):
        download(url, tmp_path)
