"""What an exported page holds: exact up to the quantisation step, with the names of its parts."""

import json
import struct
from importlib import metadata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import save_file

import napari_gpt2_tomo as tomo
from export.pages import ReadPage, policy
from napari_gpt2_tomo.base import (
    Cancelled,
    DisplayError,
    LayoutError,
    SilentProgress,
    TomoError,
)
from napari_gpt2_tomo.display.presets import PRESETS
from napari_gpt2_tomo.display.transfer import TRANSFERS
from napari_gpt2_tomo.display.window import Window
from napari_gpt2_tomo.export.html import choose_resolution, export_html, niivue, resolutions
from napari_gpt2_tomo.export.html.coding import AIR, FIRST, NOT_FINITE, ZERO, Coding

HOSTILE = "</script><img src=x onerror=pwned=1>\"'&<!--"

finite = st.floats(-(2.0**100), 2.0**100, width=32)
anything = arrays(np.float32, st.integers(0, 60), elements=st.floats(width=32))
tailed = st.builds(
    lambda bulk, tail: np.concatenate([bulk, tail]),
    arrays(np.float32, 200, elements=st.floats(-1, 1, width=32)),
    arrays(np.float32, 3, elements=finite),
)


@given(anything | tailed, st.booleans())
def test_a_byte_leads_back_to_its_value_within_the_stated_error(voxels, signed):
    if not signed:
        voxels = np.abs(voxels)
    coding = Coding.of(voxels, signed=signed)
    codes = coding.encode(voxels, np.zeros(voxels.shape, bool))
    known = np.isfinite(voxels)
    away = np.abs(coding.decode(codes[known]) - voxels[known])
    assert (away <= coding.errors[codes[known]] * (1 + 1e-9)).all()
    assert (codes[~known] == NOT_FINITE).all()


@given(tailed, st.booleans())
def test_zero_and_air_have_bytes_of_their_own(voxels, signed):
    coding = Coding.of(voxels if signed else np.abs(voxels), signed=signed)
    zero = coding.encode(np.zeros(2, np.float32), np.array([False, True]))
    assert zero.tolist() == [ZERO if signed else FIRST, AIR]
    assert coding.values[zero[0]] == 0


def test_steps_are_equal_up_to_the_knee_and_few_beyond():
    voxels = np.append(np.linspace(0, 1, 10_000), 50).astype(np.float32)
    coding = Coding.of(voxels, signed=False)
    steps = np.diff(coding.values[np.isfinite(coding.values)])
    below = coding.values[FIRST : FIRST + len(steps)] < coding.knee * 0.999
    assert np.allclose(steps[below], coding.step)
    assert below.mean() > 0.75
    assert coding.step < 0.01
    assert coding.largest_step < 5


def test_the_default_is_the_finest_level_of_at_most_128_cubed(tmp_path):
    with tomo.scan(sparse_gpt2(tmp_path)) as scan:
        found = choose_resolution(scan.volume("body", exact=False))
    assert found.shape == (212, 96, 96)
    assert found.factors == (1, 8, 8)
    assert "about 3." in found.words


def sparse_gpt2(folder):
    """GPT-2 small's shapes in a file that takes no room: what was never written is 0."""
    d = 768
    shapes = {"wte.weight": (50257, d), "wpe.weight": (1024, d)}
    for i in range(12):
        shapes |= {
            f"h.{i}.ln_1.weight": (d,),
            f"h.{i}.attn.c_attn.weight": (d, 3 * d),
            f"h.{i}.attn.c_attn.bias": (3 * d,),
            f"h.{i}.attn.c_proj.weight": (d, d),
            f"h.{i}.mlp.c_fc.weight": (d, 4 * d),
            f"h.{i}.mlp.c_proj.weight": (4 * d, d),
        }
    entries, offset = {}, 0
    for name, shape in shapes.items():
        end = offset + 4 * int(np.prod(shape))
        entries[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, end]}
        offset = end
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)
    path = folder / "gpt2.safetensors"
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + offset)
    return path


