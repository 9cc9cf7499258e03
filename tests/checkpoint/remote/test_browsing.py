"""What looking at a remote model costs, as the server counts it."""

import tracemalloc

import numpy as np
import pytest

from napari_gpt2_tomo.base import TomoError
from napari_gpt2_tomo.facade import Scan
from napari_gpt2_tomo.volume.layouts.body import BodyLayout
from napari_gpt2_tomo.volume.overview.quick import REMOTE_BUDGET

from .models import gpt2, llama, neox, serve
from .server import RangeServer

ITEM = 2
"""Bytes of a stored number."""


def section_of(volume, role: str, layer: int) -> tuple[int, int]:
    """The first section of a part, and the stored bytes of the part that it shows."""
    assert isinstance(volume.layout, BodyLayout)
    part = volume.anatomy.part(role, layer)
    number = volume.anatomy.parts.index(part)
    section = next(i for i, s in enumerate(volume.layout.sections) if number in s.parts)
    side = volume.layout.core[1].stop
    return section, ITEM * side * min(side, part.shape[-1])


def first_picture(server: RangeServer, url: str, role: str, layer: int, **sizes: int):
    """Open a model and read one section: bytes sent, requests, and the part's bytes."""
    server.forget()
    with Scan(url, **sizes) as scan:
        volume = scan.volume()
        section, nbytes = section_of(volume, role, layer)
        picture = volume[section]
        assert np.count_nonzero(picture) >= nbytes // ITEM
        return server.sent, len(server.asked), nbytes


@pytest.mark.parametrize("role", ["q", "v", "o", "gate", "down"])
def test_the_first_picture_of_a_matrix_reads_at_most_twice_its_bytes(
    server: RangeServer, role: str
) -> None:
    url, header = serve(server, "/model.safetensors", llama(1024, 8, 2816))
    sent, _, nbytes = first_picture(server, url, role, 3)
    matrix = nbytes * (2816 / 1024 if role == "down" else 1)
    assert sent <= 2 * matrix + header


@pytest.mark.parametrize("d", [768, 1600])
@pytest.mark.parametrize("role", ["q", "k", "v", "up"])
def test_the_first_picture_of_a_fused_matrix_takes_few_requests(
    server: RangeServer, role: str, d: int
) -> None:
    url, header = serve(server, "/model.safetensors", gpt2(d, 6))
    sent, asked, nbytes = first_picture(server, url, role, 3)
    assert sent <= 4 * nbytes + header + 2**16
    assert asked <= 16


@pytest.mark.parametrize(("d", "heads"), [(512, 8), (2048, 16), (1024, 64)])
def test_a_matrix_that_is_fused_by_heads_takes_few_requests(
    server: RangeServer, d: int, heads: int
) -> None:
    url, header = serve(server, "/model.safetensors", neox(d, 6))
    sent, asked, nbytes = first_picture(server, url, "k", 3, n_heads=heads)
    assert sent <= 4 * nbytes + header + 2**16
    assert asked <= 16


def test_the_picture_shows_the_file(server: RangeServer) -> None:
    url, header = serve(server, "/model.safetensors", gpt2(256, 2, 500))
    data = server.files["/model.safetensors"]
    stored = np.frombuffer(data.read(header, data.size), "<f2")
    with Scan(url) as scan:
        assert np.array_equal(scan.checkpoint["wte.weight"][...].reshape(-1), stored[: 500 * 256])
        volume = scan.volume(signal="signed")
        voxel = volume.voxel("h.1.mlp.c_fc.weight", (7, 300))
        assert volume[voxel] == scan.checkpoint["h.1.mlp.c_fc.weight"][7, 300]


def test_a_second_look_costs_nothing(server: RangeServer) -> None:
    url, _ = serve(server, "/model.safetensors", llama(512, 4, 1024))
    with Scan(url) as scan:
        volume = scan.volume()
        section, _ = section_of(volume, "q", 2)
        box = ((section, section + 1), *((0, n) for n in volume.shape[1:]))
        cost = volume.missing_bytes(box)
        server.forget()
        volume[section]
        assert server.sent == cost > 0
        assert volume.missing_bytes(box) == 0
        server.forget()
        volume[section]
        assert not server.asked


def test_a_slice_through_all_sections_waits_only_a_few_times(server: RangeServer) -> None:
    url, _ = serve(server, "/model.safetensors", gpt2(256, 8, 1000))
    with Scan(url) as scan:
        volume = scan.volume()
        server.forget()
        server.delay = 0.01
        volume[:, 100]
        assert server.most_at_once >= 4


def test_what_reads_everything_never_begins_by_itself(server: RangeServer) -> None:
    url, _ = serve(server, "/model.safetensors", gpt2(256, 4, 1000))
    with Scan(url) as scan:
        volume = scan.volume()
        server.forget()
        with pytest.raises(TomoError, match="refine"):
            volume.level(len(volume.factors) - 1)[...]
        with pytest.raises(TomoError, match="exact=False"):
            scan.volume(signal="sigma")
        assert not server.asked
        assert volume.overview.cost == sum(t.nbytes for t in scan.checkpoint.values())
        scan.volume(signal="sigma", exact=False)
        assert server.sent < 2**20
        volume.refine()
        assert volume.overview.cost == 0
        assert volume.level(len(volume.factors) - 1)[...].any()
        scan.volume(signal="sigma")


@pytest.mark.parametrize("layout", ["body", "cube"])
def test_a_quick_look_is_small_and_waits_only_a_few_times(server: RangeServer, layout: str) -> None:
    url, _ = serve(server, "/model.safetensors", gpt2(768, 12))
    with Scan(url) as scan:
        volume = scan.volume(layout)
        server.forget()
        volume.overview.quick_look()
        assert 0 < server.sent <= 2 * REMOTE_BUDGET
        assert volume.overview.state == "quick"
        assert np.asarray(volume.displayed()[-1]).any()


def test_a_large_model_is_browsed_in_little_memory(server: RangeServer) -> None:
    """70 billion parameters; a section and a quick look."""
    url, header = serve(server, "/model.safetensors", llama(8192, 80, 28672))
    assert server.files["/model.safetensors"].size > 135e9
    tracemalloc.start()
    try:
        with Scan(url) as scan:
            volume = scan.volume()
            section, _ = section_of(volume, "q", 40)
            picture = volume[section, :256, :256]
            assert picture.all()
            assert server.sent <= header + 2**23
            volume.overview.quick_look()
            assert server.sent <= header + 2**23 + 2 * REMOTE_BUDGET
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 300e6


def test_without_a_cache_nothing_is_read_twice(server: RangeServer, monkeypatch) -> None:
    monkeypatch.setenv("NAPARI_GPT2_TOMO_REMOTE_GB", "0")
    url, header = serve(server, "/model.safetensors", llama(1024, 4, 2816))
    sent, _, nbytes = first_picture(server, url, "q", 2)
    assert sent <= 1.1 * nbytes + 2 * header + 2**16
