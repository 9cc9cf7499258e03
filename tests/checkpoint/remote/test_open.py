"""Checkpoints at addresses: the same tensors as on disk, few requests, clear words."""

import json
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from napari_gpt2_tomo.base import Cancelled, CheckpointError, SilentProgress
from napari_gpt2_tomo.checkpoint import can_open, open_checkpoint
from napari_gpt2_tomo.checkpoint.address import Address, address_of
from napari_gpt2_tomo.checkpoint.remote.open import open_address
from napari_gpt2_tomo.checkpoint.remote.traffic import Traffic

from .hub import FakeHub
from .models import safetensors
from .server import RangeServer, Served

REPOSITORY = "org/small-model"


def same(checkpoint, tensors) -> bool:
    return list(checkpoint) == list(tensors) and all(
        np.array_equal(checkpoint[name][...], values) for name, values in tensors.items()
    )


def test_a_file_on_the_web(server: RangeServer, tensors) -> None:
    url = server.add("/here/x y.safetensors", safetensors(tensors))
    with open_checkpoint(url) as checkpoint:
        assert same(checkpoint, tensors)
        assert checkpoint.path == Address(url)
        assert checkpoint.path.name == "x y.safetensors"
        assert checkpoint.files == (Address(url),)
        assert checkpoint.config is None
        assert not checkpoint.notes


@pytest.mark.parametrize(
    "name", ["", "/", "/model.safetensors.index.json", "/model-00002-of-00003.safetensors"]
)
def test_a_model_in_shards_on_the_web(server: RangeServer, folder, tensors, name: str) -> None:
    url = server.add_folder("/models/small", folder)
    with open_checkpoint(url + name) as checkpoint:
        assert same(checkpoint, tensors)
        assert len(checkpoint.files) == 3
        assert checkpoint.config == {"model_type": "none"}
        assert not checkpoint.missing


def test_what_is_missing_is_said(server: RangeServer, folder) -> None:
    url = server.add_folder("/models/small", folder)
    del server.files["/models/small/model-00002-of-00003.safetensors"]
    with open_checkpoint(url) as checkpoint:
        assert len(checkpoint) == 6
        assert set(checkpoint.missing) == {"t3", "t4", "t5"}


def test_opening_reads_headers_with_few_waits(server: RangeServer, folder) -> None:
    url = server.add_folder("/models/small", folder)
    server.delay = 0.05
    with open_checkpoint(url) as checkpoint:
        assert server.most_at_once >= 3
        assert checkpoint.fingerprint
        assert len(server.asked) < 24


def test_a_signed_url_keeps_its_secret(server: RangeServer, tensors) -> None:
    url = server.add("/x.safetensors", safetensors(tensors)) + "?X-Amz-Signature=hidden&v=1"
    with open_checkpoint(url) as checkpoint:
        assert same(checkpoint, tensors)
        assert "hidden" not in checkpoint.path + repr(checkpoint) + str(checkpoint.files)
        with pickle.loads(pickle.dumps(checkpoint)) as again:
            assert same(again, tensors)


def test_a_model_of_the_hub(hub: FakeHub, folder, tensors) -> None:
    hub.add_folder(REPOSITORY, folder)
    with open_checkpoint(f"hf://{REPOSITORY}") as checkpoint:
        assert same(checkpoint, tensors)
        assert checkpoint.config == {"model_type": "none"}
        assert checkpoint.path == f"hf://{REPOSITORY}"
        assert checkpoint.path.name == "small-model"
        assert isinstance(checkpoint.path, Address)


def test_a_path_that_lost_a_slash_is_still_an_address(hub: FakeHub, folder, tensors) -> None:
    hub.add_folder(REPOSITORY, folder)
    for path in (Path(f"hf://{REPOSITORY}"), str(Path(f"hf://{REPOSITORY}"))):
        with open_checkpoint(path) as checkpoint:
            assert checkpoint.path == f"hf://{REPOSITORY}"


def test_a_revision_and_a_file_of_the_hub(hub: FakeHub, tensors) -> None:
    first, second = dict(list(tensors.items())[:2]), dict(list(tensors.items())[2:4])
    hub.add(REPOSITORY, {"model.safetensors": safetensors(first)})
    hub.add(REPOSITORY, {"sub/a.safetensors": safetensors(second)}, revision="step1000")
    with open_checkpoint(f"hf://{REPOSITORY}@step1000/sub/a.safetensors") as checkpoint:
        assert same(checkpoint, second)
    with open_checkpoint(f"hf://{REPOSITORY}@step1000/sub") as checkpoint:
        assert same(checkpoint, second)
    with open_checkpoint(f"hf://{REPOSITORY}/model.safetensors") as checkpoint:
        assert same(checkpoint, first)


def test_a_revision_is_pinned_when_it_is_opened(hub: FakeHub, tensors) -> None:
    hub.add(REPOSITORY, {"model.safetensors": safetensors(tensors)})
    with open_checkpoint(f"hf://{REPOSITORY}") as checkpoint:
        other = {name: values + 1 for name, values in tensors.items()}
        hub.add(REPOSITORY, {"model.safetensors": safetensors(other)})
        assert same(checkpoint, tensors)
    with open_checkpoint(f"hf://{REPOSITORY}") as checkpoint:
        assert same(checkpoint, other)


