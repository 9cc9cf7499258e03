"""The cube holds every parameter once, finds it again, and reads no more than it must."""

import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from napari_gpt2_tomo.anatomy.anatomy import Anatomy
from napari_gpt2_tomo.anatomy.part import HyperParameters, Part
from napari_gpt2_tomo.anatomy.view import View
from napari_gpt2_tomo.base import LayoutError, TomoError
from napari_gpt2_tomo.checkpoint.region import c_strides
from napari_gpt2_tomo.volume.layouts.cube import CubeLayout
from napari_gpt2_tomo.volume.layouts.hilbert import brick_table, decode, encode
from napari_gpt2_tomo.volume.reading.cube_reader import CubeReader
from volume.cube_phantoms import Phantom, phantoms, shown, signal


def anatomy_of(*shapes: tuple[int, ...]) -> tuple[Anatomy, dict[str, tuple[int, ...]]]:
    named = {f"t{i}": shape for i, shape in enumerate(shapes)}
    parts = []
    for name, shape in named.items():
        view = View(0, tuple(((n, s),) for n, s in zip(shape, c_strides(shape), strict=True)))
        parts.append(Part(name, "other", "other", name, view, ("axis",) * len(shape)))
    return Anatomy(tuple(parts), HyperParameters()), named


@st.composite
def cubes(draw: Any, *, finite: bool = False) -> tuple[Phantom, CubeLayout]:
    phantom = draw(phantoms(finite=finite))
    bits = draw(st.sampled_from([None, 0, 1, 1, 2, 3]))
    coarsest = draw(st.sampled_from([1, 1, 1, 8, 64]))
    return phantom, CubeLayout(phantom.anatomy, phantom.shapes, brick_bits=bits, coarsest=coarsest)


def whole(layout: CubeLayout, level: int) -> tuple[tuple[int, int], ...]:
    return tuple((0, n) for n in layout.level_shape(level))


@st.composite
def boxes(draw: Any, layout: CubeLayout, level: int) -> tuple[tuple[int, int], ...]:
    ends = [sorted(draw(st.tuples(*[st.integers(0, n)] * 2))) for n in layout.level_shape(level)]
    if draw(st.booleans()):
        axis = draw(st.integers(0, 2))
        at = draw(st.integers(0, layout.level_shape(level)[axis] - 1))
        ends[axis] = [at, at + 1]
    return tuple((a, b) for a, b in ends)


def cut(values: np.ndarray, box: tuple[tuple[int, int], ...]) -> np.ndarray:
    return values[tuple(slice(a, b) for a, b in box)]


def level_of(layout: CubeLayout, fine: np.ndarray, level: int, reduction: str) -> np.ndarray:
    """A level by brute force, from the voxels of level 0 (NaN where there is no parameter)."""
    out = np.zeros(layout.level_shape(level), np.float32)
    f = 2**level
    for at in np.ndindex(out.shape):
        block = fine[tuple(slice(f * i, f * (i + 1)) for i in at)].astype(np.float64).ravel()
        block = block[np.isfinite(block)]
        if not block.size:
            continue
        if reduction == "rms":
            out[at] = math.sqrt(math.fsum(block**2) / block.size)
        elif reduction == "mean":
            out[at] = math.fsum(block) / block.size
        else:
            out[at] = max(block, key=lambda w: (abs(w), w)) + 0.0
    return out


def volume_of(layout: CubeLayout, stream: np.ndarray, air: float) -> np.ndarray:
    """Level 0 by brute force: the curve's cell of every voxel, looked up in the stream."""
    cells = np.stack(np.indices(layout.shape), axis=-1)
    padded = np.full(8**layout.order, air, stream.dtype)
    padded[: len(stream)] = stream
    return padded[encode(cells, layout.order)]


@given(cubes())
def test_every_parameter_has_one_voxel_and_its_place_leads_back(
    made: tuple[Phantom, CubeLayout],
) -> None:
    phantom, layout = made
    seen = set()
    for tensor, flat in phantom.stream:
        index = tuple(int(i) for i in np.unravel_index(flat, phantom.shapes[tensor]))
        voxel = layout.voxel(tensor, index)
        place = layout.place(voxel)
        assert place is not None
        assert (place.tensor, place.index) == (tensor, index)
        assert place.part == phantom.part(tensor, flat)
        seen.add(voxel)
    assert len(seen) == len(phantom.stream) == layout.n_parameters
    if math.prod(layout.shape) <= 2000:
        air = [at for at in np.ndindex(layout.shape) if layout.place(at) is None]
        assert len(air) == math.prod(layout.shape) - len(seen)


@given(cubes(), st.data())
def test_level_0_shows_the_tensors_bit_for_bit_and_air_is_0(
    made: tuple[Phantom, CubeLayout], data: st.DataObject
) -> None:
    phantom, layout = made
    name = data.draw(st.sampled_from(["signed", "magnitude", "sigma"]))
    reader = CubeReader(layout, phantom.tensors, signal(phantom, name), "extreme")
    expected = volume_of(layout, shown(phantom, name), 0)
    for box in (whole(layout, 0), data.draw(boxes(layout, 0))):
        found = reader.read(box, 0)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found.view(np.uint32), cut(expected, box).view(np.uint32))


