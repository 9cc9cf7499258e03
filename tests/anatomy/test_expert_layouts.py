"""The experts layout of models that transformers made, from their files and from memory."""

import numpy as np
import pytest

from napari_gpt2_tomo.volume.layouts.experts import ExpertsLayout, experts_layout

NAMES = ("mixtral", "qwen2_moe", "qwen3_moe", "gpt_oss", "deepseek")


def picture(model, source: str) -> tuple[ExpertsLayout, np.ndarray]:
    tensors = model.tensors(source)
    shapes = {name: values.shape for name, values in tensors.items()}
    layout = experts_layout(model.anatomy(source), shapes)
    out = np.zeros(layout.shape, np.float32)
    for piece in layout.pieces(tuple((0, n) for n in layout.shape)):
        flat = np.ascontiguousarray(tensors[piece.tensor]).ravel()[piece.region.offset :]
        strides = [4 * step for step in piece.region.strides]
        values = np.lib.stride_tricks.as_strided(flat, piece.region.shape, strides)
        out[piece.target].reshape(piece.split)[...] = values
    return layout, out


@pytest.mark.parametrize("name", NAMES)
def test_files_and_models_in_memory_give_the_same_picture(made, name):
    model = made(name)
    (one, saved), (two, memory) = picture(model, "saved"), picture(model, "memory")
    assert one.sections == two.sections
    np.testing.assert_array_equal(saved, memory)


@pytest.mark.parametrize("name", NAMES)
def test_tiles_are_the_matrices_that_the_model_multiplies_with(made, name):
    model = made(name)
    layout, shown = picture(model, "memory")
    key = next(key for key in model.memory if key.endswith("1.mlp.experts.gate_up_proj"))
    both, down = model.memory[key][3], model.memory[key.replace("gate_up", "down")][3]
    if name == "gpt_oss":
        expected = {"gate": both[:, ::2], "up": both[:, 1::2], "down": down.T}
    else:
        half = len(both) // 2
        expected = {"gate": both[:half].T, "up": both[half:].T, "down": down}
    for role, values in expected.items():
        part = layout.anatomy.part(role, 1, 3)
        shape = model.memory[part.tensor].shape
        first = [int(i) for i in np.unravel_index(part.view.flat((0, 0)), shape)]
        section, row, column = layout.voxel(part.tensor, first)
        rows, columns = values.shape
        found = shown[section, row : row + rows, column : column + columns]
        np.testing.assert_array_equal(found, values)