def test_the_token_goes_to_the_hub_and_nowhere_else(
    hub: FakeHub, server: RangeServer, tensors, monkeypatch
) -> None:
    hub.add(REPOSITORY, {"model.safetensors": safetensors(tensors)})
    server.token = "mine"
    with pytest.raises(CheckpointError, match="HF_TOKEN"):
        open_checkpoint(f"hf://{REPOSITORY}")
    monkeypatch.setenv("HF_TOKEN", "mine")
    server.token = "mine"
    with open_checkpoint(f"hf://{REPOSITORY}") as checkpoint:
        assert same(checkpoint, tensors)
        assert b"mine" not in pickle.dumps(checkpoint)
    elsewhere = [asked for asked in server.asked if asked.path.startswith("/cdn/")]
    assert elsewhere
    assert not any("Authorization" in asked.headers for asked in elsewhere)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("hf://org/none", "is not there, or is private"),
        ("hf://org/small-model@none", "no revision 'none'"),
        ("hf://org/small-model/none", "no file or folder 'none'"),
        ("hf://", "no address"),
        ("hf://a/b c", "no model of the hub"),
        ("ftp://host/x", "no address"),
        ("https://", "no address"),
        ("https://ho st:x/y", "is no URL"),
    ],
)
def test_says_what_is_wrong_with_an_address(
    hub: FakeHub, server: RangeServer, tensors, address: str, words: str
) -> None:
    hub.add(REPOSITORY, {"model.safetensors": safetensors(tensors)})
    for name, code in (("none", "RepoNotFound"), ("small-model/revision/none", "RevisionNotFound")):
        for end in ("", "/revision/main"):
            server.routes[f"/api/models/org/{name}{end}"] = lambda request, code=code: (
                404, {"X-Error-Code": code}, b"{}"
            )  # fmt: skip
    with pytest.raises(CheckpointError, match=words):
        open_checkpoint(address)


def test_a_hub_that_is_not_there(monkeypatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(CheckpointError, match="cannot be reached"):
        open_checkpoint(f"hf://{REPOSITORY}")


def test_files_that_the_hub_has_stored_are_read_from_disk(
    hub: FakeHub, server: RangeServer, folder, tensors
) -> None:
    from huggingface_hub import snapshot_download

    hub.add_folder(REPOSITORY, folder)
    snapshot_download(REPOSITORY, endpoint=server.url)
    server.forget()
    with open_checkpoint(f"hf://{REPOSITORY}") as checkpoint:
        assert same(checkpoint, tensors)
    assert [asked.path for asked in server.asked] == [f"/api/models/{REPOSITORY}/revision/main"]


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "NAPARI_GPT2_TOMO_OFFLINE"])
def test_what_was_read_can_be_read_without_a_connection(
    hub: FakeHub, server: RangeServer, tensors, monkeypatch, variable: str
) -> None:
    hub.add(REPOSITORY, {"model.safetensors": safetensors(tensors), "config.json": b"{}"})
    with open_checkpoint(f"hf://{REPOSITORY}") as checkpoint:
        checkpoint["t0"][...]
    server.forget()
    monkeypatch.setenv(variable, "1")
    with open_checkpoint(f"hf://{REPOSITORY}") as checkpoint:
        assert np.array_equal(checkpoint["t0"][...], tensors["t0"])
        assert checkpoint.config == {}
        with pytest.raises(CheckpointError, match=variable):
            checkpoint["t8"][...]
    with pytest.raises(CheckpointError, match="not opened before"):
        open_checkpoint("hf://org/other")
    assert not server.asked


def test_a_file_on_the_web_without_a_connection(server: RangeServer, tensors, monkeypatch) -> None:
    url = server.add("/x.safetensors", safetensors(tensors))
    with open_checkpoint(url) as checkpoint:
        same(checkpoint, tensors)
    monkeypatch.setenv("NAPARI_GPT2_TOMO_OFFLINE", "1")
    server.forget()
    with open_checkpoint(url) as checkpoint:
        assert same(checkpoint, tensors)
    with pytest.raises(CheckpointError, match="not in the cache"):
        open_checkpoint(server.url + "/y.safetensors")
    assert not server.asked


