"""Statistics of the weights: exact ones against numpy, estimates within reason, windows."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from napari_gpt2_tomo.anatomy import recognise
from napari_gpt2_tomo.anatomy.anatomy import Anatomy
from napari_gpt2_tomo.base import Cancelled, SilentProgress
from napari_gpt2_tomo.volume.layouts.body import body_layout
from napari_gpt2_tomo.volume.reading.reader import make_reader
from napari_gpt2_tomo.volume.reading.signal import make_signal
from napari_gpt2_tomo.volume.statistics import exact as statistics_store
from napari_gpt2_tomo.volume.statistics import histogram
from napari_gpt2_tomo.volume.statistics import summary as statistics
from napari_gpt2_tomo.volume.statistics.exact import exact_statistics, stored_statistics
from napari_gpt2_tomo.volume.statistics.summary import QUANTILES, Statistics, estimate_statistics
from volume.architectures import Sizes, architectures, gpt2, llama, mixtral, neox
from volume.fakes import FLOATS, KINDS, MemoryCheckpoint, checkpoint_of
from volume.truth import limits, passed, to_float32

QUICK = settings(
    deadline=None,
    max_examples=30,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
        HealthCheck.function_scoped_fixture,
    ],
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_GPT2_TOMO_CACHE", str(tmp_path))
    return tmp_path


def values_of(checkpoint: MemoryCheckpoint, anatomy: Anatomy, position: int) -> np.ndarray:
    """All values of a part as float32."""
    part = anatomy.parts[position]
    flat = checkpoint.truth[part.tensor].reshape(-1)
    index = np.array(part.view.offset)
    for digits in part.view.axes:
        for n, stride in digits:
            index = np.add.outer(index, np.arange(n) * stride)
    return to_float32(flat[index.reshape(-1)])


def assert_exact(found: Statistics, checkpoint: MemoryCheckpoint, anatomy: Anatomy) -> None:
    """Moments as of numpy, quantiles within their bin."""
    assert not found.estimate
    everything = []
    for i in range(len(anatomy.parts)):
        shown = values_of(checkpoint, anatomy, i)
        finite = np.sort(shown[np.isfinite(shown)].astype(np.float64))
        everything.append(finite)
        assert found.n[i] == finite.size
        assert found.nonfinite[i] == shown.size - finite.size
        if not finite.size:
            assert (found.mean[i], found.sigma[i], found.low[i], found.high[i]) == (0, 0, 0, 0)
            continue
        assert (found.low[i], found.high[i]) == (finite[0], finite[-1])
        size = np.abs(finite).max()
        assert found.mean[i] == pytest.approx(finite.mean(), rel=1e-12, abs=1e-14 * size)
        assert found.sigma[i] == pytest.approx(finite.std(), rel=1e-6, abs=3e-7 * size)
        if finite[0] == finite[-1]:
            assert found.sigma[i] == 0
        for share, quantile in zip(QUANTILES, found.quantiles[i], strict=True):
            rank = share * finite.size
            low = finite[max(0, int(np.ceil(rank - 1e-6)) - 1)]
            high = finite[min(finite.size - 1, max(0, int(np.ceil(rank + 1e-6)) - 1))]
            assert in_bin(low)[0] <= quantile <= in_bin(high)[1]
            assert finite[0] <= quantile <= finite[-1]
    joined = np.concatenate([np.zeros(0), *everything])
    if joined.size:
        mean, sigma = found.overall()
        size = np.abs(joined).max()
        assert mean == pytest.approx(joined.mean(), rel=1e-9, abs=1e-12 * size)
        assert sigma == pytest.approx(joined.std(), rel=1e-6, abs=3e-7 * size)


def in_bin(value: float) -> tuple[float, float]:
    """Edges of the histogram's bin of a value; those of both zeros are one."""
    bits = np.float32(abs(value)).view(np.uint32) >> histogram.SHIFT << histogram.SHIFT
    low = float(bits.view(np.float32))
    above = bits + np.uint32(1 << histogram.SHIFT)
    high = float(min(above, np.uint32(0x7F7FFFFF)).view(np.float32))
    if value == 0:
        return -high, high
    return (-high, -low) if value < 0 else (low, high)


@st.composite
def checkpoints(draw: Any) -> tuple[MemoryCheckpoint, Anatomy]:
    found = draw(architectures())
    checkpoint = checkpoint_of(
        found.shapes,
        found.config,
        kinds=draw(st.sampled_from([KINDS, FLOATS, "F32"])),
        seed=draw(st.integers(0, 2**32 - 1)),
        odd=draw(st.booleans()),
        mapped=draw(st.booleans()),
        shift=draw(st.integers(0, 1)),
    )
    return checkpoint, recognise(found.shapes, found.config)


