"""What quantised tensors of every scheme have to hold; a scheme's tests subclass it."""

import json
import pickle
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from checkpoint.quantised.packers import Packed, sample
from checkpoint.suite import Recording
from checkpoint.writer import write_safetensors
from napari_gpt2_tomo.base import CheckpointError
from napari_gpt2_tomo.checkpoint import Checkpoint, open_checkpoint
from napari_gpt2_tomo.checkpoint.region import normalise_index
from napari_gpt2_tomo.checkpoint.source import MappedFile
from napari_gpt2_tomo.checkpoint.tensor import LazyTensor


def save(folder: Path, cases: dict[str, Packed], config: dict[str, Any] | None = None) -> Path:
    """A checkpoint of quantised modules, each with a bias, and a plain tensor before them."""
    samples = {"first": sample(np.arange(6, dtype=np.float32))}
    for module, packed in cases.items():
        samples |= packed.samples(module)
        samples[f"{module}.bias"] = sample(np.zeros(2, np.float32))
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return write_safetensors(folder / "model.safetensors", samples)


class QuantisedSuite(ABC):
    """Tests of tensors that are dequantised.

    A subclass gives the cases: module → what was packed. `scheme` is in the format of the
    checkpoint, `words` has the words of each case's scheme.
    """

    scheme: str
    words: ClassVar[dict[str, str]]
    ending = ".weight"
    exact = True

    @classmethod
    @abstractmethod
    def make(cls) -> dict[str, Packed]:
        """Some tensors, none of them square."""

    @classmethod
    def configuration(cls, cases: dict[str, Packed]) -> dict[str, Any] | None:
        """What is in ``config.json``."""
        config = next(iter(cases.values())).config
        return {"quantization_config": config} if config else None

    @pytest.fixture(scope="class")
    @classmethod
    def cases(cls) -> dict[str, Packed]:
        return cls.make()

    @pytest.fixture(scope="class")
    @classmethod
    def path(cls, tmp_path_factory: pytest.TempPathFactory, cases: dict[str, Packed]) -> Path:
        return save(tmp_path_factory.mktemp("quantised"), cases, cls.configuration(cases))

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, path: Path) -> Any:
        with open_checkpoint(path) as checkpoint:
            yield checkpoint

    def tensor(self, checkpoint: Checkpoint, module: str) -> LazyTensor:
        return checkpoint[module + self.ending]

    def same(self, got: Any, expected: Any) -> bool:
        if self.exact:
            return bool(np.array_equal(got, expected))
        return bool(np.allclose(got, expected, rtol=1e-6, atol=0))

    def test_values_are_those_of_the_packer(
        self, checkpoint: Checkpoint, cases: dict[str, Packed]
    ) -> None:
        assert checkpoint.missing == {}
        for module, packed in cases.items():
            tensor = self.tensor(checkpoint, module)
            assert tensor.shape == packed.values.shape
            assert tensor.dtype == np.float32
            assert tensor.element == "F32"
            assert tensor.values is tensor
            assert self.same(tensor[...], packed.values), module

    def test_codes_scales_and_zeros_make_the_values(
        self, checkpoint: Checkpoint, cases: dict[str, Packed]
    ) -> None:
        for module, packed in cases.items():
            tensor = self.tensor(checkpoint, module)
            assert tensor.codes is not None
            assert tensor.scales is not None
            assert tensor.codes.shape == tensor.shape
            assert np.array_equal(tensor.codes[...], packed.codes)
            scales = tensor.scales[...]
            zeros = None if tensor.zeros is None else tensor.zeros[...]
            assert (zeros is None) == (packed.zeros is None)
            for at in np.ndindex(tensor.shape):
                group = tensor.scale_index(at)
                assert self.same(scales[group], packed.scales[at])
                if zeros is not None and packed.zeros is not None:
                    assert zeros[group] == packed.zeros[at]

    def test_says_how_it_is_quantised(
        self, checkpoint: Checkpoint, cases: dict[str, Packed]
    ) -> None:
        assert self.scheme in checkpoint.format
        for module in cases:
            tensor = self.tensor(checkpoint, module)
            assert tensor.scheme == self.words[module]
            assert tensor.stored == self.words[module].split(",")[0]

    def test_lists_weights_in_place_of_what_is_stored(
        self, checkpoint: Checkpoint, cases: dict[str, Packed]
    ) -> None:
        expected = ["first"]
        for module in cases:
            expected += [module + self.ending, f"{module}.bias"]
        assert set(checkpoint) == set(expected)
        assert len(checkpoint) == len(expected)
        for module, packed in cases.items():
            for end, array in packed.stored.items():
                if end != self.ending:
                    assert module + end not in list(checkpoint)
                    assert module + end in checkpoint.side_data
                    assert checkpoint[module + end].shape == array.shape
            tensor = self.tensor(checkpoint, module)
            stored = [array.nbytes for array in packed.stored.values()]
            assert max(stored) <= tensor.nbytes <= sum(stored)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def test_indexes_as_numpy_does(
        self, checkpoint: Checkpoint, cases: dict[str, Packed], data: st.DataObject
    ) -> None:
        module = data.draw(st.sampled_from(sorted(cases)))
        values, codes = cases[module].values, cases[module].codes
        index = data.draw(hnp.basic_indices(values.shape, allow_newaxis=True, allow_ellipsis=True))
        tensor = self.tensor(checkpoint, module)
        assert self.same(tensor[index], values[index])
        assert tensor.codes is not None
        assert np.array_equal(tensor.codes[index], codes[index])

    def test_reads_only_the_blocks_of_a_slice(
        self,
        checkpoint: Checkpoint,
        cases: dict[str, Packed],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        recording = Recording(monkeypatch)
        for module, packed in cases.items():
            tensor = self.tensor(checkpoint, module)
            bytes_ = sorted(array.nbytes for array in packed.stored.values())
            rest = sum(bytes_[:-1])  # scales and the like, which are small
            for axis, n in enumerate(tensor.shape):
                index = (*[slice(None)] * axis, n // 2)
                recording.ranges.clear()
                assert self.same(tensor[index], packed.values[index])
                # A line lies in at most 32 lines of codes, where 3-bit words have to be whole.
                assert recording.nbytes <= bytes_[-1] * min(1, 32 / n) + rest, (module, index)
            recording.ranges.clear()
            tensor[tuple(n - 1 for n in tensor.shape)]
            assert recording.nbytes <= 16 + rest

    def test_tells_ahead_which_bytes_it_reads(
        self,
        checkpoint: Checkpoint,
        cases: dict[str, Packed],
        path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        recording = Recording(monkeypatch)
        monkeypatch.setattr(MappedFile, "is_remote", True)
        for module in cases:
            shape = self.tensor(checkpoint, module).shape
            lines = [(*[slice(None)] * axis, n // 2) for axis, n in enumerate(shape)]
            for index in (*lines, (...,), tuple(n - 1 for n in shape), (slice(1, 9), slice(3, 7))):
                region, _, _ = normalise_index(shape, index)
                with open_checkpoint(path) as fresh:
                    tensor = self.tensor(fresh, module)
                    told = np.zeros(path.stat().st_size, bool)
                    for _, ranges in tensor.ranges(region):
                        for start, stop in ranges:
                            told[start:stop] = True
                    recording.ranges.clear()
                    tensor.read(region)
                    assert recording.ranges
                    assert all(told[start:stop].all() for _, start, stop in recording.ranges)

    def test_tensors_travel(self, checkpoint: Checkpoint, cases: dict[str, Packed]) -> None:
        sent = pickle.dumps(checkpoint)
        assert len(sent) < 2500
        with pickle.loads(sent) as received:
            assert list(received) == list(checkpoint)
            assert received.fingerprint == checkpoint.fingerprint
        for module, packed in cases.items():
            tensor = self.tensor(checkpoint, module)
            tensor[...]
            sent = pickle.dumps(tensor)
            assert len(sent) < 3000
            assert self.same(pickle.loads(sent)[...], packed.values)

    def test_refuses_to_read_after_closing(self, path: Path, cases: dict[str, Packed]) -> None:
        with open_checkpoint(path) as checkpoint:
            tensor = self.tensor(checkpoint, next(iter(cases)))
        with pytest.raises(CheckpointError, match="closed"):
            tensor[0]

    def test_opening_reads_no_weights(
        self, path: Path, cases: dict[str, Packed], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recording = Recording(monkeypatch)
        with open_checkpoint(path) as checkpoint:
            assert [tensor.shape for tensor in checkpoint.values()]
            header = int.from_bytes(path.read_bytes()[:8], "little") + 8
        assert recording.nbytes <= header + 512 * len(cases), "the header and a few descriptions"
