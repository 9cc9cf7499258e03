"""The atlas: which voxel belongs to which part."""

import numpy as np
import pytest

from napari_gpt2_tomo.anatomy import recognise
from napari_gpt2_tomo.base import LayoutError
from napari_gpt2_tomo.volume.statistics.summary import estimate_statistics
from napari_gpt2_tomo.volume.volume import Volume, make_layout
from volume.architectures import Architecture, Sizes, gpt2, gpt_oss, mixtral
from volume.fakes import MemoryCheckpoint, checkpoint_of
from volume.truth import limits

FOUND = mixtral(Sizes(20, 2, 2, 2, 10, 1, 30, 4, 3, 9, False))
FOUND.shapes["vision.conv"] = (3, 2, 2, 2)


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_GPT2_TOMO_CACHE", str(tmp_path))


def volume_of(found: Architecture, layout: str = "body") -> tuple[MemoryCheckpoint, Volume]:
    checkpoint = checkpoint_of(found.shapes, found.config)
    anatomy = recognise(found.shapes, found.config)
    with limits(plane=8, voxels=500):
        made = make_layout(layout, anatomy, found.shapes)
    statistics = estimate_statistics(checkpoint, anatomy)
    return checkpoint, Volume(checkpoint, anatomy, made, "signed", None, statistics)


@pytest.mark.parametrize("layout", ["body", "cube"])
def test_every_part_has_a_region_that_covers_its_parameters(layout):
    _, volume = volume_of(FOUND, layout)
    labels = np.asarray(volume.atlas.levels[0])
    assert labels.dtype == np.int32
    assert len(volume.atlas.regions) == len(volume.anatomy.parts)
    assert [region.label for region in volume.atlas.regions] == list(
        range(1, len(volume.atlas.regions) + 1)
    )
    counts = np.bincount(labels.ravel(), minlength=len(volume.anatomy.parts) + 1)
    for region, part in zip(volume.atlas.regions, volume.anatomy.parts, strict=True):
        assert counts[region.label] == region.size == part.size
        assert (region.name, region.role, region.group) == (part.name, part.role, part.group)
        assert (region.layer, region.expert, region.tensor) == (
            part.layer,
            part.expert,
            part.tensor,
        )
    assert counts[0] == labels.size - volume.anatomy.n_parameters


def test_a_region_is_found_by_the_name_of_its_part():
    _, volume = volume_of(FOUND)
    region = volume.region("L1.E2.down")
    assert (region.title, region.role, region.group) == ("L1 · expert 2 · down", "down", "mlp")
    assert volume.region("L0.q").title == "L0 Q"
    assert volume.region("token_embedding").title == "token embedding"
    assert volume.region("vision.conv").title == "vision.conv"
    assert volume.atlas.region("L0.q") == volume.region("L0.q")
    at = volume.voxel(region.tensor, (3, 4))
    assert volume.atlas.level(0)[at] == region.label
    with pytest.raises(LayoutError, match=r"no part named 'L9\.q'"):
        volume.region("L9.q")
    with pytest.raises(KeyError):
        volume.atlas.region("L9.q")


def test_levels_are_lazy_and_have_the_shapes_of_the_volume():
    checkpoint, volume = volume_of(FOUND)
    checkpoint.source.forget()
    for i, level in enumerate(volume.atlas.levels):
        assert level.shape == volume.levels[i].shape
        assert level.dtype == np.int32
        assert np.array_equal(np.asarray(level[..., 2]), volume.atlas.level(i)[..., 2])
    assert checkpoint.source.nbytes == 0
    assert len({level.name for level in volume.atlas.levels}) == len(volume.factors) > 2


def test_names_differ_where_labels_do():
    names = set()
    for found in (FOUND, gpt2(Sizes(20, 1, 1, 1, 1, 9, 9, 4, 1, 1, False))):
        for layout in ("body", "cube"):
            names.add(volume_of(found, layout)[1].atlas.levels[0].name)
    assert len(names) == 4


def test_a_stacked_tensor_has_a_region_for_each_expert():
    _, volume = volume_of(gpt_oss(Sizes(10, 1, 2, 1, 5, 1, 12, 4, 3, 4, True)))
    labels = np.asarray(volume.atlas.level(0))
    for e in range(3):
        for role in ("gate", "up", "down"):
            assert (labels == volume.region(f"L0.E{e}.{role}").label).sum() == 40
        assert (labels == volume.region(f"L0.E{e}.gate_bias").label).sum() == 4
