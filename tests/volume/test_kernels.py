"""Compiled kernels of the streaming pass against numpy, and getting them ready."""

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoint.writer import ORACLE
from napari_gpt2_tomo.checkpoint.region import Region
from napari_gpt2_tomo.volume.kernels import compiled, extremes, matrices, rows, sums, whole
from napari_gpt2_tomo.volume.statistics import histogram
from volume.fakes import KINDS, MemoryCheckpoint, fill
from volume.truth import blocks, limits, reduced, same, to_float32

QUICK = settings(deadline=None, max_examples=60)
KINDS_OF_SUM = {rows.SQUARES: "rms", rows.MAGNITUDES: "mean", rows.VALUES: "mean"}


class Case:
    """A matrix somewhere in a plane of whole blocks, its rows `stride` apart in memory."""

    def __init__(self, draw: Any, *, whole: bool = False) -> None:
        self.factor = draw(st.sampled_from([2, 4, 8] if whole else [1, 2, 4, 8]))
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
    lost = sums.pool_sums(
        *case.memory, *case.phase, case.factor, kind, total, count,
        case.tally, case.histogram, case.every,
    )  # fmt: skip
    assert lost == case.lost.sum()
    assert np.array_equal(-count, case.lost)
    inside = blocks(np.where(np.isfinite(case.plane), case.plane, 0), (case.factor,) * 2)
    wide = inside.astype(np.float64)
    if kind == rows.SQUARES:
        wide = wide**2
    elif kind == rows.MAGNITUDES:
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
    lost = extremes.pool_extreme(
        *case.memory, *case.phase, case.factor, high, low, count,
        case.tally, case.histogram, case.every,
    )  # fmt: skip
    assert lost == case.lost.sum()
    assert np.array_equal(-count, case.lost)
    voxels = np.full(case.shape, np.nan, np.float32)
    extremes.emit_extreme(high.ravel(), low.ravel(), voxels.reshape(-1).view(np.int32))
    wanted, _ = reduced(case.plane, case.held, (case.factor,) * 2, "extreme")
    assert same(voxels, wanted)
    case.assert_tallied()


@QUICK
@given(st.data(), st.sampled_from(list(KINDS_OF_SUM)), st.booleans())
def test_whole_blocks_at_once(data, kind, turned):
    case = Case(data.draw, whole=True)
    block = data.draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    voxels = np.full([b + n for b, n in zip(block, case.shape, strict=True)], np.nan, np.float32)
    after = tuple(-(-n // 2) for n in voxels.shape)
    total, hidden = np.zeros(after), np.zeros(after, np.int32)
    out = np.ascontiguousarray(voxels.T) if turned else voxels
    lost = whole.pool_whole_blocks(
        *case.memory, case.factor, kind, *block, out, turned, total, hidden,
        case.tally, case.histogram, case.every,
    )  # fmt: skip
    voxels = out.T if turned else out
    assert lost == case.lost.sum()
    shown = np.abs(case.plane) if kind == rows.MAGNITUDES else case.plane
    wanted, slack = reduced(shown, case.held, (case.factor,) * 2, KINDS_OF_SUM[kind])
    ulp = np.spacing(np.abs(wanted).astype(np.float32)).astype(np.float64)
    assert (np.abs(voxels[block[0] :, block[1] :] - wanted) <= ulp + slack).all()
    # What belongs to other blocks is left alone.
    assert np.isnan(voxels[: block[0]]).all()
    assert np.isnan(voxels[:, : block[1]]).all()
    # The next level gets the sums, wherever its pairs begin.
    padded = [(b, 2 * m - n - b) for b, n, m in zip(block, case.shape, after, strict=True)]
    inside = blocks(np.where(np.isfinite(shown), shown, 0), (case.factor,) * 2).astype(np.float64)
    added = ((inside**2) if kind == rows.SQUARES else inside).sum(-1)
    size = np.abs(inside if kind != rows.SQUARES else inside**2).sum()
    expected = blocks(np.pad(added, padded), (2, 2)).sum(-1)
    assert (np.abs(total - expected) <= 1e-13 * size).all()
    assert np.array_equal(-hidden, blocks(np.pad(case.lost, padded), (2, 2)).sum(-1))
    case.assert_tallied()


def test_many_rows_of_whole_blocks_are_turned():
    """More than are turned at once, and not a multiple of a cache line."""
    values = np.random.default_rng(0).standard_normal((2 * 301, 2 * 37)).astype(np.float32)
    flat = values.ravel()
    flat.flags.writeable = False
    out = np.zeros((37, 301), np.float32)
    total, hidden = np.zeros((151, 19)), np.zeros((151, 19), np.int32)
    nothing = np.zeros(6), np.zeros(histogram.BINS, np.uint32), 0
    whole.pool_whole_blocks(
        flat, flat.view(np.int32), 74, 602, 74, 2, rows.SQUARES, 0, 0, out, True, total, hidden,
        *nothing,
    )  # fmt: skip
    wanted = np.sqrt(blocks(values.astype(np.float64) ** 2, (2, 2)).mean(-1))
    np.testing.assert_array_max_ulp(out.T, wanted.astype(np.float32), 1)


@pytest.mark.parametrize("sign", [1, -1])
def test_extremes_of_values_of_one_sign(sign):
    values = sign * np.linspace(0.5, 2, 64, dtype=np.float32)
    tally = np.array([0.0, 0.0, 0.0, np.inf, -np.inf, 0.0])
    out, total, hidden = np.zeros((4, 4), np.float32), np.zeros((2, 2)), np.zeros((2, 2), np.int32)
    whole.pool_whole_blocks(
        values, values.view(np.int32), 8, 8, 8, 2, rows.SQUARES, 0, 0, out, False, total, hidden,
        tally, np.zeros(histogram.BINS, np.uint32), 1,
    )  # fmt: skip
    assert (tally[3], tally[4]) == (keys(values).min(), keys(values).max())


@QUICK
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 5))
def test_halving(seed, height, width):
    rng = np.random.default_rng(seed)
    shape = 2 * height, 2 * width
    high = rng.integers(-9, 9, shape).astype(np.int32)
    low = rng.integers(-9, 9, shape).astype(np.int32)
    top, bottom = np.zeros((2, height, width), np.int32)
    extremes.halve_extreme(high, low, top, bottom)
    assert np.array_equal(top, blocks(high, (2, 2)).max(-1))
    assert np.array_equal(bottom, blocks(low, (2, 2)).min(-1))


