"""What opens, what is chosen in a folder, and what a person is told otherwise."""

import json
import os
from pathlib import Path

import pytest

from checkpoint.writer import Sample, write_safetensors
from napari_gpt2_tomo.base import CheckpointError, TomoError
from napari_gpt2_tomo.checkpoint import can_open, candidates, open_checkpoint

A = Sample.random("F32", (2, 2))


def put(folder: Path, *names: str) -> None:
    """Write files; each safetensors file holds one tensor of its own name."""
    for name in names:
        path = folder / name
        if name.endswith(".index.json"):
            stem = name.removesuffix(".safetensors.index.json")
            weight_map = {
                f"{stem}-00001-of-00001.safetensors": f"{stem}-00001-of-00001.safetensors"
            }
            path.write_text(json.dumps({"weight_map": weight_map}))
        elif name.endswith(".safetensors"):
            write_safetensors(path, {name: A})
        else:
            path.write_bytes(b"something")


@pytest.mark.parametrize(
    ("names", "opened"),
    [
        (["any name.safetensors"], "any name.safetensors"),
        (["adapter_model.safetensors"], "adapter_model.safetensors"),
        (["diffusion_pytorch_model.safetensors"], "diffusion_pytorch_model.safetensors"),
        (["model.safetensors", "other.safetensors"], "model.safetensors"),
        (["model.safetensors", "pytorch_model.bin", "config.json"], "model.safetensors"),
        (["m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors"],
         "m-00001-of-00002.safetensors"),
        (["m.safetensors.index.json", "m-00001-of-00001.safetensors", "model.safetensors"],
         "m-00001-of-00001.safetensors"),
        (["m.safetensors.index.json", "m-00001-of-00001.safetensors",
          "consolidated.safetensors"], "m-00001-of-00001.safetensors"),
        (["model.safetensors.index.json", "model-00001-of-00001.safetensors",
          "b.safetensors.index.json", "b-00001-of-00001.safetensors"],
         "model-00001-of-00001.safetensors"),
        (["model.safetensors.index.json", "model.safetensors"], "model.safetensors"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_folder_opens_its_checkpoint(tmp_path: Path, names: list[str], opened: str) -> None:
    put(tmp_path, *names)
    assert can_open(tmp_path)
    with open_checkpoint(tmp_path) as checkpoint:
        assert next(iter(checkpoint)) == opened
        assert checkpoint.path == tmp_path


@pytest.mark.parametrize(
    "names",
    [
        ["a.safetensors", "b.safetensors"],
        ["a.safetensors.index.json", "b.safetensors.index.json"],
        ["a-00001-of-00002.safetensors", "b-00001-of-00002.safetensors"],
        ["a-00001-of-00002.safetensors", "a-00001-of-00003.safetensors"],
    ],
    ids=str,
)
def test_several_checkpoints_are_listed_to_choose_from(tmp_path: Path, names: list[str]) -> None:
    put(tmp_path, *names)
    assert can_open(tmp_path)
    assert [path.name for path in candidates(tmp_path)] == names
    with pytest.raises(CheckpointError, match="holds 2 checkpoints") as error:
        open_checkpoint(tmp_path)
    assert all(name in str(error.value) for name in names)


def test_the_default_is_the_first_choice(tmp_path: Path) -> None:
    put(tmp_path, "a.safetensors", "model.safetensors", "z.safetensors.index.json",
        "z-00001-of-00001.safetensors", "b-00002-of-00002.safetensors")  # fmt: skip
    assert [path.name for path in candidates(tmp_path)] == [
        "z.safetensors.index.json",
        "model.safetensors",
        "a.safetensors",
        "b-00002-of-00002.safetensors",
    ]


def test_strings_and_the_home_folder_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "model.safetensors")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert can_open("~")
    with open_checkpoint("~/model.safetensors") as checkpoint:
        assert checkpoint.path == tmp_path / "model.safetensors"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.safetensors", b"", "empty"),
        ("model.safetensors", b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        ("model.safetensors", b"ver", "only 3 bytes"),
        ("model.safetensors", b"\n<!DOCTYPE html><html>not found</html>", "web page"),
        ("model.safetensors", b"<html>", "only 6 bytes"),
        ("model.safetensors", b"PK\x03\x04" + b"\0" * 90, "zip archive"),
        ("model.safetensors", b"GGUF\3\0\0\0" + b"\0" * 90, "GGUF"),
        ("model.safetensors", b'{"error": "Repository not found"}', "JSON"),
        ("model.safetensors", b"\0" * 64, "not JSON"),
        ("pytorch_model.bin", b"PK\x03\x04", "not a PyTorch file.*zip archive"),
        ("model.pt", b"\x80\x02", "not a PyTorch file.*pickle.*save_file"),
        ("model.pth", b"", "PyTorch"),
        ("model.gguf", b"GGUF", "GGUF.*4 bytes"),
        ("tf_model.h5", b"\x89HDF", "Keras.*from_tf"),
        ("flax_model.msgpack", b"x", "Flax.*from_flax"),
        ("notes.txt", b"hello", "not a safetensors, .* file"),
        ("config.json", b"{}", "JSON text"),
        ("pytorch_model.bin.index.json", b"{}", "no weight_map"),
        ("other.index.json", b"{}", "no weight_map"),
    ],
)  # fmt: skip
def test_says_what_a_file_is_and_what_to_do(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"(?s){name}.*{message}"):
        open_checkpoint(path)
    assert can_open(path) is name.endswith((".safetensors", ".gguf", ".bin.index.json"))


def test_a_folder_without_a_checkpoint(tmp_path: Path) -> None:
    put(tmp_path, "notes.txt")
    assert not can_open(tmp_path)
    assert candidates(tmp_path) == ()
    with pytest.raises(CheckpointError, match=r"holds no safetensors, .* file\.$"):
        open_checkpoint(tmp_path)


def test_a_folder_with_files_that_are_not_read(tmp_path: Path) -> None:
    put(tmp_path, "pytorch_model.bin")
    assert not can_open(tmp_path)
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin is called like a PyTorch file"):
        open_checkpoint(tmp_path)


def test_a_folder_above_the_checkpoint(tmp_path: Path) -> None:
    for name in ("unet", "vae"):
        (tmp_path / name).mkdir()
        put(tmp_path / name, "diffusion_pytorch_model.safetensors")
    with pytest.raises(CheckpointError, match="Folders in it do: unet, vae"):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no/such/file.safetensors", "does not exist"),
        ("ftp://example.org/model.safetensors", "no address"),
        ("a\0b.safetensors", "does not exist|is no path"),
        ("x" * 5000, "cannot be opened|does not exist"),
        ("~no such user at all/x", "no path|does not exist"),
    ],
)
def test_paths_that_lead_nowhere(path: str, message: str) -> None:
    assert not can_open(path)
    with pytest.raises(CheckpointError, match=message):
        open_checkpoint(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    os.mkfifo(path)
    assert not can_open(path)
    with pytest.raises(CheckpointError, match="regular file"):
        open_checkpoint(path)


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0, reason="nothing is forbidden to root")
def test_permissions_are_named(tmp_path: Path) -> None:
    put(tmp_path, "model.safetensors")
    (tmp_path / "model.safetensors").chmod(0)
    with pytest.raises(CheckpointError, match="Permission denied"):
        open_checkpoint(tmp_path / "model.safetensors")
    tmp_path.chmod(0)
    try:
        assert not can_open(tmp_path)
        with pytest.raises(CheckpointError, match="Permission denied"):
            open_checkpoint(tmp_path)
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("function", [os.scandir, open], ids=["folder", "file"])
def test_refused_access_is_an_error_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: object
) -> None:
    put(tmp_path, "model.safetensors")

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    if function is open:
        monkeypatch.setattr("builtins.open", refuse)
    else:
        monkeypatch.setattr(os, "scandir", refuse)
        assert not can_open(tmp_path)
    with pytest.raises(TomoError, match="Permission denied"):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize("thing", [None, 3, b"x", object(), ["a", "b"]])
def test_can_open_never_raises(thing: object) -> None:
    assert can_open(thing) is False  # type: ignore[arg-type]
