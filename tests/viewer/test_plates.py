"""The picture of four views that a machine without a screen gets."""

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

import napari_gpt2_tomo as tomo
from napari_gpt2_tomo.base import LayoutError, TomoError


@pytest.fixture
def save(make_napari_viewer):
    # Its factory is not called, but napari's application is replaced and cleaned up.
    from napari_gpt2_tomo.viewer.plates import save_views

    return save_views


def panels(path):
    with Image.open(path) as image:
        title = image.text["Title"]
        pixels = np.asarray(image)[44:]
    rows, columns = pixels.shape[0] // 2, pixels.shape[1] // 2
    corners = [(0, 0), (0, columns), (rows, 0), (rows, columns)]
    # Without the caption at the top of each.
    return title, [pixels[r + 40 : r + rows, c : c + columns] for r, c in corners]


def test_a_body_gives_three_planes_and_a_turned_volume(save, tiny_phantom, tmp_path):
    with tomo.scan(tiny_phantom) as scan:
        out = save(scan, tmp_path / "new" / "body.png")
    title, views = panels(out)
    assert title.startswith("phantom-gpt2-tiny · ")
    assert "magnitude from 0 to" in title
    for view in views:
        lit = (view.max(axis=2) > 30).mean()
        assert 0.1 < lit < 0.95
    sums = [view.astype(np.int64).sum() for view in views]
    assert len(set(sums)) == 4


def test_a_tensor_of_two_axes_gives_its_plane(save, tmp_path):
    save_file({"a": np.eye(8, dtype=np.float32)}, tmp_path / "eye.safetensors")
    with tomo.scan(tmp_path / "eye.safetensors") as scan:
        out = save(scan, tmp_path / "eye.png", "tensor", tensor="a")
    with Image.open(out) as image:
        pixels = np.asarray(image)[84:].max(axis=2)
    bright = (pixels > 200).mean()
    assert 0.02 < bright < 0.2


def test_what_does_not_exist_is_our_error(save, tiny_phantom, tmp_path):
    with tomo.scan(tiny_phantom) as scan:
        with pytest.raises(LayoutError, match="torso"):
            save(scan, tmp_path / "x.png", "torso")
        (tmp_path / "file").write_text("")
        with pytest.raises(TomoError, match="cannot be written"):
            save(scan, tmp_path / "file" / "x.png")
