"""Compiled kernels of the streaming pass against numpy, and getting them ready."""

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoint.writer import ORACLE
from napari_gpt2_tomo.checkpoint.region import Region
from napari_gpt2_tomo.volume.kernels import compiled, matrices, planes
from napari_gpt2_tomo.volume.statistics import histogram
from volume.fakes import KINDS, MemoryCheckpoint, fill
from volume.truth import blocks, limits, reduced, same, to_float32

QUICK = settings(deadline=None, max_examples=60)
KINDS_OF_SUM = {planes.SQUARES: "rms", planes.MAGNITUDES: "mean", planes.VALUES: "mean"}


class Case:
    """A matrix somewhere in a plane of whole blocks, its rows `stride` apart in memory."""

    def __init__(self, draw: Any, *, whole: bool = False) -> None:
        self.factor = draw(st.sampled_from([1, 2, 4, 8]))
        lengths = st.integers(1, 6).map(lambda n: n * self.factor) if whole else st.integers(1, 21)
        self.rows, self.columns = draw(lengths), draw(lengths)
        phases = st.just(0) if whole else st.integers(0, self.factor - 1)
        self.phase = draw(phases), draw(phases)
        self.stride = self.columns + draw(st.integers(0, 3))
        self.every = draw(st.sampled_from([0, 1, 3]))
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        flat = rng.standard_normal((self.rows - 1) * self.stride + self.columns)
        if draw(st.booleans()):
            flat = np.round(flat)
        if draw(st.booleans()):
            at = rng.random(flat.size) < draw(st.sampled_from([0.05, 0.9]))
            odd = rng.choice([np.nan, np.inf, -np.inf, -0.0, 1e-40, -3e38, 3e38], at.sum())
            flat[at] = odd
        self.flat = flat.astype(np.float32)
        self.flat.flags.writeable = False
        shape = (self.rows, self.columns)
        steps = (4 * self.stride, 4)
        self.matrix = np.lib.stride_tricks.as_strided(self.flat, shape, steps, writeable=False)
        self.shape = tuple(
            -(-(p + n) // self.factor) for p, n in zip(self.phase, shape, strict=True)
        )
        self.plane = np.zeros([n * self.factor for n in self.shape], np.float32)
        self.held = np.zeros(self.plane.shape, bool)
        at = tuple(slice(p, p + n) for p, n in zip(self.phase, shape, strict=True))
        self.plane[at] = self.matrix
        self.held[at] = True
        self.tally = np.array([0.0, 0.0, 0.0, np.inf, -np.inf, 0.0])
        self.histogram = np.zeros(histogram.BINS, np.uint32)

    @property
    def memory(self) -> tuple[Any, ...]:
        return self.flat, self.flat.view(np.int32), self.stride, self.rows, self.columns

    @property
    def lost(self) -> np.ndarray:
        """Values of each block that are not finite."""
        inside = blocks(self.held & ~np.isfinite(self.plane), (self.factor,) * 2)
        return inside.sum(-1)

    def assert_tallied(self) -> None:
        """The moments and the histogram are those of the matrix."""
        finite = self.matrix[np.isfinite(self.matrix)].astype(np.float64)
        if not self.every:
            assert self.tally[0] == 0
            assert not self.histogram.any()
            return
        assert self.tally[0] == finite.size
        assert self.tally[1] == self.matrix.size - finite.size
        scale = np.abs(finite).sum()
        assert self.tally[2] == pytest.approx(finite.sum(), abs=1e-13 * scale)
        assert self.tally[5] == pytest.approx((finite**2).sum(), rel=1e-12)
        if finite.size:
            low, high = keys(finite.astype(np.float32)).min(), keys(finite.astype(np.float32)).max()
            assert (self.tally[3], self.tally[4]) == (low, high)
        expected = np.zeros(histogram.BINS)
        for row in self.matrix[:: self.every]:
            histogram.add(expected, row)
        assert np.array_equal(self.histogram, expected)


def keys(values: np.ndarray) -> np.ndarray:
    """Whole numbers that sort like the values."""
    bits = values.view(np.int32)
    return np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits)


@QUICK
@given(st.data(), st.sampled_from(list(KINDS_OF_SUM)))
def test_sums_of_blocks(data, kind):
    case = Case(data.draw)
    total, count = np.zeros(case.shape), np.zeros(case.shape, np.int32)
    lost = planes.pool_sums(
        *case.memory, *case.phase, case.factor, kind, total, count,
        case.tally, case.histogram, case.every,
    )  # fmt: skip
    assert lost == case.lost.sum()
    assert np.array_equal(-count, case.lost)
    inside = blocks(np.where(np.isfinite(case.plane), case.plane, 0), (case.factor,) * 2)
    wide = inside.astype(np.float64)
    if kind == planes.SQUARES:
        wide = wide**2
    elif kind == planes.MAGNITUDES:
        wide = np.abs(wide)
    slack = 1e-13 * np.abs(wide).sum(-1)
    assert (np.abs(total - wide.sum(-1)) <= slack).all()
    case.assert_tallied()


