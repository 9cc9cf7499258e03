"""The pass over the cube and its quick look give what the reader gives voxel by voxel."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from napari_gpt2_tomo.base import Cancelled
from napari_gpt2_tomo.checkpoint.dtypes import LUT, STORED_TYPES
from napari_gpt2_tomo.volume.layouts.cube import CubeLayout
from napari_gpt2_tomo.volume.layouts.hilbert import decode
from napari_gpt2_tomo.volume.overview import cube_pass, stream
from napari_gpt2_tomo.volume.overview.cube_pass import CubePass, sample_bricks
from napari_gpt2_tomo.volume.overview.run import run_all
from napari_gpt2_tomo.volume.reading.cube_reader import CubeReader
from volume.cube_phantoms import Phantom, RecordedTensor, phantoms, signal
from volume.test_cube import anatomy_of, whole

SHOWN = [
    ("signed", "extreme"),
    ("signed", "mean"),
    ("magnitude", "rms"),
    ("magnitude", "mean"),
    ("magnitude", "extreme"),
    ("sigma", "extreme"),
    ("sigma", "mean"),
]


def computed(work: CubePass, layout: CubeLayout, threads: int = 1) -> list[np.ndarray]:
    """All levels of a pass, put together from its tiles."""
    factors = [f[0] for f in layout.factors[work.first :]]
    levels = []
    for level in range(work.first, len(layout.factors)):
        # NaN where no tile has written.
        grid = [-(-n // side) for n, side in zip(layout.shape, work.tile_shape, strict=True)]
        chunk = work.tile_shape[0] >> level
        levels.append(np.full([n * chunk for n in grid], np.nan, np.float32))

    def run(tile: stream.Tile, step: Any) -> None:
        out = [np.full((work.tile_shape[0] // f,) * 3, np.nan, np.float32) for f in factors]
        assert work.run(tile, out, step) == {}
        for level, values in zip(levels, out, strict=True):
            side = values.shape[0]
            level[tuple(slice(i * side, (i + 1) * side) for i in tile.index)] = values

    run_all(run, work.tiles, None, threads)
    return levels


def assert_is_level(found: np.ndarray, reader: CubeReader, level: int) -> None:
    box = whole(reader.layout, level)
    expected = reader.read(box, level)
    inside = tuple(slice(0, n) for n in expected.shape)
    if reader.reduction == "extreme":
        np.testing.assert_array_equal(found[inside].view(np.uint32), expected.view(np.uint32))
    else:
        np.testing.assert_array_max_ulp(found[inside], expected, 1)
    # What the chunks hold beyond the volume is air.
    assert np.count_nonzero(found) == np.count_nonzero(expected)


@given(phantoms(), st.data())
@settings(deadline=None)
def test_every_level_of_the_pass_is_what_the_reader_gives(
    phantom: Phantom, data: st.DataObject
) -> None:
    name, reduction = data.draw(st.sampled_from(SHOWN))
    bits, chunk_bits = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))
    layout = CubeLayout(phantom.anatomy, phantom.shapes, brick_bits=bits, coarsest=8)
    assume(len(layout.factors) > 1)
    # Few voxels are kept, so that the finest kept level is not always the first.
    kept = data.draw(st.sampled_from([8, 64, 512]))
    reader = CubeReader(layout, phantom.tensors, signal(phantom, name), reduction)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "STORED_VOXELS", kept)
        patch.setattr(cube_pass, "_PIECE_BITS", data.draw(st.integers(0, 3)))
        work = CubePass(reader, chunk_bits)
    for level, found in enumerate(computed(work, layout), work.first):
        assert_is_level(found, reader, level)


def in_memory(stored: str, *shapes: tuple[int, ...]) -> Phantom:
    anatomy, named = anatomy_of(*shapes)
    rng = np.random.default_rng(7)
    tensors = {}
    for name, shape in named.items():
        codes = STORED_TYPES[stored].storage
        assert codes is not None
        if stored in LUT or stored == "BF16":
            bits = rng.integers(0, 256**codes.itemsize, shape)
            raw = bits.astype(f"u{codes.itemsize}").view(codes)
        else:
            raw = rng.standard_normal(shape).astype(codes)
        tensors[name] = RecordedTensor(name, stored, raw)
    return Phantom(anatomy, tensors)


@pytest.mark.parametrize("stored", ["F32", "F64", "F16", "BF16", "F8_E4M3", "F8_E5M2", "I8"])
def test_pieces_of_every_type_are_reduced_on_several_threads(stored: str) -> None:
    # Three pieces of a tile, of which the second spans two tensors and the last is cut.
    phantom = in_memory(stored, (300, 1000), (500, 470), (7,))
    layout = CubeLayout(phantom.anatomy, phantom.shapes, coarsest=1)
    for name, reduction in (("signed", "extreme"), ("magnitude", "rms")):
        reader = CubeReader(layout, phantom.tensors, signal(phantom, name), reduction)
        work = CubePass(reader)
        levels = computed(work, layout, threads=2)
        assert len(levels) == len(layout.factors) - 1
        for level, found in enumerate(levels, 1):
            assert_is_level(found, reader, level)


def test_tensors_that_are_not_aligned_are_copied() -> None:
    phantom = in_memory("F32", (40, 50))
    tensor = phantom.tensors["t0"]
    odd = np.zeros(4 * tensor.size + 1, np.uint8)[1:].view(np.float32)
    odd[:] = tensor.decoded.reshape(-1)
    odd.flags.writeable = False
    tensor._raw = odd
    layout = CubeLayout(phantom.anatomy, phantom.shapes, coarsest=1)
    reader = CubeReader(layout, phantom.tensors, signal(phantom, "signed"), "mean")
    work = CubePass(reader)
    for level, found in enumerate(computed(work, layout), 1):
        assert_is_level(found, reader, level)


@pytest.mark.parametrize("stored", ["F32", "F16"])
def test_a_pass_reads_every_parameter_once_and_counts_it(stored: str) -> None:
    phantom = in_memory(stored, (60, 70), (90,), (11, 12, 13))
    layout = CubeLayout(phantom.anatomy, phantom.shapes, brick_bits=2, coarsest=64)
    reader = CubeReader(layout, phantom.tensors, signal(phantom, "magnitude"), "rms")
    work = CubePass(reader, chunk_bits=2)
    assert len(work.tiles) > 8
    counted = []
    starts = []
    for tile in work.tiles:
        out = [
            np.zeros((work.tile_shape[0] >> level,) * 3, np.float32)
            for level in range(work.first, len(layout.factors))
        ]
        before = [len(tensor.reads) for tensor in phantom.tensors.values()]
        work.run(tile, out, counted.append)
        for owner, (tensor, n) in enumerate(zip(phantom.tensors.values(), before, strict=True)):
            starts += [(owner, start) for start, _ in tensor.reads[n:]]
    assert sum(counted) == layout.n_parameters
    assert starts == sorted(starts)
    for name in layout.tensors:
        reads = phantom.tensors[name].reads
        assert sorted(i for a, b in reads for i in range(a, b)) == list(
            range(phantom.tensors[name].size)
        )


def test_tiles_cover_the_volume_without_overlap() -> None:
    phantom = in_memory("F32", (100, 70))
    layout = CubeLayout(phantom.anatomy, phantom.shapes, brick_bits=1, coarsest=64)
    reader = CubeReader(layout, phantom.tensors, signal(phantom, "signed"), "extreme")
    work = CubePass(reader, chunk_bits=1)
    seen = np.zeros(layout.shape, int)
    for tile in work.tiles:
        assert all(
            low == i * side and high <= low + side
            for i, side, (low, high) in zip(tile.index, work.tile_shape, tile.box, strict=True)
        )
        seen[tuple(slice(a, b) for a, b in tile.box)] += 1
    assert (seen == 1).all()


def test_large_models_have_some_hundreds_of_tiles_that_hold_the_coarsest_voxels() -> None:
    for parameters in (124_439_808, 6_738_415_616, 70_553_706_496, 1_000_000_000_000):
        anatomy, shapes = anatomy_of((parameters,))
        layout = CubeLayout(anatomy, shapes)
        phantom = Phantom(anatomy, {})
        work = CubePass(CubeReader(layout, {}, signal(phantom, "magnitude"), "rms"))
        assert 32 <= len(work.tiles) <= 512
        assert work.tile_shape[0] % layout.factors[-1][0] == 0
        assert 4 * (work.tile_shape[0] >> work.first) ** 3 == 2**20


def test_a_pass_stops_between_two_pieces() -> None:
    phantom = in_memory("F32", (1000, 1000))
    layout = CubeLayout(phantom.anatomy, phantom.shapes)
    reader = CubeReader(layout, phantom.tensors, signal(phantom, "magnitude"), "rms")
    work = CubePass(reader)

    def step(amount: int) -> None:
        raise Cancelled("enough")

    out = [np.zeros((work.tile_shape[0] // f,) * 3, np.float32) for f, *_ in layout.factors[1:]]
    with pytest.raises(Cancelled):
        work.run(work.tiles[0], out, step)
    assert phantom.tensors["t0"].reads == [(0, 8**6)]


@given(phantoms(), st.data())
@settings(deadline=None)
def test_a_quick_look_samples_evenly_and_fills_with_the_nearest_sample(
    phantom: Phantom, data: st.DataObject
) -> None:
    name, reduction = data.draw(st.sampled_from(SHOWN))
    layout = CubeLayout(phantom.anatomy, phantom.shapes, brick_bits=1, coarsest=8)
    coarse = len(layout.factors) - 1
    reader = CubeReader(layout, phantom.tensors, signal(phantom, name), reduction)
    exact = reader.read(whole(layout, coarse), coarse)
    for tensor in phantom.tensors.values():
        tensor.reads.clear()
    budget, run = data.draw(st.sampled_from([0, 100, 10**6])), data.draw(st.integers(1, 200))
    found = sample_bricks(reader, coarse, budget, run)
    assert found.shape == exact.shape
    used = -(-layout.n_parameters // 8**coarse)
    along = tuple(decode(np.arange(used), layout.order - coarse).T)
    air = np.ones(found.shape, bool)
    air[along] = False
    assert not found[air].any()
    if not used:
        return
    # Positions of the stream that were read, in runs of several tensors.
    starts = dict(zip(layout.tensors, layout._starts, strict=False))
    read = [
        starts[name] + i
        for name in layout.tensors
        for a, b in phantom.tensors[name].reads
        for i in range(a, b)
    ]
    assert read
    assert len(set(read)) == len(read)
    sampled = np.unique(np.array(read) >> 3 * coarse)
    complete = [
        v
        for v in sampled
        if min(8**coarse, layout.n_parameters - v * 8**coarse)
        == np.sum(np.array(read) >> 3 * coarse == v)
    ]
    for voxel in complete:
        cell = tuple(axis[voxel] for axis in along)
        np.testing.assert_array_max_ulp(found[cell], exact[cell], 1)
    # Every voxel has the value of a sampled one that is no farther than any other.
    values = found[along]
    for voxel in range(used):
        distance = np.abs(sampled - voxel)
        nearest = sampled[distance == distance.min()]
        assert values[voxel] in values[nearest]


def test_a_quick_look_reads_an_eighth_in_runs_that_are_worth_a_seek() -> None:
    phantom = in_memory("F16", (1000, 700), (900, 1000))
    layout = CubeLayout(phantom.anatomy, phantom.shapes)
    reader = CubeReader(layout, phantom.tensors, signal(phantom, "magnitude"), "rms")
    for budget, run in ((2**26, 2**10), (2**17, 2**10), (2**17, 2**14)):
        for tensor in phantom.tensors.values():
            tensor.reads.clear()
        sample_bricks(reader, len(layout.factors) - 1, budget, run)
        runs = sorted(2 * (b - a) for t in phantom.tensors.values() for a, b in t.reads)
        share = min(budget, 2 * layout.n_parameters // 8)
        assert share / 2 < sum(runs) <= share
        # All but the run at the border of the two tensors.
        assert all(length >= run for length in runs[2:])


def test_a_quick_look_at_a_small_file_reads_one_run() -> None:
    phantom = in_memory("F32", (60, 50))
    layout = CubeLayout(phantom.anatomy, phantom.shapes, coarsest=64)
    reader = CubeReader(layout, phantom.tensors, signal(phantom, "magnitude"), "rms")
    found = sample_bricks(reader, len(layout.factors) - 1, 2**26, 2**16)
    exact = reader.read(whole(layout, len(layout.factors) - 1), len(layout.factors) - 1)
    np.testing.assert_array_max_ulp(found, exact, 1)