@pytest.mark.parametrize("signal", ["magnitude", "signed", "sigma", "rank"])
@pytest.mark.parametrize("max_voxels", [128**3, 50_000])
def test_a_page_holds_a_level_as_it_is(make_page, small_scan, signal, max_voxels):
    page = ReadPage(make_page(signal=signal, max_voxels=max_voxels))
    volume = small_scan.volume("body", signal)
    resolution = choose_resolution(volume, max_voxels)
    level = volume.level(resolution.level)[resolution.index]
    labels = volume.atlas.level(resolution.level)[resolution.index]
    assert list(level.shape) == page.header["shape"]
    assert np.array_equal(page.labels, labels)
    assert ((page.codes == AIR) == (labels == 0)).all()
    inside = labels > 0
    assert (np.abs(page.values - level)[inside] <= page.errors[inside] * (1 + 1e-6) + 1e-12).all()


def test_finer_levels_have_more_voxels_and_are_never_resampled(small_scan):
    volume = small_scan.volume("body")
    found = resolutions(volume)
    assert [one.factors for one in found] == list(volume.factors)
    assert [one.voxels for one in found] == sorted((one.voxels for one in found), reverse=True)
    for one in found:
        assert choose_resolution(volume, one.voxels) == one


@pytest.mark.parametrize("wrong", [0, -1, 10**12, 5])
def test_an_impossible_number_of_voxels_says_what_is_possible(small_scan, wrong):
    with pytest.raises(DisplayError, match="voxels"):
        choose_resolution(small_scan.volume("body"), wrong)


def test_the_size_is_known_beforehand(make_page, small_scan):
    path = make_page()
    expected = choose_resolution(small_scan.volume("body")).bytes
    assert 0.75 < path.stat().st_size / expected < 1.25


def test_values_that_are_not_finite_are_told_apart(tmp_path):
    values = np.ones((40, 40), np.float32)
    values[3, 4], values[5, 6] = np.nan, -np.inf
    save_file({"a": values}, tmp_path / "a.safetensors")
    with tomo.scan(tmp_path / "a.safetensors") as scan:
        path = export_html(scan, tmp_path / "a.html", layout="tensor", tensor="a")
    page = ReadPage(path)
    assert np.argwhere(page.codes[0] == NOT_FINITE).tolist() == [[3, 4], [5, 6]]
    assert ("Not finite", "2 parameters are NaN or infinite") in map(tuple, page.header["card"])


@pytest.mark.parametrize(
    "options",
    [
        {"layout": "cube"},
        {"layout": "heads", "role": "k"},
        {"layout": "circuits", "role": "ov", "signal": "signed"},
        {"layout": "tensor", "tensor": "h.0.ln_1.bias"},
        {"layout": "tensor", "tensor": "h.0.attn.c_attn.weight"},
    ],
    ids=lambda options: options["layout"],
)
def test_every_layout_has_a_page(make_page, options):
    page = ReadPage(make_page(**options))
    assert len(page.header["shape"]) == len(page.header["axes"]) == 3
    assert page.codes.max() > FIRST
    shown = [at for at in page.tables["parts"]["at"] if at is not None]
    assert shown
    for at in shown:
        assert all(0 <= v < n for v, n in zip(at, page.header["shape"], strict=True))


def test_parts_that_lie_in_the_margins_are_listed_without_a_place(make_page):
    parts = ReadPage(make_page()).tables["parts"]
    found = dict(zip(parts["names"], parts["at"], strict=True))
    assert found["L1.q"] is not None
    assert found["L1.q_bias"] is None


def test_the_jump_to_a_part_lands_in_it(make_page):
    page = ReadPage(make_page())
    parts, labels = page.tables["parts"], page.labels
    for number, at in enumerate(parts["at"]):
        if at is not None:
            assert labels[tuple(at)] == number + 1, parts["names"][number]


def test_the_card_tells_what_the_page_shows(make_page, small_scan):
    card = dict(ReadPage(make_page()).header["card"])
    assert card["Name"] == "small"
    assert card["Parameters"] == f"{small_scan.anatomy.n_parameters:,}"
    assert card["Fingerprint"] == small_scan.checkpoint.fingerprint
    assert "3 layers" in card["Architecture"]
    assert card["Layout"].startswith("body")
    assert "steps of" in card["Quantisation"]
    assert str(small_scan.checkpoint.path.parent) not in str(card)


def test_presets_and_transfer_functions_are_all_there(make_page):
    header = ReadPage(make_page()).header
    assert [row["key"] for row in header["presets"]] == [row.key for row in PRESETS]
    assert [row["name"] for row in header["transfers"]] == list(TRANSFERS)
    assert header["transfer"] == "inferno"
    assert ReadPage(make_page(signal="signed")).header["transfer"] == "blue-orange"


