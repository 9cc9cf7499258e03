"""Files of other formats that are dropped on napari."""

import numpy as np
import pytest
import torch
from napari.utils.notifications import notification_manager

from napari_gpt2_tomo.viewer.reader import get_reader


@pytest.fixture
def said():
    heard = []

    def hear(notification):
        heard.append(notification.message)

    notification_manager.notification_ready.connect(hear)
    yield heard
    notification_manager.notification_ready.disconnect(hear)


def tensors():
    rng = np.random.default_rng(0)
    shapes = {
        "attn.c_attn.weight": (8, 24),
        "attn.c_proj.weight": (8, 8),
        "mlp.c_fc.weight": (8, 32),
    }
    found = {f"h.0.{name}": rng.random(shape, np.float32) for name, shape in shapes.items()}
    return found | {"wte.weight": rng.random((20, 8), np.float32)}


def test_a_training_checkpoint_opens_and_what_was_chosen_is_said(viewer, tmp_path, said):
    state = {name: torch.from_numpy(array) for name, array in tensors().items()}
    state["lm_head.weight"] = state["wte.weight"]
    path = tmp_path / "mine" / "ckpt.pt"
    path.parent.mkdir()
    torch.save({"model": state, "optimizer": {"state": {0: torch.ones(2)}}, "step": 3}, path)
    (layer, atlas) = viewer.open(str(path), plugin="napari-gpt2-tomo")
    assert layer.name == "mine"
    assert atlas.name == "mine · atlas"
    text = "\n".join(said)
    assert "under model; not shown: optimizer (1 tensor)" in text
    assert "lm_head.weight is wte.weight" in text


def test_arrays_open_as_a_checkpoint(viewer, tmp_path):
    path = tmp_path / "small.npz"
    np.savez(path, **tensors())
    (layer, _) = viewer.open(str(path), plugin="napari-gpt2-tomo")
    assert layer.name == "small"


def test_a_pickle_that_wants_more_gives_a_notification_and_no_layer(viewer, tmp_path, said):
    class Odd:
        def __reduce__(self):
            return print, ("ran",)

    path = tmp_path / "odd.pt"
    torch.save({"w": torch.ones(2), "odd": Odd()}, path)
    assert viewer.open(str(path), plugin="napari-gpt2-tomo") == []
    assert any("builtins.print" in text or "__builtin__.print" in text for text in said)


def test_pictures_of_numpy_are_left_to_napari(tmp_path):
    np.save(tmp_path / "picture.npy", np.zeros((4, 5)))
    assert get_reader(str(tmp_path / "picture.npy")) is None
    assert get_reader(str(tmp_path)) is None
