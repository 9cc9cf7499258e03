"""Thick slices."""

import numpy as np
import pytest


def displayed(found, position):
    """The value that a slice shows at a voxel."""
    found.viewer.dims.set_point(0, position[0] * found.image.scale[0])
    found.image.data_level = 0
    world = found.image.data_to_world(position)
    return found.image.get_value(world, world=True)[1]


@pytest.fixture
def fine(shown):
    """At level 0 whatever a canvas of no size would choose."""
    shown.image.locked_data_level = 0
    return shown


@pytest.mark.parametrize("name", ["mean", "max", "min"])
@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_a_slab_is_the_projection_of_its_sections(fine, name, count):
    fine.console.slab_projection = name
    fine.console.slab = count
    at = (12, 20, 33)
    first = at[0] - (count - 1) // 2
    values = fine.link.volume[first : first + count, at[1], at[2]]
    expected = getattr(np, name)(values)
    assert displayed(fine, at) == pytest.approx(expected, rel=1e-6)


def test_slabs_end_with_the_volume_and_stay_as_thick_everywhere(fine):
    fine.console.slab = 5
    fine.console.slab_projection = "max"
    last = fine.link.volume.shape[0] - 1
    for section in (0, 1, 7, 8, last):
        values = fine.link.volume[max(section - 2, 0) : section + 3, 20, 33]
        assert displayed(fine, (section, 20, 33)) == pytest.approx(values.max(), rel=1e-6)


def test_a_slab_lies_along_whatever_axis_is_cut(fine):
    fine.console.slab, fine.console.slab_projection = 3, "max"
    fine.viewer.dims.order = (1, 0, 2)
    fine.viewer.dims.set_point(1, 20)
    # Without a canvas nobody tells the layer what is in view.
    fine.image.locked_data_level = None
    fine.image.locked_data_level = 0
    world = fine.image.data_to_world((9, 20, 33))
    values = fine.link.volume[9, 19:22, 33]
    assert fine.image.get_value(world, world=True)[1] == pytest.approx(values.max(), rel=1e-6)


def test_without_a_slab_everything_is_as_before(shown):
    shown.console.slab = 4
    assert str(shown.image.projection_mode) == "mean"
    shown.viewer.dims.ndisplay = 3
    assert str(shown.image.projection_mode) == "none"
    shown.viewer.dims.ndisplay = 2
    assert str(shown.image.projection_mode) == "mean"
    shown.console.slab = 1
    assert str(shown.image.projection_mode) == "none"
    assert set(shown.viewer.dims.thickness) == {0.0}


def test_one_section_more_changes_the_picture(on_screen, settle):
    def picture():
        settle()
        return on_screen.viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)

    on_screen.viewer.dims.set_point(0, 10 * on_screen.image.scale[0])
    single = picture()
    on_screen.console.slab, on_screen.console.slab_projection = 4, "max"
    thick = picture()
    assert thick.mean() > 1.3 * single.mean()
    on_screen.console.slab_projection = "min"
    assert picture().mean() < 0.7 * single.mean()
    on_screen.console.slab = 1
    assert np.array_equal(picture(), single)