@QUICK
@given(checkpoints())
def test_exact_statistics_are_those_of_numpy(made):
    checkpoint, anatomy = made
    assert_exact(exact_statistics(checkpoint, anatomy), checkpoint, anatomy)


@QUICK
@given(
    checkpoints(),
    st.sampled_from([("signed", "extreme"), ("magnitude", "rms"), ("magnitude", "mean")]),
    st.sampled_from([1, 2**26]),
)
def test_a_pass_over_the_body_collects_the_same(made, pair, stored):
    checkpoint, anatomy = made
    assume(anatomy.hyper.d_model is not None)
    name, reduction = pair
    with limits(plane=4, voxels=200, stored=stored):
        layout = body_layout(anatomy, checkpoint.shapes)
        signal = make_signal(name, anatomy, None)
        found = passed(make_reader(layout, checkpoint, signal, reduction))
    assume(found is not None)
    assert_exact(found, checkpoint, anatomy)
    exact = exact_statistics(checkpoint, anatomy)
    for name in ("n", "nonfinite", "low", "high", "quantiles", "weights"):
        np.testing.assert_array_equal(getattr(found, name), getattr(exact, name), name)
    scale = np.maximum(np.abs(exact.low), np.abs(exact.high))
    np.testing.assert_allclose(found.mean, exact.mean, rtol=1e-9, atol=1e-12 * scale.max(initial=0))
    assert (np.abs(found.sigma - exact.sigma) <= 1e-7 * scale).all()


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_every_stored_type_is_counted_right(kind, mapped):
    found = neox(Sizes(1, 1, 3, 3, 4, 21, 26, 4, 1, 1, True))
    checkpoint = checkpoint_of(found.shapes, kinds=kind, odd=True, mapped=mapped)
    anatomy = recognise(found.shapes, found.config)
    assert_exact(exact_statistics(checkpoint, anatomy), checkpoint, anatomy)


def scan(*tensors: Any) -> tuple[MemoryCheckpoint, Anatomy, Statistics]:
    stored = {
        f"t{i}": ("F32", np.asarray(values, np.float32).view(np.uint32))
        for i, values in enumerate(tensors)
    }
    checkpoint = MemoryCheckpoint(stored)
    anatomy = recognise(checkpoint.shapes)
    return checkpoint, anatomy, exact_statistics(checkpoint, anatomy)


def test_long_vectors_and_many_rows_are_counted_whole(monkeypatch):
    monkeypatch.setattr(statistics_store, "_LONGEST_ROW", 100)
    rng = np.random.default_rng(0)
    checkpoint, anatomy, found = scan(rng.normal(2, 1, 1234), rng.normal(size=(7, 333)), 3.0)
    assert_exact(found, checkpoint, anatomy)


def test_quantiles_of_a_large_part_come_from_every_8th_row():
    values = np.random.default_rng(0).standard_normal((1100, 1000)).astype(np.float32)
    _, _, found = scan(values)
    assert found.n[0] == values.size
    assert found.mean[0] == pytest.approx(values.astype(float).mean(), rel=1e-9)
    exact = np.quantile(values, QUANTILES)
    assert (np.abs(found.quantiles[0] - exact) <= 0.04 * np.abs(exact) + 0.01).all()
    assert found.weights.sum() == pytest.approx(values.size)


@pytest.mark.parametrize("value", [0.1, 0.7, 3.3, 1e-7, 3e38, -7.3])
def test_a_constant_part_has_no_spread(value):
    parts = [np.full(n, value) for n in (777, 1000, 5003, 20011)]
    checkpoint, anatomy, found = scan(*parts)
    for some in (found, estimate_statistics(checkpoint, anatomy, run=999)):
        assert (some.sigma == 0).all()
        assert some.mean == pytest.approx(np.full(4, np.float32(value)))
        assert not some.scores.any()


def test_empty_tensors_count_nothing():
    checkpoint, anatomy, found = scan(np.zeros((0, 3)), np.arange(4.0), np.zeros(0))
    assert found.n.tolist() == [0, 4, 0]
    assert_exact(found, checkpoint, anatomy)
    assert estimate_statistics(checkpoint, anatomy).n.tolist() == [0, 4, 0]


def test_without_a_finite_value_there_is_still_a_window():
    _, anatomy, found = scan(np.full(4, np.nan), np.full(3, np.inf))
    assert found.nonfinite.tolist() == [4, 3]
    assert found.overall() == (0, 0)
    for signal in ("signed", "magnitude", "sigma", "sigma_global"):
        assert found.window(signal) == (-1, 1)
        assert found.range(signal) == (0, 0)
    values, ranks = found.distribution()
    assert np.isfinite(np.interp(0.5, values, ranks))
    assert make_signal("rank", anatomy, found).apply(np.full(2, np.nan), 0).shape == (2,)


