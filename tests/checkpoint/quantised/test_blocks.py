"""Tensors decoded block by block: any region, each block at most once, nothing else."""

import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from napari_gpt2_tomo.checkpoint import Region
from napari_gpt2_tomo.checkpoint.quantised import blocks
from napari_gpt2_tomo.checkpoint.quantised.blocks import BlockTensor


class Counting(BlockTensor):
    """Element i of the flat tensor is i; remembers which boxes were decoded."""

    def __init__(self, shape: tuple[int, ...], grain: tuple[int, int] = (1, 4)) -> None:
        super().__init__("counting", shape, "TEST", grain=grain, nbytes=1)
        self.boxes: list[tuple[int, int, int, int]] = []

    def decode(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        for given_, grain, end in zip(
            (rows, columns), self.grain, (self.rows, self.columns), strict=True
        ):
            assert 0 <= given_.start < given_.stop <= end
            assert given_.start % grain == 0
            assert given_.stop % grain == 0 or given_.stop == end
        self.boxes.append((rows.start, rows.stop, columns.start, columns.stop))
        whole = np.arange(self.rows * self.columns, dtype=np.float32)
        return whole.reshape(self.rows, self.columns)[rows, columns]

    @property
    def decoded(self) -> int:
        return sum((r1 - r0) * (c1 - c0) for r0, r1, c0, c1 in self.boxes)


shapes = st.lists(st.integers(1, 9), max_size=4).map(tuple)
grains = st.tuples(st.integers(1, 5), st.integers(1, 8))


@given(shape=shapes, grain=grains, data=st.data())
def test_any_index_gives_what_numpy_gives(
    shape: tuple[int, ...], grain: tuple[int, int], data: st.DataObject
) -> None:
    tensor = Counting(shape, grain)
    whole = np.arange(math.prod(shape), dtype=np.float32).reshape(shape)
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    got = tensor[index]
    assert np.array_equal(got, whole[index])
    assert np.asarray(got).dtype == np.float32


@given(data=st.data(), grain=grains, n=st.integers(1, 12), columns=st.integers(1, 12))
def test_any_region_gives_its_elements(
    data: st.DataObject, grain: tuple[int, int], n: int, columns: int
) -> None:
    tensor = Counting((n, columns), grain)
    size = n * columns
    shape, strides, reach = [], [], 0
    offset = data.draw(st.integers(0, size - 1))
    for _ in range(data.draw(st.integers(0, 3))):
        stride = data.draw(st.integers(0, size))
        most = 1 + (size - 1 - offset - reach) // stride if stride else 3
        count = data.draw(st.integers(1, max(1, most)))
        shape.append(count)
        strides.append(stride)
        reach += (count - 1) * stride
    region = Region(offset, tuple(shape), tuple(strides))
    expected = np.full((), offset)
    for count, stride in zip(shape, strides, strict=True):
        expected = np.add.outer(expected, np.arange(count) * stride)
    assert np.array_equal(tensor.read(region), expected)
    out = np.empty(shape[::-1], np.float32).T
    tensor.read_into(region, out)
    assert np.array_equal(out, expected)


@pytest.mark.parametrize(
    ("index", "decoded"),
    [
        (np.s_[3], 64),
        (np.s_[3, 17], 16),
        (np.s_[:, 17], 10 * 16),
        (np.s_[2:5, 15:17], 3 * 32),
        (np.s_[::4, :16], 3 * 16),
        (np.s_[:, ::40], 10 * 32),
    ],
    ids=str,
)
def test_decodes_only_the_blocks_of_the_region(index: Any, decoded: int) -> None:
    tensor = Counting((10, 64), (1, 16))
    tensor[index]
    assert tensor.decoded == decoded


def test_a_run_over_the_ends_of_rows_decodes_its_ends_and_what_lies_between() -> None:
    tensor = Counting((10, 64), (1, 16))
    assert np.array_equal(tensor.read(Region(60, (140,), (1,))), np.arange(60, 200))
    assert tensor.decoded == 16 + 2 * 64 + 16


def test_a_large_region_is_decoded_in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BAND", 256)
    tensor = Counting((100, 64), (2, 16))
    assert np.array_equal(tensor[...], np.arange(6400).reshape(100, 64))
    assert max((r1 - r0) * (c1 - c0) for r0, r1, c0, c1 in tensor.boxes) == 256
    assert tensor.decoded == 6400
    tensor.boxes.clear()
    assert np.array_equal(tensor.read(Region(3, (1000,), (5,))), np.arange(3, 5003, 5))


def test_refuses_a_region_that_leaves_the_tensor() -> None:
    tensor = Counting((4, 4))
    for region in (Region(15, (2,), (1,)), Region(-1, (1,), (1,)), Region(0, (2, 2), (13, 3))):
        with pytest.raises(IndexError):
            tensor.read(region)
    assert tensor.read(Region(99, (0,), (1,))).shape == (0,)


def test_values_cannot_be_changed_and_tensors_travel() -> None:
    tensor = Counting((4, 4))
    values = tensor.read(Region.whole((4, 4)))
    with pytest.raises(ValueError):
        values[0, 0] = 1
    assert np.array_equal(pickle.loads(pickle.dumps(tensor))[...], values)
    assert tensor.element == "F32"
    assert tensor.values is tensor
    assert tensor.codes is None