def test_a_bucket(server: RangeServer, tensors, monkeypatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    server.add("/bucket/models/model.safetensors", safetensors(tensors))
    for address in ("s3://bucket/models/model.safetensors", "s3://bucket/models"):
        with open_checkpoint(address) as checkpoint:
            assert same(checkpoint, tensors)
            assert checkpoint.path == address
    with pytest.raises(CheckpointError, match="is not there"):
        open_checkpoint("s3://bucket/models/other.safetensors")
    server.fail(status=403, times=100)
    with pytest.raises(CheckpointError, match="AWS_ACCESS_KEY_ID"):
        open_checkpoint("s3://bucket/other")


def test_a_bucket_with_credentials(server: RangeServer, tensors, monkeypatch, tmp_path) -> None:
    pytest.importorskip("botocore")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    server.add("/bucket/x.safetensors", safetensors(tensors))
    with open_checkpoint("s3://bucket/x.safetensors") as checkpoint:
        assert same(checkpoint, tensors)
        assert b"hidden" not in pickle.dumps(checkpoint)
    signed = server.asked[0].headers
    assert "Credential=somebody/" in signed["Authorization"]
    assert "eu-central-1/s3/aws4_request" in signed["Authorization"]
    assert signed["X-Amz-Content-SHA256"]


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_damaged_files_are_refused(server: RangeServer, tensors, damage: str) -> None:
    data = safetensors(tensors)
    data = {"cut": data[:-100], "text": b"<html>no such page</html>" * 9, "empty": b""}[damage]
    url = server.add("/x.safetensors", data)
    with pytest.raises(CheckpointError, match=r"x\.safetensors"):
        open_checkpoint(url)


def test_opening_can_be_cancelled(server: RangeServer, tensors) -> None:
    url = server.add("/x.safetensors", safetensors(tensors))
    progress = SilentProgress()
    progress.cancel()
    with pytest.raises(Cancelled):
        open_address(url, progress)


def test_a_pickle_that_travels_reads_the_same_model(server: RangeServer, tensors) -> None:
    url = server.add("/x.safetensors", safetensors(tensors))
    with open_checkpoint(url) as checkpoint:
        sent = pickle.dumps(checkpoint)
        assert len(sent) < 2000
        with pickle.loads(sent) as received:
            assert received.fingerprint == checkpoint.fingerprint
            assert same(received, tensors)
        server.files["/x.safetensors"].etag = '"other"'
        with pytest.raises(CheckpointError, match="changed"):
            pickle.loads(sent)


def test_another_version_is_another_fingerprint(server: RangeServer, tensors) -> None:
    url = server.add("/x.safetensors", safetensors(tensors))
    with open_checkpoint(url) as checkpoint:
        first = checkpoint.fingerprint
    server.files["/x.safetensors"].etag = '"other"'
    with open_checkpoint(url) as checkpoint:
        assert checkpoint.fingerprint != first
    server.files["/x.safetensors"].etag = None
    with open_checkpoint(url) as checkpoint:
        assert checkpoint.fingerprint != first


def test_a_model_of_140_gigabytes_is_opened_and_browsed_with_megabytes(
    server: RangeServer,
) -> None:
    """80 layers of 8192 × 28672 in 16 bits; the server makes up the bytes."""
    n, shape = 300, (8192, 28672)
    entries, offset = {}, 0
    for i in range(n):
        end = offset + 2 * shape[0] * shape[1]
        entries[f"layers.{i}.weight"] = {
            "dtype": "BF16", "shape": shape, "data_offsets": [offset, end]
        }  # fmt: skip
        offset = end
    text = json.dumps(entries).encode()
    head = struct.pack("<Q", len(text)) + text

    def read(start: int, stop: int) -> bytes:
        found = head[start:stop]
        at = np.arange(max(start, len(head)), stop, dtype=np.int64)
        return found + ((at >> 12) & 63).astype(np.uint8).tobytes()

    server.files["/large.safetensors"] = Served(len(head) + offset, read)
    assert offset > 140e9
    with open_checkpoint(server.url + "/large.safetensors") as checkpoint:
        assert len(checkpoint) == n
        assert checkpoint.fingerprint
        tensor = checkpoint["layers.299.weight"]
        got = tensor[4000:4008]
        assert got.shape == (8, 28672)
        start = len(head) + entries["layers.299.weight"]["data_offsets"][0] + 4000 * 28672 * 2
        raw = np.frombuffer(read(start, start + 8 * 28672 * 2), "<u2").astype(np.uint32) << 16
        assert np.array_equal(got.reshape(-1), raw.view(np.float32))
        tensor[5, 17]
        traffic = Traffic.of(checkpoint.path)
        assert server.sent < 2**20
        assert traffic.total == len(head) + offset


def test_addresses_are_told_from_paths(tmp_path) -> None:
    for text in ("C:/x", "C:\\x", "/tmp/x", "x.safetensors", "a:b", "gpt2", "", "foo:/bar"):
        assert address_of(text) is None
    assert address_of("HF://a/b") == "hf://a/b"
    assert address_of(Path("https://host/a/b")) == "https://host/a/b"
    assert address_of("foo://bar") == "foo://bar"


@pytest.mark.parametrize(
    ("text", "mine"),
    [
        ("hf://a/b", True),
        ("https://host/a/model.safetensors", True),
        ("https://host/a/picture.png", False),
        ("https://host/folder", False),
        ("s3://bucket/x.safetensors", True),
        ("https://huggingface.co/a/b", True),
        ("ftp://host/x.safetensors", False),
    ],
)
def test_only_addresses_of_models_are_claimed(text: str, mine: bool) -> None:
    assert can_open(text) is mine
