"""How fine a volume is drawn in 3-D, and which part of it."""

import gc

import numpy as np
import pytest

from napari_gpt2_tomo.viewer import compat, session
from napari_gpt2_tomo.viewer.commands import best_detail, toggle_margins
from napari_gpt2_tomo.viewer.detail import choose_level
from napari_gpt2_tomo.viewer.link import link_of
from napari_gpt2_tomo.viewer.view import view

GPT2 = [(212, 800, 800), (212, 400, 400), (212, 200, 200), (106, 100, 100)]


@pytest.mark.parametrize(
    ("budget", "limit", "expected"),
    [
        (2**30, 2048, 0),
        (2**28, 2048, 1),
        (2**26, 2048, 2),
        (2**30, 512, 1),
        (2**30, 64, None),
        (1, 2048, None),
    ],
)
def test_the_finest_level_within_budget_and_limit(budget, limit, expected):
    assert choose_level(GPT2, (0, 1, 2), budget, limit) == expected


def test_only_the_displayed_axes_count():
    heads = [(48, 25, 128, 1600), (48, 25, 64, 800)]
    assert choose_level(heads, (1, 2, 3), 2**25, 2048) == 0
    assert choose_level(heads, (0, 2, 3), 2**25, 2048) == 1


@pytest.fixture
def budget(monkeypatch):
    """The 3-D budget in bytes, as a list of one."""
    found = [2**28]
    monkeypatch.setattr(session, "detail_budget", lambda: found[0])
    return found


@pytest.fixture
def shown(viewer, model, settle, budget):
    view(model, viewer)
    settle()
    return viewer


def test_3d_draws_the_finest_level_and_2d_is_left_to_napari(shown, settle):
    image = shown.layers[0]
    assert image.locked_data_level is None
    shown.dims.ndisplay = 3
    settle()
    assert image.locked_data_level == 0
    assert image.data[0].held is not None
    shown.dims.ndisplay = 2
    settle()
    assert image.locked_data_level is None
    assert all(level.held is None for level in image.data)


def test_a_smaller_budget_draws_a_coarser_level_and_a_larger_one_a_finer(shown, settle, budget):
    image = shown.layers[0]
    budget[0] = 4 * int(np.prod(image.data[1].shape))
    shown.dims.ndisplay = 3
    settle()
    assert image.locked_data_level == 1
    budget[0] = 2**28
    session.session_of(shown).update_details()
    settle()
    assert image.locked_data_level == 0


def test_the_limit_of_the_gpu_is_never_exceeded(shown, settle, monkeypatch):
    image = shown.layers[0]
    longest = max(image.data[0].shape[1:])
    monkeypatch.setattr(compat, "max_texture_3d", lambda: longest - 1)
    shown.dims.ndisplay = 3
    settle()
    best_detail(shown)
    settle()
    assert max(image.data[image.locked_data_level].shape) < longest


def test_best_detail_leaves_the_budget_aside(shown, settle, budget):
    image = shown.layers[0]
    budget[0] = 1
    shown.dims.ndisplay = 3
    settle()
    assert image.locked_data_level == len(image.data) - 1
    best_detail(shown)
    settle()
    assert image.locked_data_level == 0
    best_detail(shown)
    settle()
    assert image.locked_data_level == len(image.data) - 1


def test_a_level_that_somebody_locked_stays(shown, settle):
    image = shown.layers[0]
    shown.dims.ndisplay = 3
    settle()
    image.locked_data_level = 1
    session.session_of(shown).update_details()
    settle()
    assert image.locked_data_level == 1
    image.locked_data_level = None
    settle()
    assert image.locked_data_level == 0


def test_large_levels_are_read_beside_the_window(shown, settle, monkeypatch):
    import threading

    from napari_gpt2_tomo.viewer import detail

    monkeypatch.setattr(detail, "SMALL_BYTES", 0)
    threads = []
    image = shown.layers[0]
    read = type(image.data[0]).read

    def noting(level):
        threads.append(threading.current_thread())
        return read(level)

    monkeypatch.setattr(type(image.data[0]), "read", noting)
    shown.dims.ndisplay = 3
    settle()
    assert image.locked_data_level == 0
    assert threads
    assert threading.main_thread() not in threads


def lit(viewer) -> int:
    picture = viewer.screenshot(canvas_only=True, flash=False)
    return int((picture[..., :3].max(axis=2) > 40).sum())


def test_margins_are_hidden_in_3d_until_somebody_shows_them(window, model, settle, budget):
    shown = view(model, window)
    image, link = shown.layers[0], link_of(shown.layers[0])
    shown.canvas.overlays.text.visible = False
    assert not len(image.experimental_clipping_planes)
    shown.dims.ndisplay = 3
    settle()
    core = link.volume.core
    planes = {
        int(np.flatnonzero(plane.normal)[0]): plane for plane in image.experimental_clipping_planes
    }
    assert set(planes) == {1, 2}
    for axis, plane in planes.items():
        assert plane.position[axis] == core[axis].stop - 0.5
        assert plane.normal[axis] < 0
    hidden = lit(shown)
    toggle_margins(shown)
    assert not len(image.experimental_clipping_planes)
    assert lit(shown) > hidden
    toggle_margins(shown)
    assert len(image.experimental_clipping_planes) == 2
    shown.dims.ndisplay = 2
    assert not len(image.experimental_clipping_planes)


def test_clipping_follows_scale_and_translation(viewer, model, settle):
    view(model, viewer)
    image = viewer.layers[0]
    image.scale, image.translate = (3, 2, 2), (0, 10, 100)
    viewer.dims.ndisplay = 3
    settle()
    core = link_of(image).volume.core
    where = {
        int(np.flatnonzero(plane.normal)[0]): plane.position
        for plane in image.experimental_clipping_planes
    }
    assert where[1][1] == 10 + 2 * (core[1].stop - 0.5)
    assert where[2][2] == 100 + 2 * (core[2].stop - 0.5)


def test_planes_of_the_user_are_left_alone(shown, settle):
    image = shown.layers[0]
    mine = {"position": (5, 5, 5), "normal": (1, 0, 0), "enabled": True}
    image.experimental_clipping_planes = [mine]
    shown.dims.ndisplay = 3
    settle()
    shown.dims.ndisplay = 2
    assert len(image.experimental_clipping_planes) == 1


def test_the_atlas_is_as_fine_as_the_image_once_it_is_shown(shown, settle):
    image, atlas = shown.layers
    shown.dims.ndisplay = 3
    settle()
    assert all(level.held is None for level in atlas.data)
    atlas.visible = True
    settle()
    assert atlas.locked_data_level == image.locked_data_level == 0


def test_a_volume_is_seen_from_a_corner_at_first_only(shown):
    shown.dims.ndisplay = 3
    assert tuple(shown.scene.camera.angles) == session.CORNER
    shown.scene.camera.angles = (10, 20, 30)
    shown.dims.ndisplay = 2
    shown.dims.ndisplay = 3
    assert np.allclose(shown.scene.camera.angles, (10, 20, 30))


def test_removal_frees_what_3d_held(shown, settle):
    image = shown.layers[0]
    shown.dims.ndisplay = 3
    settle()
    levels = list(image.data)
    del image
    shown.layers.clear()
    settle()
    gc.collect()
    assert all(level.held is None for level in levels)