@pytest.mark.parametrize(
    ("given", "limits"),
    [((0.1, 0.4), [0.1, 0.4]), (Window(1, 1), [0.5, 1.5]), ("full", None), (PRESETS[3], None)],
)
def test_a_window_is_given_in_any_form(make_page, given, limits):
    header = ReadPage(make_page(window=given)).header
    full = next([row["low"], row["high"]] for row in header["presets"] if row["key"] == "full")
    assert header["window"] == pytest.approx(limits or full)


def test_a_colormap_of_cmap_joins_the_table(make_page):
    header = ReadPage(make_page(transfer="turbo")).header
    assert header["transfer"] == "turbo"
    assert header["transfers"][-1]["name"] == "turbo"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"window": (1, 1)}, DisplayError),
        ({"window": 3}, DisplayError),
        ({"window": "no such preset"}, DisplayError),
        ({"transfer": "no such colours"}, DisplayError),
        ({"layout": "none"}, LayoutError),
        ({"signal": "none"}, LayoutError),
        ({"max_voxels": 1}, DisplayError),
    ],
)
def test_what_cannot_be_shown_is_said_and_nothing_written(tmp_path, small_scan, options, error):
    with pytest.raises(error):
        export_html(small_scan, tmp_path / "page.html", **options)
    assert not list(tmp_path.iterdir())


def test_the_same_scan_gives_the_same_file(small_scan, make_page, tmp_path):
    again = export_html(small_scan, tmp_path / "again.html")
    assert again.read_bytes() == make_page().read_bytes()


def test_text_of_a_checkpoint_stays_text(tmp_path):
    rng = np.random.default_rng(0)
    tensors = {f"{HOSTILE}{i}": rng.normal(size=(40, 40)).astype(np.float32) for i in range(3)}
    folder = tmp_path / "<b>model"
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors", metadata={"note": HOSTILE})
    with tomo.scan(folder) as scan:
        page = ReadPage(export_html(scan, tmp_path / "page.html"))
    assert "img" not in [tag for tag, _ in page.tags]
    assert "b" not in [tag for tag, _ in page.tags]
    assert page.title.startswith("<b>model")
    assert page.tables["tensors"]["names"] == list(tensors)


def test_the_policy_lets_nothing_in_or_out(make_page):
    rules = policy(ReadPage(make_page()))
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == "data:"
    assert "unsafe" not in str(rules)
    text = make_page().read_text(encoding="utf-8")
    assert "http://" not in text
    assert "https://" not in text


def test_niivue_travels_with_its_licence(make_page):
    text = make_page().read_text(encoding="utf-8")
    notice = metadata.distribution("ipyniivue").read_text("licenses/LICENSE")
    assert notice is not None
    assert notice.splitlines()[0] in text
    assert "Redistributions in binary form" in text


@pytest.fixture
def forget_niivue():
    niivue.niivue_module.cache_clear()
    yield
    niivue.niivue_module.cache_clear()


@pytest.mark.usefixtures("forget_niivue")
def test_a_missing_wheel_is_said_before_any_work(small_scan, tmp_path, monkeypatch):
    monkeypatch.setattr(niivue, "find_spec", lambda name: None)
    with pytest.raises(TomoError, match="pip install"):
        export_html(small_scan, tmp_path / "page.html")


@pytest.mark.usefixtures("forget_niivue")
def test_another_version_of_niivue_is_refused(small_scan, tmp_path, monkeypatch):
    monkeypatch.setattr(niivue, "NIIVUE", "9.9.9")
    with pytest.raises(TomoError, match=r"9\.9\.9"):
        export_html(small_scan, tmp_path / "page.html")


def test_packing_reports_its_progress_and_can_be_stopped(small_scan, tmp_path):
    progress = SilentProgress()
    export_html(small_scan, tmp_path / "page.html", progress=progress)
    assert progress.done == progress.total > 2_000_000
    progress.cancel()
    with pytest.raises(Cancelled):
        export_html(small_scan, tmp_path / "other.html", progress=progress)
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_a_page_opens_at_a_place_of_the_volume(small_scan, tmp_path):
    path = export_html(small_scan, tmp_path / "a.html", at=(9, 30, 40), max_voxels=50_000)
    header = ReadPage(path).header
    factors = [axis["factor"] for axis in header["axes"]]
    assert header["start"] == [9 // factors[0], 30 // factors[1], 40 // factors[2]]
    with pytest.raises(DisplayError, match="3 indices"):
        export_html(small_scan, tmp_path / "b.html", at=(1, 2))
