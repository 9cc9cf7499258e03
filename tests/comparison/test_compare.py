"""Comparisons of models that are stored alike and differently, against plain numpy."""

import csv
import io
import json
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import napari_gpt2_tomo as tomo
from comparison.models import LAYERS, D, gpt2, neox, parts
from napari_gpt2_tomo.base import Cancelled, LayoutError, SilentProgress, TomoError
from napari_gpt2_tomo.comparison import Comparison, compare
from napari_gpt2_tomo.comparison import difference as difference_module
from real_data import real_data

WRITERS = {"gpt2": gpt2, "neox": neox}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The same two models, each in every family."""
    root = tmp_path_factory.mktemp("models")
    values = {"first": parts(1), "second": parts(2)}
    return {
        (name, family): write(root / f"{name}-{family}", values[name])
        for name in values
        for family, write in WRITERS.items()
    }


@pytest.fixture(scope="module", params=[("gpt2", "gpt2"), ("gpt2", "neox"), ("neox", "gpt2")])
def compared(request, folders):
    """A comparison of two models in two families, and what it should be of each part."""
    one, two = request.param
    with compare(folders["first", one], folders["second", two]) as comparison:
        a, b = parts(1), parts(2)
        yield comparison, {name: b[name] - a[name] for name in a}


def test_every_part_is_b_minus_a_whatever_the_files_look_like(compared):
    comparison, truth = compared
    for part in comparison.anatomy.parts:
        expected = truth[part.name]
        if part.name == "position_embedding" and comparison.matching.only_a:
            expected = np.zeros_like(expected)
        assert_array_equal(comparison.values(part), expected, part.name)


@pytest.mark.parametrize("layout", ["body", "cube", "heads"])
def test_volumes_show_the_difference_at_the_place_of_a(compared, layout):
    comparison, _ = compared
    volume = comparison.volume(layout)
    plain = comparison.a.volume(layout, "signed")
    assert volume.shape == plain.shape
    whole = volume[:]
    for part in volume.anatomy.parts:
        at = (1,) * len(part.shape)
        flat = part.view.flat(at)
        index = np.unravel_index(flat, comparison.shapes[part.tensor])
        if layout == "heads" and part.role != "q":
            continue
        voxel = volume.voxel(part.tensor, [int(i) for i in index])
        assert voxel == plain.voxel(part.tensor, [int(i) for i in index])
        assert whole[voxel] == comparison.values(part)[at]


def test_tensors_take_any_basic_index(compared):
    comparison, _ = compared
    for name, tensor in comparison.checkpoint.items():
        whole = np.asarray(tensor)
        assert whole.shape == tensor.shape
        index = (slice(1, None, 3),) * tensor.ndim
        assert_array_equal(tensor[index], whole[index], name)
        assert_array_equal(tensor[..., ::-1], whole[..., ::-1], name)
        assert_array_equal(tensor[..., -1], whole[..., -1], name)


def test_a_run_across_parts_and_rows_is_looked_up(compared, monkeypatch):
    from napari_gpt2_tomo.checkpoint.region import Region

    comparison, _ = compared
    monkeypatch.setattr(difference_module, "CHUNK", 50)
    for name, tensor in comparison.checkpoint.items():
        whole = np.asarray(tensor).ravel()
        start, stop = whole.size // 7, whole.size - whole.size // 5
        assert_array_equal(
            tensor.read(Region(start, (stop - start,), (1,))), whole[start:stop], name
        )


def test_overview_levels_and_statistics_are_those_of_the_difference(compared):
    comparison, truth = compared
    volume = comparison.volume("body", "magnitude", "rms")
    volume.refine()
    known = [v for name, v in truth.items() if name in comparison.anatomy.by_name]
    assert volume.statistics.estimate is False
    total = np.sqrt(sum(float((v.astype(float) ** 2).sum()) for v in known))
    scale = np.sqrt(
        sum(
            float(s * s * n + m * m * n)
            for s, m, n in zip(
                volume.statistics.sigma, volume.statistics.mean, volume.statistics.n, strict=True
            )
        )
    )
    if not comparison.matching.only_a:
        assert scale == pytest.approx(total, rel=1e-6)


def test_addresses_tell_both_values(compared):
    comparison, truth = compared
    part = comparison.anatomy.part("k", 1)
    index = np.unravel_index(part.view.flat((3, 7)), comparison.shapes[part.tensor])
    volume = comparison.volume()
    address = volume.address(volume.voxel(part.tensor, [int(i) for i in index]))
    assert (address.a, address.b) == (parts(1)["L1.k"][3, 7], parts(2)["L1.k"][3, 7])
    assert address.value == truth["L1.k"][3, 7]
    assert (address.part, address.channel, address.head) == ("L1.k", 3, 1)
    line, sides = str(address).split(" · ", 1)
    assert line.startswith(part.tensor)
    assert sides.startswith(f"a {address.a:.6g}".replace("-", "−"))
    assert "L1 K · head 1 dim 3 · channel 3" in sides


def test_relative_differences_are_in_units_of_sigma_of_a(folders):
    with compare(folders["first", "gpt2"], folders["second", "neox"], "relative") as comparison:
        a, b = parts(1), parts(2)
        for part in comparison.anatomy.parts:
            if part.name == "position_embedding":
                continue
            expected = (b[part.name] - a[part.name]) / a[part.name].astype(float).std()
            assert_allclose(comparison.values(part), expected, rtol=2e-6, err_msg=part.name)


def test_signs_that_flip_are_one(folders):
    with compare(folders["first", "neox"], folders["second", "gpt2"], "sign") as comparison:
        a, b = parts(1), parts(2)
        for part in comparison.anatomy.parts:
            expected = np.sign(a[part.name]) * np.sign(b[part.name]) < 0
            assert_array_equal(comparison.values(part), expected, part.name)
        assert comparison.volume().reduction == "mean"


def test_every_kind_has_an_identity_of_its_own(folders):
    a, b = (tomo.scan(folders[name, "gpt2"]) for name in ("first", "second"))
    seen = {
        compare(*pair, kind).checkpoint.fingerprint
        for pair in ((a, b), (b, a))
        for kind in ("absolute", "relative", "sign")
    }
    assert len(seen | {a.checkpoint.fingerprint, b.checkpoint.fingerprint}) == 8
    assert compare(a, b).checkpoint.fingerprint == compare(a, b).checkpoint.fingerprint


def test_a_difference_can_be_sent_to_another_process(folders):
    with compare(folders["first", "gpt2"], folders["second", "neox"]) as comparison:
        sent = pickle.dumps(comparison.checkpoint)
        assert len(sent) < 50_000
        arrived = pickle.loads(sent)
        assert arrived.fingerprint == comparison.checkpoint.fingerprint
        name = "h.0.attn.c_attn.weight"
        assert_array_equal(arrived[name][...], comparison.checkpoint[name][...])
        arrived.a.close(), arrived.b.close()


def test_the_table_says_what_numpy_says(compared):
    comparison, truth = compared
    table = comparison.table()
    a, b = parts(1), parts(2)
    assert len(table) == len(comparison.matching.pairs)
    for row in table:
        mine, theirs, change = a[row.part].astype(float), b[row.part].astype(float), truth[row.part]
        change = theirs - mine
        norm = np.linalg.norm
        assert row.relative == pytest.approx(norm(change) / norm(mine), rel=1e-12)
        assert row.rmse == pytest.approx(np.sqrt((change**2).mean()), rel=1e-12)
        assert row.snr == pytest.approx(20 * np.log10(norm(mine) / norm(change)), rel=1e-9)
        assert row.cosine == pytest.approx(
            (mine * theirs).sum() / norm(mine) / norm(theirs), rel=1e-9
        )
        assert row.largest == np.abs(change).max() == abs(change[row.place])
        assert row.flips == np.mean(np.sign(mine) * np.sign(theirs) < 0)
    assert table.total.dd == pytest.approx(
        sum(((b[r.part].astype(float) - a[r.part]) ** 2).sum() for r in table), rel=1e-12
    )
    assert [row.relative for row in table.by()] == sorted((r.relative for r in table), reverse=True)


def test_the_table_is_kept(folders, monkeypatch):
    with compare(folders["second", "gpt2"], folders["first", "gpt2"]) as comparison:
        assert comparison.stored_table() is None
        first = comparison.table(ranks=True)
    monkeypatch.setattr("napari_gpt2_tomo.comparison.measure.pair_moments", None)
    with compare(folders["second", "gpt2"], folders["first", "gpt2"]) as again:
        stored = again.stored_table()
    assert list(stored) == list(first)
    assert {name: s.rank for name, s in stored.spectra.items()} == {
        name: s.rank for name, s in first.spectra.items()
    }


def test_measuring_can_be_stopped(folders):
    progress = SilentProgress()
    progress.cancel()
    with compare(folders["first", "neox"], folders["second", "neox"]) as comparison:
        with pytest.raises(Cancelled):
            comparison.table(progress=progress)
        assert comparison.stored_table() is None


def test_csv_holds_every_digit(compared):
    comparison, _ = compared
    table = comparison.table()
    rows = list(csv.DictReader(io.StringIO(table.csv())))
    assert [float(row["relative"]) for row in rows] == [row.relative for row in table]
    assert rows[0]["shape"] == " × ".join(map(str, table[0].shape))


def test_what_does_not_match_is_said(folders):
    with compare(folders["first", "gpt2"], folders["second", "neox"]) as comparison:
        assert not comparison.matching.complete
        assert "only in first-gpt2: position embedding · 12 × 9" in comparison.statement
        assert "family: gpt2 in first-gpt2, gpt_neox in second-neox" in comparison.statement


def test_models_of_other_sizes_are_told_apart_by_their_sizes(tiny_phantom, folders):
    with pytest.raises(TomoError) as error:
        compare(tiny_phantom, folders["first", "gpt2"])
    message = str(error.value)
    assert "no part in common" in message
    for size in ("d_model: ", f"{D} in first-gpt2", "n_layers: 12 in", f"{LAYERS} in first-gpt2"):
        assert size in message
    assert "other shape: token embedding" in message


def test_an_unknown_kind_is_refused_before_files_are_opened():
    with pytest.raises(TomoError, match="absolute, relative, sign"):
        compare("nowhere", "nowhere", "squared")


def test_scans_that_were_handed_in_stay_open(folders):
    a = tomo.scan(folders["first", "gpt2"])
    with compare(a, folders["second", "gpt2"]) as comparison:
        theirs = comparison.b
    assert a.part("q", 0).shape == (D, D)
    with pytest.raises(TomoError):
        theirs.part("q", 0)
    a.close()


def test_a_difference_has_no_circuits(compared):
    comparison, _ = compared
    assert "circuits" not in comparison.layouts
    assert "heads" in comparison.layouts
    with pytest.raises(LayoutError, match="circuits"):
        comparison.volume("circuits", role="qk")


def test_what_has_no_sign_is_not_told_to_have_the_same(tmp_path):
    a, b = parts(1), parts(1)
    a["final_norm"][:4] = 1, 1, 0, -1
    b["final_norm"][:4] = 2, np.nan, 3, 4
    with compare(gpt2(tmp_path / "a", a), gpt2(tmp_path / "b", b), "sign") as comparison:
        volume = comparison.volume("cube")
        told = [volume.address(volume.voxel("ln_f.weight", (i,))).sides for i in range(4)]
    assert [line.split(" · ")[-1] for line in told] == [
        "same sign", "no sign", "no sign", "sign flips",
    ]  # fmt: skip


def test_a_difference_has_a_sign_and_a_flip_has_none(folders):
    sides = folders["first", "gpt2"], folders["second", "gpt2"]
    for kind, signal in (("absolute", "signed"), ("relative", "signed"), ("sign", "magnitude")):
        with compare(*sides, kind) as comparison:
            assert comparison.volume().signal == signal


def test_training_steps_of_a_real_model():
    folder = real_data("char-gpt2-series")
    with compare(folder / "step02600", folder / "step06000") as comparison:
        assert comparison.matching.complete
        assert comparison.name == "step02600 → step06000"
        table = comparison.table()
        assert isinstance(comparison, Comparison)
        assert all(0 < row.relative < 1 for row in table if row.part.endswith((".q", ".up")))


def test_coarse_voxels_of_signs_are_shares_of_flips():
    folder = real_data("char-gpt2-series")
    with compare(folder / "step00000", folder / "step06000", "sign") as comparison:
        volume = comparison.volume()
        coarse, fine = volume.level(1)[:], volume[:]
    factors = volume.factors[1]
    blocks = fine[: factors[0], : factors[1], : factors[2]]
    assert coarse[0, 0, 0] == pytest.approx(blocks.mean(), rel=1e-6)
    assert 0 < coarse.max() <= 1


def test_no_pass_asks_for_more_of_a_difference_than_a_band(folders, monkeypatch):
    from napari_gpt2_tomo.volume.kernels import matrices
    from napari_gpt2_tomo.volume.statistics import exact
    from napari_gpt2_tomo.volume.statistics.exact import exact_statistics

    asked = []
    with compare(folders["first", "gpt2"], folders["second", "gpt2"], "relative") as comparison:
        truth = exact_statistics(comparison.checkpoint, comparison.anatomy)
        monkeypatch.setattr(matrices, "BAND", 100)
        monkeypatch.setattr(exact, "_LONGEST_ROW", 100)
        plain = difference_module.DifferenceTensor.read

        def read(self, region):
            asked.append(region.size)
            return plain(self, region)

        monkeypatch.setattr(difference_module.DifferenceTensor, "raw", read)
        found = exact_statistics(comparison.checkpoint, comparison.anatomy)
    assert 0 < max(asked) <= 100
    assert_allclose(found.mean, truth.mean, rtol=1e-12, atol=1e-15)
    assert_array_equal(found.high, truth.high)


def test_quantisation_errors_are_those_that_a_gguf_file_was_made_with():
    truth = json.loads(real_data("gguf/char-gpt2-q4_0.gguf.truth.json").read_text())
    before = real_data("char-gpt2-series") / "step06000"
    with compare(before, real_data("gguf/char-gpt2-q4_0.gguf")) as comparison:
        assert comparison.matching.complete
        table = comparison.table()
    moments = {row.part: found for row, found in zip(table, table.moments, strict=True)}
    fused = {"attn_qkv": "qkv", "attn_output": "o", "ffn_up": ["up"], "ffn_down": ["down"]}
    for layer in range(4):
        for stored, roles in fused.items():
            known = truth[f"blk.{layer}.{stored}.weight"]
            parts_ = [moments[f"L{layer}.{role}"] for role in roles]
            error = np.sqrt(sum(p.dd for p in parts_) / sum(p.aa for p in parts_))
            assert error == pytest.approx(known["rel_rms_err"], rel=1e-5)
            assert max(p.largest for p in parts_) == pytest.approx(known["max_abs_err"], rel=1e-5)


def test_quantisation_errors_are_those_that_a_gptq_checkpoint_was_made_with():
    folder = real_data("gptq/char-gpt2-gptq-4bit")
    truth = json.loads((folder / "truth.json").read_text())
    before = real_data("char-gpt2-series") / "step06000"
    with compare(before, folder) as comparison:
        assert comparison.matching.complete
        table = comparison.table()
    moments = {row.part: found for row, found in zip(table, table.moments, strict=True)}
    fused = {"attn.c_attn": "qkv", "attn.c_proj": "o", "mlp.c_fc": ["up"], "mlp.c_proj": ["down"]}
    for layer in range(4):
        for module, roles in fused.items():
            parts_ = [moments[f"L{layer}.{role}"] for role in roles]
            error = np.sqrt(sum(p.dd for p in parts_) / sum(p.aa for p in parts_))
            known = truth[f"transformer.h.{layer}.{module}"]["rel_rms_err"]
            assert error == pytest.approx(known, rel=1e-5)


def test_a_difference_is_shown_signed_where_nothing_is_said(compared):
    comparison, _ = compared
    assert comparison.volume().signal == comparison.usual_signal == "signed"
    assert comparison.a.volume().signal == comparison.a.usual_signal == "magnitude"
