"""Sparsity, tails and norms of parts, and the table of all statistics."""

import csv
import io

import numpy as np
import pytest
from safetensors.numpy import save_file

from napari_gpt2_tomo.base import Cancelled, SilentProgress
from napari_gpt2_tomo.facade import Scan
from napari_gpt2_tomo.volume.statistics import details as module
from napari_gpt2_tomo.volume.statistics.details import NEAR_SIGMAS, exact_details, stored_details
from napari_gpt2_tomo.volume.statistics.table import COLUMNS, PartTable

WIDTH = 48


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A GPT-2 with a sparse, a heavy-tailed, a constant, a zero and a damaged part."""
    rng = np.random.default_rng(5)

    def normal(*shape):
        return rng.normal(0, 0.1, shape).astype(np.float32)

    tensors = {"wte.weight": normal(30, WIDTH), "wpe.weight": normal(20, WIDTH)}
    tensors |= {
        "h.0.ln_1.weight": np.ones(WIDTH, np.float32),
        "h.0.ln_1.bias": np.zeros(WIDTH, np.float32),
        "h.0.attn.c_attn.weight": normal(WIDTH, 3 * WIDTH),
        "h.0.attn.c_attn.bias": normal(3 * WIDTH),
        "h.0.attn.c_proj.weight": rng.standard_t(3, (WIDTH, WIDTH)).astype(np.float32),
        "h.0.attn.c_proj.bias": normal(WIDTH),
        "h.0.ln_2.weight": np.ones(WIDTH, np.float32),
        "h.0.ln_2.bias": normal(WIDTH),
        "h.0.mlp.c_fc.weight": normal(WIDTH, 4 * WIDTH),
        "h.0.mlp.c_fc.bias": normal(4 * WIDTH),
        "h.0.mlp.c_proj.weight": normal(4 * WIDTH, WIDTH).astype(np.float16),
        "h.0.mlp.c_proj.bias": normal(WIDTH),
    }
    tensors["h.0.mlp.c_fc.weight"][rng.random((WIDTH, 4 * WIDTH)) < 0.3] = 0
    tensors["wpe.weight"][3, 4:7] = np.nan, np.inf, -np.inf
    path = tmp_path_factory.mktemp("details")
    save_file(tensors, path / "model.safetensors")
    return path


@pytest.fixture(scope="module")
def scan(folder):
    with Scan(folder) as opened:
        yield opened


@pytest.fixture(scope="module")
def table(scan):
    details = exact_details(scan.checkpoint, scan.anatomy)
    return PartTable(scan.anatomy, scan.statistics(), details, scan.checkpoint)


def test_the_numbers_are_those_of_numpy(scan, table):
    for part, row in zip(scan.anatomy.parts, table, strict=True):
        values = scan.values(part).astype(np.float64).ravel()
        values = values[np.isfinite(values)]
        off, spread = values - values.mean(), values.std()
        assert row.nonfinite == part.size - len(values)
        assert row.zeros == pytest.approx((values == 0).mean(), abs=1e-12)
        assert row.near == pytest.approx((np.abs(values) <= NEAR_SIGMAS * spread).mean(), abs=2e-4)
        assert row.l2 == pytest.approx(np.linalg.norm(values), rel=1e-12)
        assert row.l1 == pytest.approx(np.abs(values).sum(), rel=1e-12)
        if spread:
            assert row.kurtosis == pytest.approx((off**4).mean() / spread**4, rel=1e-6)
        else:
            assert row.kurtosis is None


def test_they_tell_parts_apart(table):
    rows = {row.part: row for row in table}
    assert rows["L0.up"].zeros == pytest.approx(0.3, abs=0.02)
    assert rows["L0.q"].kurtosis == pytest.approx(3, abs=0.5)
    assert rows["L0.o"].kurtosis > 6
    assert (rows["L0.attn_norm_bias"].zeros, rows["L0.attn_norm_bias"].near) == (1, 1)
    assert rows["position_embedding"].nonfinite == 3


def test_small_chunks_give_the_same(scan, table, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 1000)
    found = module._streamed(scan.checkpoint, scan.anatomy, scan.statistics(), None)
    again = PartTable(scan.anatomy, scan.statistics(), found)
    for one, other in zip(again, table, strict=True):
        assert (one.zeros, one.near) == (other.zeros, other.near)
        assert one.l2 == pytest.approx(other.l2, rel=1e-12)
        assert (one.kurtosis is None) == (other.kurtosis is None)
        assert one.kurtosis is None or one.kurtosis == pytest.approx(other.kurtosis, rel=1e-9)


def test_the_second_time_nothing_is_read(scan, table, monkeypatch):
    monkeypatch.setattr(module, "_streamed", None)
    again = exact_details(scan.checkpoint, scan.anatomy)
    np.testing.assert_array_equal(again.near, stored_details(scan.checkpoint, scan.anatomy).near)


def test_no_chunk_is_larger_than_stated(scan):
    for part in scan.anatomy.parts:
        regions = module._chunks(part)
        assert sum(region.size for region in regions) == part.size
        assert all(region.size <= module.CHUNK for region in regions)


def test_it_reports_and_can_be_stopped(scan):
    progress = SilentProgress()
    module._streamed(scan.checkpoint, scan.anatomy, scan.statistics(), progress)
    assert progress.done == progress.total == scan.anatomy.n_parameters
    progress = SilentProgress()
    progress.cancel()
    with pytest.raises(Cancelled):
        module._streamed(scan.checkpoint, scan.anatomy, scan.statistics(), progress)


def test_without_details_their_columns_are_empty(scan, table):
    plain = PartTable(scan.anatomy, scan.statistics())
    assert not plain.complete
    assert plain[0].kurtosis is None
    assert [row.mean for row in plain] == [row.mean for row in table]


def test_the_table_reads_back_from_csv(table):
    rows = list(csv.DictReader(io.StringIO(table.csv())))
    assert list(rows[0]) == list(COLUMNS)
    for text, row in zip(rows, table, strict=True):
        assert text["part"] == row.part
        assert float(text["sigma"]) == row.sigma
        assert text["kurtosis"] == ("" if row.kurtosis is None else repr(row.kurtosis))


def test_a_scan_gives_its_table(scan, table):
    assert list(scan.part_table()) == list(table)
    assert scan.part_table(details=False).complete