@given(cubes(), st.data())
@settings(deadline=None)
def test_a_coarse_level_is_the_reduction_of_level_0(
    made: tuple[Phantom, CubeLayout], data: st.DataObject
) -> None:
    phantom, layout = made
    name, reduction = data.draw(
        st.sampled_from(
            [
                ("signed", "extreme"),
                ("signed", "mean"),
                ("magnitude", "rms"),
                ("sigma", "extreme"),
                ("sigma", "mean"),
            ]
        )
    )
    assume(len(layout.factors) > 1)
    level = data.draw(st.integers(1, len(layout.factors) - 1))
    reader = CubeReader(layout, phantom.tensors, signal(phantom, name), reduction)
    fine = volume_of(layout, shown(phantom, name), np.nan)
    expected = level_of(layout, fine, level, reduction)
    for box in (whole(layout, level), data.draw(boxes(layout, level))):
        found, wanted = reader.read(box, level), cut(expected, box)
        if reduction == "extreme":
            np.testing.assert_array_equal(found.view(np.uint32), wanted.view(np.uint32))
        elif reduction == "rms":
            np.testing.assert_array_max_ulp(found, wanted, 1)
        else:
            # A mean near 0 by cancellation keeps the error of its float64 sum.
            np.testing.assert_allclose(found, wanted, rtol=2**-23, atol=1e-15)


@given(cubes(), st.data())
def test_a_label_is_the_part_of_the_first_parameter_of_a_voxel(
    made: tuple[Phantom, CubeLayout], data: st.DataObject
) -> None:
    phantom, layout = made
    level = data.draw(st.integers(0, len(layout.factors) - 1))
    reader = CubeReader(layout, phantom.tensors, signal(phantom, "signed"), "extreme")
    labels = np.zeros(8**layout.order, np.int32)
    labels[: layout.n_parameters] = phantom.parts() + 1
    cells = np.stack(np.indices(layout.level_shape(level)), axis=-1)
    expected = labels[:: 8**level][encode(cells, layout.order - level)]
    for box in (whole(layout, level), data.draw(boxes(layout, level))):
        found = reader.labels(box, level)
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, cut(expected, box))
    assert not any(tensor.reads for tensor in phantom.tensors.values())


@given(cubes(), st.data())
@settings(deadline=None)
def test_a_box_reads_each_brick_that_it_crosses_once_and_no_other(
    made: tuple[Phantom, CubeLayout], data: st.DataObject
) -> None:
    phantom, layout = made
    level = data.draw(st.integers(0, len(layout.factors) - 1))
    box = data.draw(boxes(layout, level))
    CubeReader(layout, phantom.tensors, signal(phantom, "signed"), "extreme").read(box, level)
    side, size = 2**layout.brick_bits, 8**layout.brick_bits
    bricks = {
        int(encode([i // side for i in at], layout.order - layout.brick_bits))
        for at in np.ndindex(*[(b - a) << level for a, b in box])
        for at in [tuple(i + (a << level) for i, (a, _) in zip(at, box, strict=True))]
    }
    start = {name: at for at, (name, flat) in enumerate(phantom.stream) if flat == 0}
    for name, tensor in phantom.tensors.items():
        spans = [(start[name] + a, start[name] + b) for a, b in tensor.reads]
        assert len(set(spans)) == len(spans)
        for a, b in spans:
            assert a // size in bricks
            assert (b - 1) // size == a // size
            # A tensor that shares a brick is read only if the box shows something of it.
            cells = decode(np.arange(a, b), layout.order) >> level
            inside = [(low <= c) & (c < high) for c, (low, high) in zip(cells.T, box, strict=True)]
            assert np.logical_and.reduce(inside).any()


@given(cubes(), st.data())
def test_runs_cut_the_stream_at_the_tensors(
    made: tuple[Phantom, CubeLayout], data: st.DataObject
) -> None:
    phantom, layout = made
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, layout.n_parameters + 5)] * 2)))
    found = [
        (run.tensor, i, run.stream + i - run.start)
        for run in layout.runs(start, stop)
        for i in range(run.start, run.stop)
    ]
    expected = phantom.stream[start:stop]
    assert found == [(*at, start + i) for i, at in enumerate(expected)]


@given(cubes(), st.data())
def test_an_interval_of_the_stream_is_read_in_order(
    made: tuple[Phantom, CubeLayout], data: st.DataObject
) -> None:
    phantom, layout = made
    name = data.draw(st.sampled_from(["signed", "magnitude", "sigma"]))
    reader = CubeReader(layout, phantom.tensors, signal(phantom, name), "mean")
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, layout.n_parameters + 5)] * 2)))
    found = reader.values(start, stop)
    expected = shown(phantom, name)[start:stop]
    np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))


