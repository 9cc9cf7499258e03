"""The strongest parameters against a full sort of all of them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from napari_gpt2_tomo.anatomy import recognise
from napari_gpt2_tomo.base import Cancelled, LayoutError, SilentProgress
from napari_gpt2_tomo.volume import strongest as module
from napari_gpt2_tomo.volume.circuits import circuit_volume
from napari_gpt2_tomo.volume.reading import chunks as reading
from napari_gpt2_tomo.volume.statistics.summary import estimate_statistics
from napari_gpt2_tomo.volume.strongest import Strongest, strongest
from napari_gpt2_tomo.volume.volume import Volume, make_layout
from volume.architectures import Architecture, Sizes, architectures, gpt2, gpt_oss, llama
from volume.fakes import FLOATS, KINDS, MemoryCheckpoint, checkpoint_of

QUICK = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
        HealthCheck.function_scoped_fixture,
    ],
)
GPT2 = gpt2(Sizes(24, 2, 1, 1, 1, 40, 30, 8, 1, 1, True))


@pytest.fixture(autouse=True)
def small_steps(tmp_path, monkeypatch):
    """Many chunks and many sortings even where there are few parameters."""
    monkeypatch.setenv("NAPARI_GPT2_TOMO_CACHE", str(tmp_path))
    monkeypatch.setattr(reading, "CHUNK", 50)
    monkeypatch.setattr(module, "SPARE", 7)


def volume_of(
    found: Architecture,
    layout: str = "body",
    tensor: str | None = None,
    shift: float = 0.0,
    **options: Any,
) -> tuple[MemoryCheckpoint, Volume]:
    checkpoint = checkpoint_of(found.shapes, found.config, **options)
    anatomy = recognise(found.shapes, found.config)
    if shift:
        parts = [replace(p, shift=shift if p.group == "norm" else 0.0) for p in anatomy.parts]
        anatomy = replace(anatomy, parts=tuple(parts))
    made = make_layout(layout, anatomy, checkpoint.shapes, tensor=tensor)
    statistics = estimate_statistics(checkpoint, anatomy)
    return checkpoint, Volume(checkpoint, anatomy, made, "signed", None, statistics)


def everything(volume: Volume, box: Any = None, parts: Any = None) -> list[tuple[Any, ...]]:
    """(value, tensor, index, part) of every finite parameter of a box, sorted, voxel by voxel."""
    tensors = list(dict.fromkeys(part.tensor for part in volume.anatomy.parts))
    box = [(0, n) for n in volume.shape] if box is None else box
    found = []
    for at in np.ndindex(*[b - a for a, b in box]):
        voxel = tuple(a + i for (a, _), i in zip(box, at, strict=True))
        address = volume.address(voxel)
        if address is None or (parts is not None and address.part not in parts):
            continue
        value = float(address.value)
        if np.isfinite(value):
            rank = (-abs(value), tensors.index(address.tensor), address.index)
            found.append((rank, value, address, voxel))
    return sorted(found, key=lambda item: item[0])


def assert_same(result: Strongest, volume: Volume, expected: list[tuple[Any, ...]]) -> None:
    assert len(result) == len(expected)
    table = result.columns(volume)
    for i, (_, value, address, voxel) in enumerate(expected):
        assert result.value[i] == value
        assert tuple(result.voxel[i]) == voxel
        assert table["tensor"][i] == address.tensor
        assert table["index"][i] == (str(list(address.index)) if address.index else "")
        assert (table["part"][i], table["role"][i]) == (address.part, address.role)
        for name in ("layer", "head"):
            known = getattr(address, name)
            assert table[name][i] == (-1 if known is None else known)


@given(
    found=architectures(largest=7),
    layout=st.sampled_from(["body", "cube", "heads", "tensor"]),
    kinds=st.sampled_from([("F32",), FLOATS, KINDS]),
    mapped=st.booleans(),
    seed=st.integers(0, 99),
    data=st.data(),
)
@QUICK
def test_it_is_the_head_of_a_full_sort(found, layout, kinds, mapped, seed, data):
    anatomy = recognise(found.shapes, found.config)
    assume(0 < anatomy.n_parameters < 6000)
    tensor = data.draw(st.sampled_from(sorted(anatomy.positions)))
    assume(layout != "tensor" or np.prod(found.shapes[tensor]) > 0)
    odd = data.draw(st.booleans())
    try:
        _, volume = volume_of(found, layout, tensor, kinds=kinds, seed=seed, mapped=mapped, odd=odd)
    except LayoutError:
        assume(False)
    box = None
    if data.draw(st.booleans()):
        ends = [sorted(data.draw(st.tuples(*[st.integers(0, n)] * 2))) for n in volume.shape]
        box = tuple((a, b) for a, b in ends)
    parts = None
    if data.draw(st.booleans()):
        names = [part.name for part in volume.anatomy.parts]
        parts = data.draw(st.sets(st.sampled_from(names), min_size=1))
    expected = everything(volume, box, parts)
    count = data.draw(st.integers(1, max(2, len(expected) + 2)))
    with np.errstate(all="ignore"):
        result = strongest(volume, count, box=box, parts=parts)
    assert_same(result, volume, expected[:count])


@pytest.mark.parametrize("layout", ["body", "cube"])
def test_equal_magnitudes_come_in_the_order_of_the_parameters(layout):
    _, volume = volume_of(GPT2, layout, kinds="BOOL")
    expected = everything(volume)
    ones = sum(value == 1 for _, value, _, _ in expected)
    assert ones > 200
    for count in (1, 60, 199):
        assert_same(strongest(volume, count), volume, expected[:count])


@pytest.mark.parametrize("layout", ["body", "cube"])
def test_a_norm_that_is_stored_less_one_counts_as_it_acts(layout):
    found = llama(Sizes(6, 1, 2, 1, 3, 8, 9, 4, 1, 1, False))
    _, volume = volume_of(found, layout, shift=1.0)
    result = strongest(volume, 40)
    assert_same(result, volume, everything(volume)[:40])
    assert set(result.columns(volume)["role"][:10]) <= {"attn_norm", "mlp_norm", "final_norm"}


def test_stacked_experts_are_told_apart():
    _, volume = volume_of(gpt_oss(Sizes(10, 1, 2, 1, 5, 1, 12, 4, 3, 4, True)))
    parts = {"L0.E1.gate", "L0.E2.down_bias"}
    expected = everything(volume, None, parts)
    assert_same(strongest(volume, 1000, parts=parts), volume, expected)


def test_circuits_have_strongest_entries_too():
    checkpoint = checkpoint_of(GPT2.shapes, GPT2.config)
    anatomy = recognise(GPT2.shapes, GPT2.config)
    volume = circuit_volume(checkpoint, anatomy, "qk", "signed", None)
    result = strongest(volume, 25)
    values = np.abs(volume[...])
    assert np.allclose(np.abs(result.value), np.sort(values, axis=None)[::-1][:25], rtol=1e-6)
    table = result.columns(volume)
    for voxel, layer, head in zip(result.voxel, table["layer"], table["head"], strict=True):
        assert (voxel[0], voxel[1]) == (layer, head)


def test_its_memory_does_not_grow_with_the_checkpoint(monkeypatch):
    _, volume = volume_of(GPT2, "cube")
    held = []
    shrink = module._Finder._shrink

    def noting(finder):
        held.append(finder._held)
        return shrink(finder)

    monkeypatch.setattr(module._Finder, "_shrink", noting)
    strongest(volume, 20)
    assert volume.layout.n_parameters > 5000
    assert max(held) <= 2 * 20 + module.SPARE + reading.CHUNK


def test_it_reports_its_progress_and_stops_when_asked():
    for layout in ("body", "cube"):
        checkpoint, volume = volume_of(GPT2, layout)
        for box in (None, tuple((0, n // 2) for n in volume.shape)):
            progress = SilentProgress()
            strongest(volume, 5, box=box, progress=progress)
            assert progress.done == progress.total > 0
        checkpoint.source.forget()
        progress.cancel()
        with pytest.raises(Cancelled):
            strongest(volume, 5, progress=progress)
        assert checkpoint.source.nbytes < 0.2 * volume.layout.n_parameters * 4


def test_only_the_box_is_read():
    checkpoint, volume = volume_of(GPT2, "body")
    region = volume.region("L1.q")
    section = volume.voxel(region.tensor, (0, 0))[0]
    checkpoint.source.forget()
    result = strongest(volume, 9, box=((section, section + 1), (3, 6), (0, 24)))
    assert checkpoint.source.nbytes == 3 * 24 * 4
    assert set(result.columns(volume)["part"]) == {"L1.q"}


def test_requests_that_cannot_be_met_say_so():
    _, volume = volume_of(GPT2)
    with pytest.raises(LayoutError, match="at least one"):
        strongest(volume, 0)
    with pytest.raises(LayoutError, match=r"no part named 'L9\.q'"):
        strongest(volume, 5, parts=["L0.q", "L9.q"])
    for box in [((0, 1),), ((0, 1), (0, 1), (0, 9999)), ((1, 0), (0, 1), (0, 1))]:
        with pytest.raises(LayoutError, match="does not fit"):
            strongest(volume, 5, box=box)
