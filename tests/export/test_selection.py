"""Selections as files: values bit for bit, and each one traced back to its parameter."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from checkpoint.writer import ORACLE
from napari_gpt2_tomo.anatomy import recognise
from napari_gpt2_tomo.base import Cancelled, LayoutError, TomoError
from napari_gpt2_tomo.export import selection as room
from napari_gpt2_tomo.export.selection import choosing, save_selection, select
from napari_gpt2_tomo.facade import Scan
from napari_gpt2_tomo.volume.statistics.summary import estimate_statistics
from napari_gpt2_tomo.volume.volume import Volume, make_layout
from real_data import real_data
from volume.architectures import Sizes, architectures, gpt_oss, mixtral
from volume.fakes import checkpoint_of
from volume.truth import to_float32

QUICK = settings(
    deadline=None,
    max_examples=20,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
SIZES = Sizes(12, 2, 2, 1, 6, 8, 9, 4, 4, 10, True)


def volume_of(made: Any, layout: str = "body", kinds: Any = "F32", **options: Any) -> Volume:
    checkpoint = checkpoint_of(made.shapes, made.config, kinds=kinds, seed=1)
    anatomy = recognise(made.shapes, made.config)
    found = make_layout(layout, anatomy, checkpoint.shapes, **options)
    statistics = estimate_statistics(checkpoint, anatomy)
    return Volume(checkpoint, anatomy, found, "signed", None, statistics)


def header_of(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])


def description_of(path: Path) -> dict[str, Any]:
    if path.suffix == ".safetensors":
        return json.loads(header_of(path)["__metadata__"]["selection"])
    return json.loads(path.with_name(f"{path.name}.json").read_text())


def read_back(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        return np.load(path)
    return tifffile.imread(path) if path.suffix == ".tif" else load_file(path)["values"]


@QUICK
@given(data=st.data())
def test_every_voxel_of_a_box_is_traced_to_its_parameter(data, tmp_path):
    made = data.draw(architectures(largest=9))
    anatomy = recognise(made.shapes, made.config)
    names = ["cube"] if anatomy.hyper.d_model is None else ["cube", "body", "body"]
    volume = volume_of(made, data.draw(st.sampled_from(names)), ("F32", "F16", "BF16"))
    box = []
    for n in volume.shape:
        first = data.draw(st.integers(0, n - 1))
        box.append((first, data.draw(st.integers(first + 1, min(n, first + 9)))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choosing, "BAND", data.draw(st.sampled_from([1, 7, 2**22])))
        path = save_selection(volume, tmp_path / "box.safetensors", box=box)
        flat_file = save_selection(volume, tmp_path / "box.npy", box=box)
    found = load_file(path) if _numpy_has(path) else None
    ids, flat = (_stored(path, name) for name in ("tensor_id", "flat_index"))
    names_of = {v["number"]: k for k, v in description_of(path)["tensors"].items()}
    values = np.load(flat_file)
    for at in np.ndindex(values.shape):
        voxel = [i + a for i, (a, _) in zip(at, box, strict=True)]
        place = volume.layout.place(voxel)
        if place is None:
            assert (ids[at], flat[at], values[at]) == (0, -1, 0)
            continue
        truth = volume.checkpoint.truth[place.tensor]
        assert names_of[ids[at]] == place.tensor
        assert flat[at] == np.ravel_multi_index(place.index, truth.shape)
        assert to_float32(values[at]) == to_float32(truth[place.index])
        if found is not None:
            assert found["values"][at] == values[at]


def _numpy_has(path: Path) -> bool:
    return header_of(path)["values"]["dtype"] != "BF16"


def _stored(path: Path, name: str) -> np.ndarray:
    """A tensor of a safetensors file, also of types that numpy lacks, as codes."""
    data, header = path.read_bytes(), header_of(path)
    start = 8 + int.from_bytes(data[:8], "little")
    first, stop = header[name]["data_offsets"]
    width = {"U32": np.uint32, "I64": np.int64, "BF16": np.uint16, "F8_E4M3": np.uint8}
    found = np.frombuffer(data[start + first : start + stop], width[header[name]["dtype"]])
    return found.reshape(header[name]["shape"])


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "F64", "F8_E4M3"])
def test_a_part_keeps_its_bits_where_the_format_has_the_type(kind, tmp_path):
    volume = volume_of(mixtral(SIZES), kinds=kind)
    name = "model.layers.1.block_sparse_moe.experts.2.w1.weight"
    truth = volume.checkpoint.truth[name].T
    path = save_selection(volume, tmp_path / "gate.safetensors", part="L1.E2.gate")
    assert header_of(path)["values"]["dtype"] == kind
    if kind in ("BF16", "F8_E4M3"):
        codes = _stored(path, "values").view(ORACLE[kind])
        np.testing.assert_array_equal(codes.astype(np.float32), truth)
    else:
        np.testing.assert_array_equal(load_file(path)["values"], truth)
        assert load_file(path)["values"].dtype == truth.dtype
    plain = np.load(save_selection(volume, tmp_path / "gate.npy", part=("gate", 1, 2)))
    assert plain.dtype == truth.dtype
    np.testing.assert_array_equal(plain, truth)
    picture = tifffile.imread(save_selection(volume, tmp_path / "gate.tif", part="L1.e2.GATE"))
    assert picture.dtype == np.float32
    np.testing.assert_array_equal(picture, truth.astype(np.float32))


def test_the_regions_of_a_section_name_part_tensor_and_ranges(tmp_path):
    volume = volume_of(gpt_oss(SIZES), "experts")
    path = save_selection(volume, tmp_path / "experts.tif", section=3)
    values, said = tifffile.imread(path), description_of(path)
    assert values.shape == tuple(said["shape"])
    values = values[0]
    assert (said["layout"], said["axes"]) == ("experts", ["section", "row", "column"])
    (section,) = said["sections"]
    assert section["at"] == [3]
    covered = np.zeros(values.shape, bool)
    for region in section["regions"]:
        at = tuple(slice(a, b) for a, b in region["voxels"])
        assert not covered[at].any()
        covered[at] = True
        part = said["parts"][region["part"]]
        truth = volume.checkpoint.truth[region["tensor"]].ravel()
        flat = part["offset"]
        for (first, stop), digits in zip(region["index"], part["digits"], strict=True):
            ((_, stride),) = digits
            flat = np.add.outer(flat, np.arange(first, stop) * stride)
        expected = truth[np.asarray(flat)].astype(np.float32)
        np.testing.assert_array_equal(values[at].ravel(), expected.ravel())
        first = np.unravel_index(int(np.asarray(flat).ravel()[0]), volume.checkpoint.truth[
            region["tensor"]].shape)  # fmt: skip
        assert region["first"] == list(first)
        if region["part"].endswith("gate"):
            assert region["along"] == ["channel", "unit"]
    assert not values[~covered].any()
    assert said["n_air"] == np.count_nonzero(~covered)


def test_a_section_of_a_body_is_its_plane_with_margins_and_a_tiff_has_a_page_a_section(tmp_path):
    volume = volume_of(mixtral(SIZES))
    whole = np.asarray(volume[:])
    box = [(2, 7), (0, volume.shape[1]), (1, 9)]
    path = save_selection(volume, tmp_path / "box.tif", box=box)
    with tifffile.TiffFile(path) as file:
        assert len(file.pages) == 5
        assert file.series[0].axes == "ZYX"
    np.testing.assert_array_equal(tifffile.imread(path), whole[2:7, :, 1:9])
    plane = np.load(save_selection(volume, tmp_path / "plane.npy", section=2))
    size = plane.shape[1:]
    np.testing.assert_array_equal(plane[0], whole[2, : size[0], : size[1]])
    rest = whole[2].copy()
    rest[: size[0], : size[1]] = 0
    assert not rest.any()


def test_air_can_be_nan_and_signals_are_saved_as_they_are_shown(tmp_path):
    volume = volume_of(mixtral(SIZES), "experts")
    whole = np.asarray(volume[0])
    path = save_selection(volume, tmp_path / "a.tif", section=0, air=np.nan)
    found = tifffile.imread(path)[0]
    held = np.asarray(volume.atlas.level(0)[0])[: found.shape[0], : found.shape[1]] > 0
    assert np.isnan(found[~held]).all()
    np.testing.assert_array_equal(found[held], whole[: found.shape[0], : found.shape[1]][held])
    assert description_of(path)["air"] == "NaN"
    shown = np.load(save_selection(volume, tmp_path / "b.npy", section=0, signal="magnitude"))
    np.testing.assert_array_equal(shown[0], np.abs(whole[: shown.shape[1], : shown.shape[2]]))
    assert description_of(tmp_path / "b.npy")["values"] == "magnitude"
    mixed = volume_of(mixtral(SIZES), kinds="F16")
    with pytest.raises(LayoutError, match="Air cannot be 3"):
        save_selection(mixed, tmp_path / "c.safetensors", part="L0.q", air=3)


@pytest.mark.parametrize("ending", [".npy", ".tif", ".safetensors"])
def test_what_is_cancelled_or_fails_leaves_nothing_behind(tmp_path, ending, monkeypatch):
    volume = volume_of(mixtral(SIZES))
    monkeypatch.setattr(choosing, "BAND", 16)

    class Stop:
        def start(self, total: int, description: str) -> None:
            assert "L0.q" in description

        def advance(self, amount: int) -> None:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        save_selection(volume, tmp_path / f"q{ending}", part="L0.q", progress=Stop())
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TomoError, match="cannot be written"):
        save_selection(volume, tmp_path / "no" / f"q{ending}", part="L0.q")


def test_wrong_requests_are_told(tmp_path):
    volume = volume_of(mixtral(SIZES))
    for options, words in (
        ({}, "not nothing"),
        ({"part": "L0.q", "section": 1}, "not part and section"),
        ({"part": "L0.x"}, "no part 'L0.x'"),
        ({"box": [(0, 1)]}, "3 intervals"),
        ({"box": [(0, 1), (5, 5), (0, 1)]}, "5:5 along channel"),
        ({"section": 10**6}, "no section 1000000"),
    ):
        with pytest.raises(LayoutError, match=words):
            select(volume, **options)
    with pytest.raises(TomoError, match="the ending says the format"):
        save_selection(volume, tmp_path / "q.png", part="L0.q")


def test_a_file_of_the_model_is_never_overwritten(tiny_phantom):
    before = tiny_phantom.stat()
    with pytest.raises(TomoError, match="a file of the model itself"):
        save_selection(tiny_phantom, tiny_phantom, part="L0.q")
    assert tiny_phantom.stat().st_mtime_ns == before.st_mtime_ns


def test_large_selections_are_not_traced_voxel_by_voxel(tiny_phantom, tmp_path, monkeypatch):
    monkeypatch.setattr(room.save, "MOST_TRACED", 100)
    path = save_selection(tiny_phantom, tmp_path / "q.safetensors", part="L0.q")
    assert set(header_of(path)) == {"__metadata__", "values"}


def test_a_saved_part_opens_as_a_checkpoint(tiny_phantom, tmp_path):
    path = save_selection(tiny_phantom, tmp_path / "q.safetensors", part="L3.q")
    with Scan(path) as saved, Scan(tiny_phantom) as scan:
        np.testing.assert_array_equal(saved.checkpoint["values"][...], scan.part("q", 3))


def test_a_part_of_the_real_gpt2(tmp_path):
    folder = real_data("gpt2-attention-fp16")
    with Scan(folder) as scan:
        path = save_selection(scan, tmp_path / "k.safetensors", part="L4.k")
        found = load_file(path)
        np.testing.assert_array_equal(found["values"], scan.part("k", 4))
        assert found["values"].dtype == np.float16
        at = (447, 100)
        names = list(description_of(path)["tensors"])
        tensor = scan.checkpoint[names[found["tensor_id"][at] - 1]]
        index = np.unravel_index(found["flat_index"][at], tensor.shape)
        assert tensor[tuple(map(int, index))] == found["values"][at]


def test_of_a_series_the_step_that_is_looked_at_is_saved(tmp_path):
    from napari_gpt2_tomo.series.series import Series

    with Series(real_data("char-gpt2-series")) as series:
        volume = series.volume("body", "signed")
        volume.attend((4, 0, 0, 0))
        found = np.load(save_selection(volume, tmp_path / "q.npy", part="L1.q"))
        with Scan(real_data("char-gpt2-series") / "step02600") as scan:
            np.testing.assert_array_equal(found, scan.part("q", 1))
