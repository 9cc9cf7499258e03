"""PyTorch's files: what torch itself saves comes back, without torch, without running anything."""

import argparse
import json
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoint.suite import CheckpointSuite, Recording, equal
from checkpoint.writer import Sample
from napari_gpt2_tomo.base import CheckpointError
from napari_gpt2_tomo.checkpoint import Checkpoint, can_open, candidates, open_checkpoint

DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz, "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
    "F8_E8M0": torch.float8_e8m0fnu, "I64": torch.int64, "I32": torch.int32, "I16": torch.int16,
    "I8": torch.int8, "U64": torch.uint64, "U32": torch.uint32, "U16": torch.uint16,
    "U8": torch.uint8, "BOOL": torch.bool, "C64": torch.complex64,
}  # fmt: skip


def tensor_of(sample: Sample) -> torch.Tensor:
    return torch.from_numpy(sample.bits.copy()).view(DTYPES[sample.stored])


class TorchSuite(CheckpointSuite):
    """Where a tensor begins is read once, so it is read before reads are counted."""

    stored_types = tuple(sorted(DTYPES))

    @pytest.fixture
    @classmethod
    def checkpoint(cls, path: Path) -> Iterator[Checkpoint]:
        with open_checkpoint(path) as checkpoint:
            for tensor in checkpoint.values():
                tensor[...]
            yield checkpoint


class TestArchive(TorchSuite):
    @classmethod
    def save(cls, folder: Path, tensors: Mapping[str, Sample]) -> Path:
        path = folder / "pytorch_model.bin"
        torch.save({name: tensor_of(sample) for name, sample in tensors.items()}, path)
        return path


class TestTransposed(TorchSuite):
    """Tensors whose elements lie in the reverse order of their axes."""

    stored_types = ("BF16", "F32", "I64")

    @classmethod
    def save(cls, folder: Path, tensors: Mapping[str, Sample]) -> Path:
        path = folder / "pytorch_model.bin"
        turned: dict[str, torch.Tensor] = {}
        for name, sample in tensors.items():
            tensor = tensor_of(sample)
            axes = tuple(range(tensor.ndim))[::-1]
            turned[name] = tensor.permute(axes).contiguous().permute(axes)
        torch.save(turned, path)
        return path