@QUICK
@given(st.data())
def test_extremes_of_blocks(data):
    case = Case(data.draw)
    high = np.full(case.shape, -(2**31), np.int32)
    low = np.full(case.shape, 2**31 - 1, np.int32)
    count = np.zeros(case.shape, np.int32)
    lost = planes.pool_extreme(
        *case.memory, *case.phase, case.factor, high, low, count,
        case.tally, case.histogram, case.every,
    )  # fmt: skip
    assert lost == case.lost.sum()
    assert np.array_equal(-count, case.lost)
    voxels = np.full(case.shape, np.nan, np.float32)
    planes.emit_extreme(high.ravel(), low.ravel(), voxels.reshape(-1).view(np.int32))
    wanted, _ = reduced(case.plane, case.held, (case.factor,) * 2, "extreme")
    assert same(voxels, wanted)
    case.assert_tallied()


@QUICK
@given(st.data(), st.sampled_from(list(KINDS_OF_SUM)), st.booleans(), st.booleans())
def test_whole_blocks_at_once(data, kind, second_row, second_column):
    case = Case(data.draw, whole=True)
    inverse = np.full(case.shape, 1 / case.factor**2)
    voxels = np.full(case.shape, np.nan, np.float32)
    after = tuple(
        -(-(n + p) // 2) for n, p in zip(case.shape, (second_row, second_column), strict=True)
    )
    total, hidden = np.zeros(after), np.zeros(after, np.int32)
    lost = planes.pool_whole_blocks(
        *case.memory, case.factor, kind, inverse, voxels, int(second_row), int(second_column),
        total, hidden, case.tally, case.histogram, case.every,
    )  # fmt: skip
    assert lost == case.lost.sum()
    shown = np.abs(case.plane) if kind == planes.MAGNITUDES else case.plane
    wanted, slack = reduced(shown, case.held, (case.factor,) * 2, KINDS_OF_SUM[kind])
    ulp = np.spacing(np.abs(wanted).astype(np.float32)).astype(np.float64)
    assert (np.abs(voxels - wanted) <= ulp + slack).all()
    # The next level gets the sums, wherever its pairs begin.
    ahead = (int(second_row), int(second_column))
    padded = [(p, 2 * m - n - p) for p, n, m in zip(ahead, case.shape, after, strict=True)]
    inside = blocks(np.where(np.isfinite(shown), shown, 0), (case.factor,) * 2).astype(np.float64)
    sums = ((inside**2) if kind == planes.SQUARES else inside).sum(-1)
    size = np.abs(inside if kind != planes.SQUARES else inside**2).sum()
    expected = blocks(np.pad(sums, padded), (2, 2)).sum(-1)
    assert (np.abs(total - expected) <= 1e-13 * size).all()
    assert np.array_equal(-hidden, blocks(np.pad(case.lost, padded), (2, 2)).sum(-1))
    case.assert_tallied()


@QUICK
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 5))
def test_halving(seed, rows, columns):
    rng = np.random.default_rng(seed)
    fine = rng.standard_normal((2 * rows, 2 * columns))
    # Only what lies beyond an edge is added.
    edge = rng.integers(0, 2 * rows + 1), rng.integers(0, 2 * columns + 1)
    outside = fine.copy()
    outside[: edge[0], : edge[1]] = 0
    coarse = np.ones((rows, columns))
    planes.halve_beyond(fine, coarse, *edge)
    np.testing.assert_allclose(coarse, 1 + blocks(outside, (2, 2)).sum(-1), atol=1e-12)
    high = rng.integers(-9, 9, fine.shape).astype(np.int32)
    low = rng.integers(-9, 9, fine.shape).astype(np.int32)
    top, bottom = np.zeros((2, rows, columns), np.int32)
    planes.halve_extreme(high, low, top, bottom)
    assert np.array_equal(top, blocks(high, (2, 2)).max(-1))
    assert np.array_equal(bottom, blocks(low, (2, 2)).min(-1))


@QUICK
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 4),
    st.booleans(),
)
def test_all_levels_of_a_plane_from_the_sums_of_the_first(seed, rows, columns, levels, root):
    rng = np.random.default_rng(seed)
    shapes = [(rows << k, columns << k) for k in reversed(range(levels))]
    first = np.abs(rng.standard_normal(shapes[0])) * 10.0 ** rng.integers(-60, 60)
    counts = rng.integers(0, 5, shapes[0])
    first[counts == 0] = 0
    totals = (first, *(np.full(shape, np.nan) for shape in shapes[1:]))
    outs = tuple(np.full(shape, np.nan, np.float32) for shape in shapes)
    factors = [2**k for k in range(levels)]
    finite = [blocks(counts, (f, f)).sum(-1) for f in factors]
    inverses = tuple(1 / np.maximum(n, 1) for n in finite)
    planes.finish_sums(totals, inverses, outs, root)
    for f, n, total, out in zip(factors, finite, totals, outs, strict=True):
        sums = blocks(first, (f, f)).sum(-1)
        np.testing.assert_allclose(total, sums, rtol=1e-13)
        with np.errstate(over="ignore"):
            mean = sums / np.maximum(n, 1)
            np.testing.assert_array_max_ulp(
                out, (np.sqrt(mean) if root else mean).astype(np.float32), 1
            )