@QUICK
@given(st.data())
def test_all_levels_of_a_plane(data):
    """From sums outside an edge, and what lies inside it in the second level already."""
    draw = data.draw
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    levels = draw(st.integers(1, 4))
    base = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    root, turned, bare = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    shapes = [tuple(n << k for n in base) for k in reversed(range(levels))]
    first = np.abs(rng.standard_normal(shapes[0])) * 10.0 ** rng.integers(-60, 60)
    counts = rng.integers(0, 5, shapes[0])
    edge = (0, 0)
    if levels > 1:
        edge = tuple(draw(st.integers(0, n)) for n in shapes[0])
        edge = edge if min(edge) else (0, 0)
    inside = np.zeros(shapes[0], bool)
    inside[: edge[0], : edge[1]] = True
    uniform = draw(st.booleans()) and min(edge) > 0
    bare = bare and min(edge) > 0
    if uniform:
        counts[inside] = 4
    if bare:
        counts[~inside] = 0
    first[counts == 0] = 0
    totals = [np.where(inside, 0, first)]
    for k, shape in enumerate(shapes[1:]):
        known = blocks(np.where(inside, first, 0), (2, 2)).sum(-1) if k == 0 else np.nan
        totals.append(np.full(shape, known))
    outs = [np.full(shape[::-1] if turned else shape, np.nan, np.float32) for shape in shapes]
    factors = [2**k for k in range(levels)]
    finite = [blocks(counts, (f, f)).sum(-1) for f in factors]
    held = tuple(n.astype(np.int32) for n in finite)
    sums.finish_plane(tuple(totals), held, tuple(outs), *edge, bare, uniform, root, turned)
    for f, n, total, out in zip(factors, finite, totals, outs, strict=True):
        expected = blocks(first, (f, f)).sum(-1)
        with np.errstate(over="ignore"):
            mean = expected / np.maximum(n, 1)
            wanted = (np.sqrt(mean) if root else mean).astype(np.float32)
        shown = out.T if turned else out
        if f == 1:
            assert np.isnan(shown[inside]).all()
            shown, wanted = shown[~inside], wanted[~inside]
            # For the next plane.
            assert levels == 1 or not total.any()
        else:
            np.testing.assert_allclose(total, expected, rtol=1e-13)
        np.testing.assert_array_max_ulp(shown, wanted, 1)


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
