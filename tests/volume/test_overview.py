"""The coarse levels of a volume: air, then a quick look, then exact; never a wrong mixture."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from napari_gpt2_tomo.anatomy import recognise
from napari_gpt2_tomo.base import Cancelled, SilentProgress
from napari_gpt2_tomo.volume.overview import quick
from napari_gpt2_tomo.volume.statistics.summary import estimate_statistics
from napari_gpt2_tomo.volume.volume import Volume, make_layout
from volume.architectures import Architecture, Sizes, architectures, gpt2, gpt_oss, llama, mixtral
from volume.fakes import MemoryCheckpoint, checkpoint_of
from volume.truth import limits, same

QUICK = settings(
    deadline=None,
    max_examples=20,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
        HealthCheck.function_scoped_fixture,
    ],
)

MODEL = llama(Sizes(40, 2, 4, 2, 10, 90, 130, 4, 1, 1, False))


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_GPT2_TOMO_CACHE", str(tmp_path))
    return tmp_path


def volume_of(
    found: Architecture | MemoryCheckpoint,
    layout: str = "body",
    signal: str = "magnitude",
    reduction: str | None = None,
    **options: Any,
) -> tuple[MemoryCheckpoint, Volume]:
    checkpoint = (
        checkpoint_of(found.shapes, found.config) if isinstance(found, Architecture) else found
    )
    anatomy = recognise(checkpoint.shapes, checkpoint.config)
    made = make_layout(layout, anatomy, checkpoint.shapes, **options)
    statistics = estimate_statistics(checkpoint, anatomy)
    checkpoint.source.forget()
    return checkpoint, Volume(checkpoint, anatomy, made, signal, reduction, statistics)


def names(volume: Volume) -> list[str]:
    return [level.name for level in volume.displayed()]


def test_it_goes_from_empty_to_quick_to_refined():
    checkpoint, volume = volume_of(MODEL)
    overview = volume.overview
    last = len(volume.factors) - 1
    assert last == 1
    assert overview.state == "empty"
    assert not np.asarray(volume.displayed()[last]).any()
    before = names(volume)

    overview.quick_look()
    assert overview.state == "quick"
    assert np.asarray(volume.displayed()[last]).any()
    between = names(volume)

    overview.refine()
    assert overview.state == "refined"
    exact = volume.reader.read(tuple((0, n) for n in volume.layout.level_shape(last)), last)
    np.testing.assert_array_max_ulp(np.asarray(volume.displayed()[last]), exact, 1)
    after = names(volume)

    # What changes has another name, or dask would show what it held before.
    assert len({before[last], between[last], after[last]}) == 3
    assert volume.levels[last].name not in {before[last], between[last]}
    assert len(set(after)) == len(after)
    checkpoint.source.forget()
    overview.quick_look()
    assert overview.state == "refined"
    assert checkpoint.source.nbytes == 0


def test_level_0_is_always_the_file_itself():
    # So narrow that its plane is never halved, so deep that its sections are.
    narrow = llama(Sizes(20, 1, 2, 2, 10, 30, 500, 4, 1, 1, False))
    with limits(voxels=2000):
        checkpoint, volume = volume_of(narrow)
    assert volume.factors[1][1] == 1
    whole = volume.reader.read(tuple((0, n) for n in volume.shape), 0)
    for act in (lambda: None, volume.overview.quick_look, volume.refine):
        act()
        assert same(np.asarray(volume.displayed()[0]), whole)
        assert same(np.asarray(volume.level(0)), whole)
    assert volume.overview.state == "refined"
    assert checkpoint.source.nbytes > 0


def test_thin_slices_of_coarse_levels_are_computed_without_refining():
    checkpoint, volume = volume_of(MODEL)
    last = len(volume.factors) - 1
    for index in (np.s_[3], np.s_[:, 5], np.s_[..., 7]):
        found = volume.level(last)[index]
        assert volume.overview.state == "empty"
        exact = volume.reader.read(tuple((0, n) for n in volume.layout.level_shape(last)), last)
        assert same(found, np.ascontiguousarray(exact[index]))
    checkpoint.source.forget()
    volume.level(last)[3]
    section = 40 * 40 * 4 + 40 * 8  # A matrix and, at most, two norms.
    assert checkpoint.source.nbytes <= section
    # The whole level is another matter.
    np.asarray(volume.levels[last])
    assert volume.overview.state == "refined"


def test_a_refined_level_is_read_without_the_file():
    checkpoint, volume = volume_of(MODEL)
    volume.refine()
    _, again = volume_of(checkpoint)
    for level in range(1, len(volume.factors)):
        assert again.overview.is_ready(level)
        assert same(np.asarray(again.level(level)), np.asarray(volume.level(level)))
    assert checkpoint.source.nbytes == 0
    assert not again.overview.is_ready(0)


def test_what_is_ready_needs_no_long_work():
    checkpoint, volume = volume_of(gpt2(Sizes(80, 1, 1, 1, 1, 100, 90, 4, 1, 1, False)))
    overview = volume.overview
    assert len(volume.factors) == 3
    assert [overview.is_ready(i) for i in range(3)] == [False, False, True]
    np.asarray(volume.displayed()[2])
    assert checkpoint.source.nbytes == 0
    volume.refine()
    assert [overview.is_ready(i) for i in range(3)] == [False, True, True]


def test_a_long_tensor_is_ready_where_both_its_axes_are_coarse():
    for shape in ((300, 40), (40, 300), (3, 300, 40)):
        _, volume = volume_of(checkpoint_of({"t": shape}), "tensor", tensor="t")
        assert len(volume.factors) == 5
        ready = [volume.overview.is_ready(level) for level in range(5)]
        assert ready == [False] * 4 + [True]


def test_a_volume_of_one_level_has_nothing_to_refine(own):
    checkpoint, volume = volume_of(gpt2(Sizes(6, 1, 2, 2, 3, 6, 6, 4, 1, 1, True)))
    assert len(volume.factors) == 1
    assert volume.overview.state == "refined"
    volume.overview.quick_look()
    volume.refine()
    assert checkpoint.source.nbytes == 0
    assert not list(own.glob("overviews/*"))
    assert np.asarray(volume.displayed()[0]).any()


def test_statistics_become_exact_with_the_overview():
    _, volume = volume_of(llama(Sizes(80, 1, 4, 4, 20, 90, 130, 4, 1, 1, False)))
    assert volume.statistics.estimate
    volume.refine()
    assert not volume.statistics.estimate
    assert volume.statistics.n.sum() == volume.anatomy.n_parameters


class TestQuickLook:
    @QUICK
    @given(
        architectures(largest=20),
        st.sampled_from(["body", "tensor", "heads", "cube"]),
        st.sampled_from([("signed", "extreme"), ("magnitude", "rms"), ("rank", "mean")]),
        st.sampled_from([0, 300, 2**26]),
        st.data(),
    )
    def test_it_keeps_its_budget_and_leaves_the_air_empty(self, found, layout, pair, budget, data):
        anatomy = recognise(found.shapes, found.config)
        options = {}
        if layout == "body":
            assume(anatomy.hyper.d_model)
        elif layout == "tensor":
            shown = [n for n, s in found.shapes.items() if 0 not in s and n in anatomy.positions]
            assume(shown)
            options["tensor"] = data.draw(st.sampled_from(shown))
        elif layout == "heads":
            roles = {p.role for p in anatomy.parts if p.n_heads and p.axes == ("channel", "unit")}
            assume(roles)
            options["role"] = data.draw(st.sampled_from(sorted(roles)))
        with pytest.MonkeyPatch.context() as patch, limits(plane=4, voxels=200):
            patch.setattr(quick, "BUDGET", budget or 1)
            patch.setattr(quick, "RUN", 16)
            checkpoint, volume = volume_of(found, layout, *pair, **options)
            assume(volume.overview.state == "empty")
            volume.overview.quick_look()
            stored = sum(tensor.nbytes for tensor in checkpoint.values())
            # The cube reads one run at least; its bricks are not cut.
            least = stored if layout == "cube" else 0
            assert checkpoint.source.nbytes <= max(budget, least, 1)
            assert checkpoint.source.nbytes == len(checkpoint.source.touched())
        for level in range(volume.overview.coarse, len(volume.factors)):
            shown = np.asarray(volume.overview.displayed(level))
            assert shown.dtype == np.float32
            assert np.isfinite(shown).all()
            labels = np.asarray(volume.atlas.level(level))
            assert not shown[labels == 0].any()
            if pair[0] != "signed":
                assert (shown >= 0).all()

    def test_it_spreads_over_more_blocks_than_it_can_read(self, monkeypatch):
        monkeypatch.setattr(quick, "BUDGET", 2**15)
        monkeypatch.setattr(quick, "RUN", 2**9)
        found = mixtral(Sizes(40, 4, 2, 2, 20, 1, 70, 4, 40, 12, False))
        checkpoint, volume = volume_of(found)
        volume.overview.quick_look()
        assert 2**14 < checkpoint.source.nbytes <= 2**15
        level = volume.overview.coarse
        shown = np.asarray(volume.overview.displayed(level))
        labels = np.asarray(volume.atlas.level(level))
        experts = [i + 1 for i, p in enumerate(volume.anatomy.parts) if p.expert is not None]
        assert (shown[np.isin(labels, experts)] > 0).mean() > 0.99

    def test_what_it_reads_lies_together(self, monkeypatch):
        monkeypatch.setattr(quick, "BUDGET", 2**15)
        monkeypatch.setattr(quick, "RUN", 2**11)
        # Sections of whole matrices, some of them woven into each other in the file.
        checkpoint, volume = volume_of(llama(Sizes(40, 2, 4, 4, 10, 160, 120, 4, 1, 1, False)))
        volume.overview.quick_look()
        reads = sorted(checkpoint.source.reads)
        runs = [list(reads[0])]
        for start, stop in reads[1:]:
            if start <= runs[-1][1]:
                runs[-1][1] = stop
            else:
                runs.append([start, stop])
        short = [stop - start for start, stop in runs if stop - start < 2**11]
        norms = [t.nbytes for t in checkpoint.values() if t.ndim == 1]
        assert sum(short) <= sum(norms)

    @pytest.mark.parametrize("layout", ["body", "heads", "tensor"])
    def test_it_resembles_the_truth_on_smooth_data(self, layout, monkeypatch):
        monkeypatch.setattr(quick, "BUDGET", 2**16)
        monkeypatch.setattr(quick, "RUN", 2**9)
        found = llama(Sizes(64, 3, 8, 4, 8, 192, 640, 4, 1, 1, False))
        stored = {}
        for i, (name, shape) in enumerate(found.shapes.items()):
            grid = np.meshgrid(*[np.linspace(0, 1, n) for n in shape], indexing="ij")
            values = 1 + np.sin(i) / 2 + sum((k + 1) * axis for k, axis in enumerate(grid))
            stored[name] = ("F32", values.astype(np.float32).view(np.uint32))
        checkpoint = MemoryCheckpoint(stored, found.config)
        whole = sum(tensor.nbytes for tensor in checkpoint.values())
        tensor = "model.embed_tokens.weight"
        checkpoint, volume = volume_of(checkpoint, layout, tensor=tensor)
        volume.overview.quick_look()
        assert checkpoint.source.nbytes < whole / 5
        for level in range(volume.overview.coarse, len(volume.factors)):
            shown = np.asarray(volume.overview.displayed(level))
            exact = np.asarray(volume.level(level))
            held = np.asarray(volume.atlas.level(level)) != 0
            assert np.corrcoef(shown[held], exact[held])[0, 1] > 0.9
            assert ((shown != 0) == (exact != 0)).mean() > 0.98

    def test_it_can_be_cancelled(self):
        _, volume = volume_of(MODEL)
        progress = SilentProgress()
        progress.cancel()
        with pytest.raises(Cancelled):
            volume.overview.quick_look(progress)
        assert volume.overview.state == "empty"

    def test_a_sample_of_everything_is_exact(self):
        _, volume = volume_of(gpt_oss(Sizes(48, 1, 4, 2, 12, 1, 60, 4, 4, 20, True)), "body")
        volume.overview.quick_look()
        level = volume.overview.coarse
        shown = np.asarray(volume.overview.displayed(level))
        exact = np.asarray(volume.level(level))
        # All but voxels that blocks share, where the last one is seen.
        assert np.isclose(shown, exact, rtol=1e-6).mean() > 0.9