class TestBeforeVersion16(TorchSuite):
    stored_types = ("BF16", "BOOL", "F16", "F32", "F64", "I64", "U8")

    @classmethod
    def save(cls, folder: Path, tensors: Mapping[str, Sample]) -> Path:
        path = folder / "model.pth"
        found = {name: tensor_of(sample) for name, sample in tensors.items()}
        torch.save(found, path, _use_new_zipfile_serialization=False)
        return path

    def test_opening_reads_no_values(
        self, path: Path, samples: dict[str, Sample], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Pickles do not say how long they are: 64 KiB are read at first."""
        large = path.with_name("large.pth")
        torch.save({"w": torch.zeros(1 << 18)}, large, _use_new_zipfile_serialization=False)
        recording = Recording(monkeypatch)
        with open_checkpoint(large) as checkpoint:
            assert checkpoint["w"].shape == (1 << 18,)
        assert recording.nbytes < 1 << 17


class TestShards(TorchSuite):
    stored_types = ("BF16", "F32")

    @classmethod
    def save(cls, folder: Path, tensors: Mapping[str, Sample]) -> Path:
        names = list(tensors)
        half = -(-len(names) // 2)
        weight_map: dict[str, str] = {}
        for number in range(2):
            part = names[number * half : (number + 1) * half]
            file = f"pytorch_model-{number + 1:05}-of-00002.bin"
            torch.save({name: tensor_of(tensors[name]) for name in part}, folder / file)
            weight_map |= dict.fromkeys(part, file)
        index = {"metadata": {}, "weight_map": weight_map}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
        return folder


W = torch.arange(24, dtype=torch.float32).reshape(6, 4)


def opened(folder: Path, content: Any, name: str = "model.pt", **options: Any) -> Checkpoint:
    path = folder / name
    torch.save(content, path, **options)
    return open_checkpoint(path)


VIEWS = {
    "transposed": W.t(),
    "rows": W[2:5],
    "columns": W[:, 1:3],
    "every other": W[::2, ::3],
    "turned cube": W.reshape(2, 3, 4).permute(2, 0, 1),
    "a diagonal": torch.as_strided(W, (4,), (5,)),
    "overlapping": torch.as_strided(W, (5, 6), (2, 3)),
    "repeated row": W[1].expand(3, 4),
    "repeated number": W[1, 1].expand(3, 2, 2),
    "one row": W[3:4],
    "a number": W[4, 2],
    "nothing": W[:0].t(),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
@pytest.mark.parametrize("modern", [True, False], ids=["archive", "old"])
def test_views_have_the_right_values(tmp_path: Path, view: torch.Tensor, modern: bool) -> None:
    content = {"whole": W, "view": view}
    with opened(tmp_path, content, _use_new_zipfile_serialization=modern) as checkpoint:
        assert equal(checkpoint["view"][...], view.numpy())
        assert checkpoint["view"].shape == tuple(view.shape)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_region_of_a_turned_tensor(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    from napari_gpt2_tomo.checkpoint import Region

    folder = tmp_path_factory.getbasetemp() / "turned"
    folder.mkdir(exist_ok=True)
    cube = torch.arange(210, dtype=torch.int64).reshape(5, 6, 7)
    axes = data.draw(st.permutations(range(3)))
    path = folder / f"{''.join(map(str, axes))}.pt"
    if not path.exists():
        torch.save({"w": cube.permute(*axes)}, path)
    flat = cube.permute(*axes).reshape(-1).numpy()
    offset = data.draw(st.integers(0, 209))
    shape, strides, left = [], [], 209 - offset
    for _ in range(data.draw(st.integers(0, 3))):
        stride = data.draw(st.sampled_from((0, 1, 2, 5, 6, 7, 30, 35, 42, 43)))
        count = data.draw(st.integers(1, min(left // stride if stride else 8, 40) + 1))
        left -= (count - 1) * stride
        shape.append(count)
        strides.append(stride)
    region = Region(offset, tuple(shape), tuple(strides))
    expected = np.lib.stride_tricks.as_strided(
        flat[offset:], shape, [8 * stride for stride in strides]
    )
    with open_checkpoint(path) as checkpoint:
        assert equal(checkpoint["w"].read(region), expected)
        out = np.empty(shape, np.float32)
        checkpoint["w"].read_into(region, out)
        assert (out == expected).all()


def test_tied_weights_are_listed_once(tmp_path: Path) -> None:
    other = W.clone()
    content = {"wte.weight": W, "other": other, "turned": W.t(), "lm_head.weight": W}
    with opened(tmp_path, content) as checkpoint:
        assert list(checkpoint) == ["wte.weight", "other", "turned"]
        assert equal(checkpoint["lm_head.weight"][...], W.numpy())
        assert checkpoint.missing == {}
        assert any("lm_head.weight is wte.weight" in note for note in checkpoint.notes)


def test_a_model_inside_a_training_checkpoint_is_found(tmp_path: Path) -> None:
    model = torch.nn.Linear(4, 6)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(4)).sum().backward()
    optimizer.step()
    average = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    content = {
        "optimizer": optimizer.state_dict(),
        "model_ema": average,
        "model": model.state_dict(),
        "iter_num": 250,
        "model_args": {"n_head": 6, "n_layer": 3, "bias": False},
        "args": argparse.Namespace(lr=0.1),
    }
    with opened(tmp_path, content, "ckpt.pt") as checkpoint:
        assert list(checkpoint) == ["weight", "bias"]
        assert equal(checkpoint["weight"][...], model.weight.detach().numpy())
        assert checkpoint.metadata["iter_num"] == "250"
        assert checkpoint.metadata["n_head"] == "6"
        assert checkpoint.metadata["lr"] == "0.1"
        (chosen, classes) = checkpoint.notes
        assert "under model;" in chosen
        assert "optimizer (6 tensors)" in chosen
        assert "model_ema (2 tensors)" in chosen
        assert "argparse.Namespace" in classes


NESTINGS = {
    "flat": ({"a.w": W, "a.b": W[0]}, ["a.w", "a.b"]),
    "state_dict": ({"state_dict": {"a": W}, "epoch": 3}, ["a"]),
    "two levels": ({"checkpoint": 1, "model": {"state_dict": {"a": W}}}, ["a"]),
    "nested modules": (
        {"model": {"embedding": {"word": {"weight": W}}, "encoder": {"layers.0.w": W[0]}}},
        ["embedding.word.weight", "encoder.layers.0.w"],
    ),
    "modules at the top": ({"embedding": {"w": W}, "head": {"w": W[0]}}, ["embedding.w", "head.w"]),
    "the larger one": ({"generator": {"a": W}, "critic": {"a": W, "b": W[0]}}, ["a", "b"]),
    "a number beside it": ({"model": {"a": W, "b": W[0]}, "decay": W[0, 0]}, ["a", "b"]),
    "a list": ([W, W[0]], ["0", "1"]),
    "one tensor": (W, ["tensor"]),
    "only an optimizer": ({"optimizer": {"state": {"m": W}}}, ["optimizer.state.m"]),
}


@pytest.mark.parametrize(("content", "names"), NESTINGS.values(), ids=NESTINGS.keys())
def test_what_counts_as_the_model(tmp_path: Path, content: Any, names: list[str]) -> None:
    with opened(tmp_path, content) as checkpoint:
        assert list(checkpoint) == names


class Small(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lin = torch.nn.Linear(3, 2)
        self.register_buffer("mask", torch.ones(2))
        self.seq = torch.nn.Sequential(torch.nn.Linear(2, 2, bias=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.seq(self.lin(x)) * self.mask


@pytest.mark.parametrize("how", ["module", "script"])
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_whole_modules_give_their_tensors(tmp_path: Path, how: str) -> None:
    module = Small()
    path = tmp_path / "whole.pt"
    if how == "module":
        torch.save(module, path)
    else:
        torch.jit.trace(module, torch.ones(3)).save(path)
    expected = module.state_dict()
    with open_checkpoint(path) as checkpoint:
        assert set(checkpoint) == set(expected)
        for name, tensor in expected.items():
            assert equal(checkpoint[name][...], tensor.numpy())


@pytest.mark.filterwarnings("ignore")
def test_what_is_not_read_is_named(tmp_path: Path) -> None:
    content = {
        "w": W,
        "sparse": torch.eye(3).to_sparse(),
        "meta": torch.empty(3, device="meta"),
        "complex": torch.zeros(2, dtype=torch.complex128),
        "quantised": torch.quantize_per_tensor(W, 0.1, 0, torch.qint8),
        "conjugated": torch.zeros(2, dtype=torch.complex64).conj(),
        "repeated": torch.zeros(1).expand(1 << 25),
    }
    with opened(tmp_path, content) as checkpoint:
        assert list(checkpoint) == ["w"]
        why = checkpoint.missing
        assert "sparse" in why["sparse"]
        assert "no values" in why["meta"]
        assert "ComplexDouble" in why["complex"]
        assert "quantised" in why["quantised"]
        assert "conjugated" in why["conjugated"]
        assert "repeats" in why["repeated"]
        with pytest.raises(KeyError, match="sparse"):
            checkpoint["sparse"]


def test_parameters_and_their_order(tmp_path: Path) -> None:
    content = OrderedDict(b=torch.nn.Parameter(W), a=torch.nn.Parameter(W[0].clone()))
    content["b"].mark = "attributes of a parameter are kept beside it"
    with opened(tmp_path, content) as checkpoint:
        assert list(checkpoint) == ["b", "a"]
        assert equal(checkpoint["b"][...], W.numpy())


class Odd:
    def __reduce__(self) -> Any:
        return print, ("this must not be printed",)


@pytest.mark.parametrize("modern", [True, False], ids=["archive", "old"])
def test_a_pickle_that_wants_more_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], modern: bool
) -> None:
    content = {"w": W, "extra": [{"deep": Odd()}]}
    with pytest.raises(CheckpointError, match=r"builtin.*\.print.*weights_only=False") as error:
        opened(tmp_path, content, _use_new_zipfile_serialization=modern)
    assert "model.pt" in str(error.value)
    assert capsys.readouterr().out == ""


def test_what_lies_beside_the_weights_is_left_alone(tmp_path: Path) -> None:
    beside = ("optimizer.pt", "scheduler.pt", "training_args.bin", "rng_state_0.pth", "scaler.pt")
    for name in beside:
        torch.save({"a": W}, tmp_path / name)
    (tmp_path / "tokenizer.bin").write_bytes(b"\5\0\0\0\1\0\0\0")
    assert not can_open(tmp_path)
    torch.save({"w": W}, tmp_path / "pytorch_model.bin")
    assert [path.name for path in candidates(tmp_path)] == ["pytorch_model.bin"]
    with open_checkpoint(tmp_path) as checkpoint:
        assert list(checkpoint) == ["w"]


def test_a_share_of_a_model_is_said_to_be_one(tmp_path: Path) -> None:
    for rank in range(2):
        torch.save({"layers.0.attention.wq.weight": W}, tmp_path / f"consolidated.{rank:02}.pth")
    with open_checkpoint(tmp_path / "consolidated.00.pth") as checkpoint:
        assert any("one of 2 ranks" in note for note in checkpoint.notes)


def test_torch_is_not_imported(tmp_path: Path) -> None:
    torch.save({"w": W.t()}, tmp_path / "model.pt")
    code = (
        "import sys; from napari_gpt2_tomo.checkpoint import open_checkpoint\n"
        f"assert open_checkpoint({str(tmp_path / 'model.pt')!r})['w'][1, 2] == 9\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
