"""A parameter is found again in another layout."""

import itertools

import pytest

from napari_gpt2_tomo.anatomy import recognise
from napari_gpt2_tomo.volume.circuits import circuit_volume
from napari_gpt2_tomo.volume.counterpart import counterpart
from napari_gpt2_tomo.volume.statistics.summary import estimate_statistics
from napari_gpt2_tomo.volume.volume import Volume, make_layout
from volume.architectures import Sizes, llama
from volume.fakes import checkpoint_of

GROUPED = llama(Sizes(24, 2, 4, 2, 6, 40, 30, 8, 1, 1, False))
Q, K = (f"model.layers.1.self_attn.{name}_proj.weight" for name in "qk")


@pytest.fixture
def volumes(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_GPT2_TOMO_CACHE", str(tmp_path))
    checkpoint = checkpoint_of(GROUPED.shapes, GROUPED.config)
    anatomy = recognise(GROUPED.shapes, GROUPED.config)
    statistics = estimate_statistics(checkpoint, anatomy)

    def make(layout: str, tensor: str | None = None, role: str = "q") -> Volume:
        found = make_layout(layout, anatomy, checkpoint.shapes, tensor=tensor, role=role)
        return Volume(checkpoint, anatomy, found, "signed", None, statistics)

    return {
        "body": make("body"),
        "cube": make("cube"),
        "q": make("heads"),
        "k": make("heads", role="k"),
        "tensor": make("tensor", tensor=Q),
        "qk": circuit_volume(checkpoint, anatomy, "qk", "signed", None),
        "ov": circuit_volume(checkpoint, anatomy, "ov", "signed", None),
    }


def test_the_same_parameter_wherever_it_is_shown(volumes):
    index = (17, 5)
    shown = [volumes[name] for name in ("body", "cube", "q", "tensor")]
    for old, new in itertools.permutations(shown, 2):
        assert counterpart(old.voxel(Q, index), old, new) == new.voxel(Q, index)


def test_what_is_not_shown_leads_to_its_layer_head_and_channel(volumes):
    body, keys = volumes["body"], volumes["k"]
    address = body.address(body.voxel(Q, (17, 5)))
    assert (address.layer, address.head, address.dim, address.channel) == (1, 2, 5, 5)
    # Two key heads serve four query heads: the last stands for those beyond it.
    assert counterpart(body.voxel(Q, (17, 5)), body, keys) == (1, 1, 5, 5)
    assert counterpart(body.voxel(Q, (17, 5)), body, volumes["qk"]) == (1, 2, 5, 5)


def test_a_circuit_leads_to_the_first_of_its_two_rows(volumes):
    body = volumes["body"]
    found = body.address(counterpart((1, 3, 7, 2), volumes["qk"], body))
    assert (found.part, found.head, found.dim, found.channel) == ("L1.q", 3, 0, 7)
    found = body.address(counterpart((1, 3, 7, 2), volumes["ov"], body))
    assert (found.part, found.head, found.dim, found.channel) == ("L1.v", 1, 0, 7)


def test_air_stays_as_far_along(volumes):
    body, cube = volumes["body"], volumes["cube"]
    air = (0, 23, 26)
    assert body.address(air) is None
    at = counterpart(air, body, cube)
    assert all(0 <= v < n for v, n in zip(at, cube.shape, strict=True))
    assert at == tuple(v * n // m for v, m, n in zip(air, body.shape, cube.shape, strict=True))
    assert counterpart(air, body, volumes["tensor"]) == tuple(
        n // 2 for n in volumes["tensor"].shape
    )