@given(cubes(), st.data())
def test_bricks_in_a_box_are_those_in_use_in_stream_order(
    made: tuple[Phantom, CubeLayout], data: st.DataObject
) -> None:
    _, layout = made
    box = data.draw(boxes(layout, 0))
    side, size = 2**layout.brick_bits, 8**layout.brick_bits
    bricks = layout.bricks_in(box)
    assert [brick.index for brick in bricks] == sorted({brick.index for brick in bricks})
    crossed = set()
    for brick in bricks:
        assert brick.index < layout.n_bricks
        local = np.stack(np.indices((side,) * 3), axis=-1)
        direct = encode(local + brick.origin, layout.order) - brick.index * size
        np.testing.assert_array_equal(brick_table(brick.orientation, layout.brick_bits), direct)
        for at in np.ndindex(side, side, side):
            voxel = tuple(i + o for i, o in zip(at, brick.origin, strict=True))
            if all(a <= v < b for v, (a, b) in zip(voxel, box, strict=True)):
                crossed.add(voxel)
    held = [at for at in np.ndindex(layout.shape) if layout.place(at) is not None]
    inside = {at for at in held if all(a <= v < b for v, (a, b) in zip(at, box, strict=True))}
    assert inside <= crossed


@given(cubes())
def test_every_halving_is_exact_and_the_last_level_is_small(
    made: tuple[Phantom, CubeLayout],
) -> None:
    _, layout = made
    for level, factor in enumerate(layout.factors):
        assert factor == (2**level,) * 3
        assert all(n % 2**level == 0 for n in layout.shape)
    assert layout.factors[0] == (1, 1, 1)
    assert max(layout.shape) <= 2**layout.order


@pytest.mark.parametrize(
    ("parameters", "shape", "levels"),
    [
        (0, (1, 1, 1), 1),
        (1, (1, 1, 1), 1),
        (8, (2, 2, 2), 1),
        (1000, (8, 8, 16), 1),
        (124_439_808, (512, 512, 512), 5),
        (6_738_415_616, (2048, 2048, 2048), 7),
        (70_553_706_496, (4096, 4096, 5120), 8),
        (1_000_000_000_000, (16384, 8192, 8192), 9),
    ],
)
def test_models_of_every_size_get_a_volume_and_a_small_coarsest_level(
    parameters: int, shape: tuple[int, ...], levels: int
) -> None:
    anatomy, shapes = anatomy_of((parameters,))
    layout = CubeLayout(anatomy, shapes)
    assert sorted(layout.shape) == sorted(shape)
    assert len(layout.factors) == levels
    assert math.prod(layout.level_shape(levels - 1)) <= 2**17
    if parameters:
        last = layout.voxel("t0", (parameters - 1,))
        place = layout.place(last)
        assert place is not None
        assert place.index == (parameters - 1,)


@given(st.integers(1, 2**17))
def test_a_small_model_is_at_least_half_of_its_volume(parameters: int) -> None:
    anatomy, shapes = anatomy_of((parameters,))
    assert math.prod(CubeLayout(anatomy, shapes).shape) <= 2 * parameters


def test_what_is_no_parameter_has_no_voxel() -> None:
    anatomy, shapes = anatomy_of((3, 4))
    anatomy = Anatomy(anatomy.parts, anatomy.hyper, buffers=("mask",))
    layout = CubeLayout(anatomy, {**shapes, "mask": (2, 2), "scales": (5,)})
    for name in ("mask", "scales", "absent"):
        with pytest.raises(TomoError, match=name):
            layout.voxel(name, (0, 0) if name == "mask" else (0,))
    with pytest.raises(IndexError):
        layout.voxel("t0", (3, 0))
    with pytest.raises(IndexError):
        layout.place((0, 0, layout.shape[2]))


def test_a_box_or_level_that_is_not_there_is_refused() -> None:
    anatomy, shapes = anatomy_of((3, 4))
    layout = CubeLayout(anatomy, shapes, coarsest=1)
    reader = CubeReader(layout, {}, signal(Phantom(anatomy, {}), "signed"), "extreme")
    for read in (reader.read, reader.labels):
        with pytest.raises(LayoutError, match="no level 9"):
            read(((0, 1),) * 3, 9)
        with pytest.raises(IndexError, match="level 1"):
            read(((0, 1), (0, 1), (0, layout.level_shape(1)[2] + 1)), 1)


@given(phantoms(), phantoms())
def test_the_token_tells_layouts_apart(one: Phantom, other: Phantom) -> None:
    a, b = CubeLayout(one.anatomy, one.shapes), CubeLayout(other.anatomy, other.shapes)
    same = [(n, one.shapes[n]) for n in a.tensors] == [(n, other.shapes[n]) for n in b.tensors]
    assert (a.token == b.token) == same
    assert pickle.loads(pickle.dumps(a)).token == a.token


@given(cubes())
def test_a_reader_can_be_sent_to_another_process(made: tuple[Phantom, CubeLayout]) -> None:
    phantom, layout = made
    reader = CubeReader(layout, phantom.tensors, signal(phantom, "signed"), "extreme")
    box = whole(layout, 0)
    copy = pickle.loads(pickle.dumps(reader))
    np.testing.assert_array_equal(copy.read(box, 0), reader.read(box, 0))