class TestWindow:
    normal = np.random.default_rng(0).normal(0.2, 1, 20000)

    def test_signed_is_symmetric_around_0(self):
        _, _, found = scan(self.normal)
        low, high = found.window("signed")
        assert low == -high
        assert high == pytest.approx(np.quantile(np.abs(self.normal), 0.999), rel=0.1)

    def test_magnitude_begins_at_0(self):
        _, _, found = scan(self.normal)
        low, high = found.window("magnitude")
        assert low == 0
        assert high == pytest.approx(np.quantile(np.abs(self.normal), 0.999), rel=0.04)
        assert found.window("magnitude", 1, 50)[1] == pytest.approx(
            np.quantile(np.abs(self.normal), 0.5), rel=0.04
        )

    def test_scores_are_symmetric_and_ranks_span_0_to_1(self):
        _, _, found = scan(self.normal, 40 + 5 * self.normal)
        low, high = found.window("sigma")
        assert low == -high
        assert 2.5 < high < 4
        assert found.window("rank") == (0, 1)
        low, high = found.window("sigma_global")
        assert low == -high

    def test_parts_that_hardly_vary_do_not_widen_the_scores(self):
        narrow = 1 + 1e-4 * self.normal
        _, _, found = scan(self.normal, narrow, np.full(5000, 0.7))
        low, high = found.window("sigma")
        assert low == -high
        assert 2.5 < high < 6

    def test_data_of_one_sign_keep_their_side(self):
        _, _, found = scan(np.linspace(1, 2, 1000))
        low, high = found.window("signed")
        assert 1 <= low < 1.07
        assert high == pytest.approx(2, rel=0.03)

    @pytest.mark.parametrize("value", [0.0, 5.0, -3.0, 1e-3])
    def test_constant_data_get_the_value_plus_and_minus_1(self, value):
        _, _, found = scan(np.full(50, value), np.full((3, 4), value))
        assert found.window("signed") == pytest.approx((value - 1, value + 1), rel=1e-6)
        assert found.window("sigma") == (-1, 1)
        assert found.window("sigma_global") == (-1, 1)
        size = abs(value)
        assert found.window("magnitude") == pytest.approx((size - 1, size + 1), rel=1e-6)

    @QUICK
    @given(checkpoints(), st.sampled_from(["signed", "magnitude", "sigma", "sigma_global", "rank"]))
    def test_limits_are_finite_and_in_order(self, made, signal):
        checkpoint, anatomy = made
        for found in (estimate_statistics(checkpoint, anatomy), exact_statistics(*made)):
            low, high = found.window(signal)
            assert np.isfinite([low, high]).all()
            assert low < high
            low, high = found.range(signal)
            assert np.isfinite([low, high]).all()
            assert low <= high

    def test_the_range_holds_every_value(self):
        rng = np.random.default_rng(0)
        parts = rng.normal(3, 0.1, 300), rng.normal(-1, 5, 300)
        _, anatomy, found = scan(*parts)
        for name in ("signed", "magnitude", "sigma", "sigma_global", "rank"):
            rule = make_signal(name, anatomy, found)
            shown = np.concatenate(
                [rule.apply(p.astype(np.float32), i) for i, p in enumerate(parts)]
            )
            low, high = found.range(name)
            assert low - 1e-5 <= shown.min()
            assert shown.max() <= high + 1e-5
            if name in ("signed", "sigma", "sigma_global"):
                assert (low, high) == pytest.approx((shown.min(), shown.max()), rel=1e-5)