def test_means_and_roots_are_rounded_once():
    rng = np.random.default_rng(0)
    total = np.abs(rng.standard_normal(500)) * 10.0 ** rng.integers(-60, 60, 500)
    inverse = 1 / rng.integers(1, 100, 500)
    voxels = np.zeros(500, np.float32)
    planes.emit_roots(total, inverse, voxels)
    assert same(voxels, np.sqrt(total * inverse).astype(np.float32))
    small = total * 1e-40
    planes.emit_means(small, inverse, voxels)
    assert same(voxels, (small * inverse).astype(np.float32))


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_matrices_of_every_stored_type(kind, mapped, shift):
    """As they lie in the file, turned, with gaps, in pieces of whole groups of rows."""
    stored = fill((13, 17), kind, np.random.default_rng(0), odd=True)
    checkpoint = MemoryCheckpoint({"t": stored}, mapped=mapped, shift=shift)
    truth = to_float32(stored[1].view(ORACLE[kind]))
    source = matrices.Source(None)
    with limits(piece=40):
        for region, expected in [
            (Region(0, (13, 17), (17, 1)), truth),
            (Region(0, (17, 13), (1, 17)), truth.T),
            (Region(18, (5, 4), (34, 1)), truth[1:11:2, 1:5]),
            (Region(3, (2, 5), (17, 3)), truth[:2, 3:18:3]),
            (Region(5, (1, 1), (0, 1)), truth[:1, 5:6]),
            (Region(5, (6, 1), (17, 17)), truth[:6, 5:6]),
        ]:
            found = np.zeros(expected.shape, np.float32)
            for first, matrix in source.pieces(checkpoint["t"], 0, region, 3):
                assert first % 3 == 0
                assert not matrix.values.flags.writeable
                for i in range(matrix.rows):
                    at = i * matrix.stride
                    found[first + i] = matrix.values[at : at + matrix.columns]
            assert same(found, np.ascontiguousarray(expected))


@QUICK
@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 50)), min_size=2, max_size=4), st.data()
)
def test_axes_of_several_digits_come_apart(digits, data):
    cut = data.draw(st.integers(1, len(digits) - 1))
    rows, columns = tuple(digits[:cut]), tuple(digits[cut:])
    flat = np.array(7)
    for n, stride in digits:
        flat = np.add.outer(flat, np.arange(n) * stride)
    size = [int(np.prod([n for n, _ in axis])) for axis in (rows, columns)]
    plane = np.full(size, -1)
    for row, column, offset, (n, step), (m, across) in matrices.split_digits(rows, columns, 7):
        target = plane[row : row + n, column : column + m]
        assert (target == -1).all()
        target[...] = offset + np.add.outer(np.arange(n) * step, np.arange(m) * across)
    assert np.array_equal(plane, flat.reshape(size))


class TestReady:
    @pytest.fixture(autouse=True)
    def fresh(self, tmp_path, monkeypatch):
        """As in a process that has not called a kernel yet, on a new machine."""
        monkeypatch.setenv("NAPARI_GPT2_TOMO_CACHE", str(tmp_path))
        monkeypatch.setattr(compiled, "_ready", threading.Event())
        self.calls: list[str] = []
        run, elsewhere = compiled._run_all, compiled._compile_elsewhere
        self.elsewhere = elsewhere

        def watched() -> None:
            self.calls.append("run")
            run()

        monkeypatch.setattr(compiled, "_run_all", watched)
        monkeypatch.setattr(compiled, "_compile_elsewhere", lambda: self.calls.append("child"))

    def test_the_main_thread_compiles_itself_and_once(self):
        assert not compiled.is_ready()
        compiled.prepare()
        compiled.prepare()
        assert compiled.is_ready()
        assert self.calls == ["run"]

    def test_other_threads_let_a_child_compile_on_a_new_machine_only(self, monkeypatch):
        for expected in (["child", "run"], ["run"]):
            self.calls.clear()
            monkeypatch.setattr(compiled, "_ready", threading.Event())
            thread = threading.Thread(target=compiled.prepare)
            thread.start()
            thread.join()
            assert self.calls == expected
            assert compiled.is_ready()

    def test_a_child_that_cannot_start_is_no_obstacle(self, monkeypatch):
        monkeypatch.setattr(compiled, "_compile_elsewhere", self.elsewhere)
        monkeypatch.setattr(compiled.sys, "executable", "/nowhere/python")
        thread = threading.Thread(target=compiled.prepare)
        thread.start()
        thread.join()
        assert compiled.is_ready()

    def test_without_a_cache_it_still_works(self, tmp_path, monkeypatch):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("NAPARI_GPT2_TOMO_CACHE", str(tmp_path / "file"))
        compiled.prepare()
        assert compiled.is_ready()
