"""Pictures of sections: experts side by side, and a section as a signal."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

import napari_gpt2_tomo as tomo
from napari_gpt2_tomo.viewer.preferences import PLUGIN
from napari_gpt2_tomo.viewer.work import finish_all

from .picture import Pixels, settle, window
from .subject import Subject
from .weights import viewer_of

__all__ = ["experts", "spectrum"]

WIDTH, EXPERTS, NEURONS, LAYERS = 64, 64, 24, 4
"""Sizes of the random mixture."""


def experts(subject: Subject) -> Pixels:
    """The experts of a random mixture and the navigator; the model of the subject does not count:
    there is no small real one.
    """
    with tempfile.TemporaryDirectory() as folder:
        scan = tomo.scan(_mixture(Path(folder) / "mixture"))
        viewer = viewer_of(scan, layout="experts")
        _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Navigator")
        dock.tabs.setCurrentWidget(dock.experts)
        finish_all()
        dock.go("L2 E13 up")
        dock.experts.tint.click()
        finish_all()
        viewer.fit_to_view()
        pixels = window(viewer)
        viewer.close()
        scan.close()
    return pixels


def spectrum(subject: Subject) -> Pixels:
    """The position embedding smoothed, its spectrum beside it, and the dock."""
    viewer = viewer_of(subject.scan)
    tomo.go_to(viewer, "position_embedding")
    finish_all()
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Spectrum")
    for button in (dock.smooth, dock.add, dock.singular):
        button.click()
        finish_all()
    settle()
    viewer.reset_view()
    pixels = window(viewer)
    viewer.close()
    return pixels


def _mixture(folder: Path) -> Path:
    """A mixture with Qwen's names: every expert reads some channels more, and has its own scale."""
    folder.mkdir()
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> Any:
        return rng.normal(0, 0.02, shape).astype(np.float32)

    tensors = {"model.embed_tokens.weight": normal(200, WIDTH)}
    for layer in range(LAYERS):
        at = f"model.layers.{layer}"
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            tensors[f"{at}.self_attn.{name}.weight"] = normal(WIDTH, WIDTH)
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{at}.{name}.weight"] = np.ones(WIDTH, np.float32)
        tensors[f"{at}.mlp.gate.weight"] = 3 * normal(EXPERTS, WIDTH)
        tensors[f"{at}.mlp.shared_expert_gate.weight"] = 3 * normal(1, WIDTH)
        for expert in range(EXPERTS):
            own = np.random.default_rng((expert, layer // 2))
            gain = np.ones(WIDTH, np.float32)
            gain[own.choice(WIDTH, 6, replace=False)] = 3
            gain *= np.float32(own.uniform(0.6, 1.6))
            inner = f"{at}.mlp.experts.{expert}"
            for name in ("gate_proj", "up_proj"):
                tensors[f"{inner}.{name}.weight"] = normal(NEURONS, WIDTH) * gain
            tensors[f"{inner}.down_proj.weight"] = normal(WIDTH, NEURONS) * gain[:, None]
        for name in ("gate_proj", "up_proj"):
            tensors[f"{at}.mlp.shared_expert.{name}.weight"] = normal(2 * NEURONS, WIDTH)
        tensors[f"{at}.mlp.shared_expert.down_proj.weight"] = normal(WIDTH, 2 * NEURONS)
    tensors["model.norm.weight"] = np.ones(WIDTH, np.float32)
    save_file(tensors, folder / "model.safetensors")
    config = {"model_type": "qwen2_moe", "hidden_size": WIDTH, "num_attention_heads": 4}
    (folder / "config.json").write_text(json.dumps(config))
    return folder