class TestEstimate:
    def test_it_says_that_it_is_one(self):
        checkpoint, anatomy, found = scan(np.arange(9.0), np.arange(20_000.0))
        assert estimate_statistics(checkpoint, anatomy).estimate
        assert not found.estimate

    def test_where_the_samples_are_all_it_is_exact(self):
        checkpoint, anatomy, exact = scan(np.arange(9.0), np.full(4, np.nan), np.zeros((0, 2)))
        found = estimate_statistics(checkpoint, anatomy)
        for name, array in exact.to_arrays().items():
            np.testing.assert_allclose(found.to_arrays()[name], array, rtol=1e-12, err_msg=name)
        assert_exact(found, checkpoint, anatomy)

    def test_it_reads_a_few_runs_only(self, monkeypatch):
        monkeypatch.setattr(statistics, "SAMPLE_PARTS", 10)
        found = llama(Sizes(64, 4, 4, 2, 16, 200, 500, 4, 1, 1, False))
        checkpoint = checkpoint_of(found.shapes)
        anatomy = recognise(found.shapes)
        estimate_statistics(checkpoint, anatomy, run=1000)
        assert 0 < checkpoint.source.nbytes <= 10 * 1000 * 4
        assert checkpoint.source.nbytes == len(checkpoint.source.touched())

    def test_it_resembles_the_truth(self):
        found = llama(Sizes(64, 3, 4, 2, 16, 200, 500, 4, 1, 1, False))
        checkpoint = checkpoint_of(found.shapes, kinds="BF16")
        anatomy = recognise(found.shapes)
        rough = estimate_statistics(checkpoint, anatomy, run=1000)
        exact = exact_statistics(checkpoint, anatomy)
        assert (rough.n == exact.n).all()
        assert rough.overall()[1] == pytest.approx(exact.overall()[1], rel=0.05)
        for signal in ("signed", "magnitude", "sigma"):
            assert rough.window(signal) == pytest.approx(exact.window(signal), rel=0.25)

    def test_small_parts_are_known_exactly(self):
        checkpoint, anatomy, exact = scan(np.random.default_rng(0).standard_normal((40, 50)))
        rough = estimate_statistics(checkpoint, anatomy)
        assert rough.mean[0] == pytest.approx(exact.mean[0])
        assert rough.sigma[0] == pytest.approx(exact.sigma[0])
        assert (rough.low[0], rough.high[0]) == (exact.low[0], exact.high[0])
        assert (rough.quantiles == exact.quantiles).all()

    def test_parts_without_a_sample_borrow_from_their_role(self, monkeypatch):
        monkeypatch.setattr(statistics, "SAMPLE_PARTS", 12)
        found = mixtral(Sizes(16, 2, 2, 2, 8, 1, 30, 4, 9, 5, False))
        rng = np.random.default_rng(0)
        stored = {}
        for name, shape in found.shapes.items():
            scale = 10.0 if name.endswith("w2.weight") else 0.1
            values = (scale * rng.standard_normal(shape)).astype(np.float32)
            stored[name] = ("F32", values.view(np.uint32))
        checkpoint = MemoryCheckpoint(stored, found.config)
        anatomy = recognise(found.shapes, found.config)
        rough = estimate_statistics(checkpoint, anatomy)
        exact = exact_statistics(checkpoint, anatomy)
        assert (rough.n == exact.n).all()
        expert = [i for i, p in enumerate(anatomy.parts) if p.expert is not None]
        np.testing.assert_allclose(rough.sigma[expert], exact.sigma[expert], rtol=0.6)

    def test_a_sample_without_a_finite_value_borrows(self):
        checkpoint, anatomy, _ = scan(np.full(10_000, np.nan), np.arange(10.0))
        rough = estimate_statistics(checkpoint, anatomy)
        assert rough.mean[0] == rough.mean[1] == 4.5
        assert rough.n.tolist() == [10_000, 10]


class TestKept:
    def test_exact_statistics_are_found_again(self):
        checkpoint, anatomy, found = scan(np.arange(30.0), np.ones((3, 4)))
        again = stored_statistics(checkpoint, anatomy)
        assert again is not None
        for name, array in found.to_arrays().items():
            np.testing.assert_array_equal(array, again.to_arrays()[name])
        assert again.estimate is False

    def test_other_values_or_parts_are_not_taken_for_them(self):
        checkpoint, _, _ = scan(np.arange(30.0), np.ones((3, 4)))
        other = MemoryCheckpoint({"t0": ("F32", np.ones(30, np.float32).view(np.uint32))})
        assert stored_statistics(other, recognise(other.shapes)) is None
        assert stored_statistics(checkpoint, recognise({"t0": (30,)})) is None

    @pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 and then nothing", None])
    def test_a_damaged_file_is_no_answer(self, own_cache, damage):
        checkpoint, anatomy, _ = scan(np.arange(30.0))
        (path,) = own_cache.rglob("*.npz")
        path.write_bytes(path.read_bytes()[:-40] if damage is None else damage)
        assert stored_statistics(checkpoint, anatomy) is None

    def test_a_cache_that_cannot_be_written_costs_only_the_memory(self, own_cache, monkeypatch):
        (own_cache / "file").write_text("")
        monkeypatch.setenv("NAPARI_GPT2_TOMO_CACHE", str(own_cache / "file" / "below"))
        checkpoint, anatomy, found = scan(np.arange(30.0))
        assert found.n.tolist() == [30]
        assert stored_statistics(checkpoint, anatomy) is None

    def test_cancelling_keeps_nothing(self, own_cache):
        found = gpt2(Sizes(12, 2, 2, 2, 6, 20, 30, 4, 1, 1, False))
        checkpoint = checkpoint_of(found.shapes)
        anatomy = recognise(found.shapes)
        progress = SilentProgress()
        progress.cancel()
        with pytest.raises(Cancelled):
            exact_statistics(checkpoint, anatomy, progress)
        assert stored_statistics(checkpoint, anatomy) is None
        progress = SilentProgress()
        exact_statistics(checkpoint, anatomy, progress)
        assert progress.done == progress.total == anatomy.n_parameters
