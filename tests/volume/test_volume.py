"""Volumes of checkpoints on disk, as a script or a viewer uses them."""

import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from napari_gpt2_tomo.anatomy import recognise
from napari_gpt2_tomo.base import LayoutError
from napari_gpt2_tomo.facade import Scan
from napari_gpt2_tomo.volume.volume import make_layout
from volume.architectures import Architecture, Sizes, gpt2, llama, mixtral
from volume.truth import assert_reduced, limits, same

GPT2 = gpt2(Sizes(40, 2, 1, 1, 1, 90, 70, 8, 1, 1, True))
LAYOUTS = [
    ("body", {}),
    ("cube", {}),
    ("tensor", {"tensor": "h.1.mlp.c_fc.weight"}),
    ("heads", {"role": "v"}),
]


def write(folder: Path, found: Architecture, dtype: object = np.float32) -> dict[str, np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    tensors = {n: rng.standard_normal(s).astype(dtype) for n, s in found.shapes.items()}
    save_file(tensors, folder / "model.safetensors")
    if found.config:
        (folder / "config.json").write_text(json.dumps(found.config))
    return tensors


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_GPT2_TOMO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def scan(tmp_path, own):
    folder = tmp_path / "tiny-gpt2"
    tensors = write(folder, GPT2)
    with Scan(folder) as opened:
        opened.tensors = tensors
        yield opened


@pytest.mark.parametrize(("layout", "options"), LAYOUTS)
@pytest.mark.parametrize("signal", ["signed", "magnitude", "sigma", "sigma_global", "rank"])
def test_levels_of_every_layout_and_signal_are_exact(scan, layout, options, signal):
    with limits(plane=8, voxels=300):
        volume = scan.volume(layout, signal, **options)
    assert volume.ndim == len(volume.shape) == len(volume.axes)
    assert len(volume.levels) == len(volume.factors)
    assert len(volume.levels) > 2 or layout == "cube"
    fine = volume[...]
    assert fine.shape == volume.shape
    assert same(np.asarray(volume.levels[0]), fine)
    held = np.asarray(volume.atlas.level(0)) != 0
    assert not fine[~held].any()
    for level, factors in zip(volume.levels, volume.factors, strict=True):
        assert level.dtype == volume.dtype == np.float32
        assert level.shape == tuple(n // f for n, f in zip(volume.shape, factors, strict=True))
        if factors != volume.factors[0]:
            assert_reduced(np.asarray(level), fine, held, factors, volume.reduction)
    assert volume.overview.state == "refined"
    for shown, level in zip(volume.displayed(), volume.levels, strict=True):
        assert same(np.asarray(shown), np.asarray(level))


def test_the_volume_shows_the_tensors(scan):
    volume = scan.volume("body", "signed")
    for name in ("wte.weight", "h.0.ln_1.bias", "h.1.attn.c_attn.weight", "ln_f.weight"):
        values = scan.tensors[name]
        for index in [(0,) * values.ndim, tuple(n - 1 for n in values.shape)]:
            assert volume[volume.voxel(name, index)] == values[index]
            negative = tuple(i - n for i, n in zip(index, values.shape, strict=True))
            assert volume.voxel(name, negative) == volume.voxel(name, index)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64, np.int8])
def test_other_types_are_shown_and_addressed_exactly(tmp_path, own, dtype):
    tensors = write(tmp_path / "other", GPT2, dtype)
    with Scan(tmp_path / "other") as scan:
        volume = scan.volume("body", "signed")
        values = tensors["wte.weight"]
        at = volume.voxel("wte.weight", (5, 7))
        assert volume[at] == np.float32(values[5, 7])
        assert volume.address(at).value == values[5, 7].astype(np.float64)


class TestAddress:
    def test_it_says_everything_about_a_weight(self, scan):
        volume = scan.volume("body")
        at = volume.voxel("h.1.attn.c_attn.weight", (17, 40 + 23))
        address = volume.address(at)
        value = scan.tensors["h.1.attn.c_attn.weight"][17, 63].item()
        assert (address.tensor, address.index) == ("h.1.attn.c_attn.weight", (17, 63))
        assert (address.part, address.role, address.layer) == ("L1.k", "k", 1)
        assert (address.channel, address.unit) == (17, 23)
        assert (address.head, address.dim) == (2, 3)
        assert address.value == address.stored == value
        assert str(address) == (
            f"h.1.attn.c_attn.weight[17, 63] = {value:.6g} · L1 K · head 2 dim 3 · channel 17"
        )
        assert volume[at] == abs(np.float32(value))

    @pytest.mark.parametrize(
        ("tensor", "index", "words"),
        [
            ("wte.weight", (65, 3), {"token": 65, "channel": 3, "unit": 65}),
            ("wpe.weight", (7, 3), {"position": 7, "channel": 3}),
            ("h.0.mlp.c_fc.weight", (3, 85), {"neuron": 85, "channel": 3}),
            ("h.0.mlp.c_proj.weight", (85, 3), {"neuron": 85, "channel": 3}),
            ("h.0.mlp.c_fc.bias", (85,), {"neuron": 85, "channel": None}),
            ("h.1.attn.c_attn.bias", (119,), {"head": 3, "dim": 9, "role": "v_bias"}),
            ("ln_f.weight", (39,), {"channel": 39, "unit": None, "layer": None}),
        ],
    )
    def test_units_have_the_name_of_what_they_are(self, scan, tensor, index, words):
        volume = scan.volume("body")
        address = volume.address(volume.voxel(tensor, index))
        assert (address.tensor, address.index) == (tensor, index)
        assert {name: getattr(address, name) for name in words} == words

    def test_without_heads_it_leaves_the_head_out(self, tmp_path, own):
        write(tmp_path / "blind", Architecture(GPT2.shapes, None))
        with Scan(tmp_path / "blind") as scan:
            volume = scan.volume("body")
            at = volume.voxel("h.1.attn.c_attn.weight", (17, 63))
            address = volume.address(at)
            assert (address.head, address.dim, address.unit) == (None, None, 23)
            assert address.where == "L1 K · unit 23 · channel 17"
        with Scan(tmp_path / "blind", n_heads=4) as scan:
            address = scan.volume("body").address(at)
            assert (address.head, address.dim) == (2, 3)

    def test_air_has_none_and_outside_is_an_error(self, scan):
        volume = scan.volume("body")
        assert volume.address((1, 0, 39)) is None  # Tokens end at 70 in sections of 40.
        with pytest.raises(IndexError, match="outside the body"):
            volume.address((0, 0, volume.shape[2]))
        with pytest.raises(IndexError):
            volume.address((0, 0))

    def test_every_layout_answers(self, scan):
        index = (17, 85)
        for layout, options in LAYOUTS:
            volume = scan.volume(layout, "signed", **options)
            name = "h.1.attn.c_attn.weight" if layout == "heads" else "h.1.mlp.c_fc.weight"
            address = volume.address(volume.voxel(name, index))
            assert (address.tensor, address.index) == (name, index)
            assert address.value == scan.tensors[name][index]
            assert address.channel == 17

    def test_buffers_and_strangers_are_refused(self, scan):
        volume = scan.volume("body")
        with pytest.raises(LayoutError, match=r"h\.0\.attn\.bias is a buffer"):
            volume.voxel("h.0.attn.bias", (0, 0, 0, 0))
        with pytest.raises(LayoutError, match=r"no tensor named 'h\.9'"):
            volume.voxel("h.9", (0,))
        with pytest.raises(IndexError, match=r"does not fit wte\.weight"):
            volume.voxel("wte.weight", (70, 0))


class TestCaption:
    def test_it_names_the_section(self, scan):
        volume = scan.volume("body")
        captions = [volume.caption(i) for i in range(volume.shape[0])]
        assert captions[:7] == [
            "token embedding 1/2", "token embedding 2/2", "position embedding 1/1",
            "L0 Q 1/1", "L0 K 1/1", "L0 V 1/1", "L0 O 1/1",
        ]  # fmt: skip
        assert captions[7:13] == [f"L0 {r} {k}/3" for r in ("up", "down") for k in (1, 2, 3)]
        assert all(captions[: len(volume.layout.sections)])
        assert volume.caption(volume.shape[0]) == ""
        assert volume.caption(-1) == ""

    def test_padding_has_none(self, scan):
        with limits(plane=8, voxels=100):
            volume = scan.volume("body")
        assert volume.shape[0] > len(volume.layout.sections)
        assert volume.caption(volume.shape[0] - 1) == ""

    def test_shared_sections_name_all_who_share(self, tmp_path, own):
        found = mixtral(Sizes(20, 1, 2, 2, 10, 1, 30, 4, 5, 8, False))
        found.shapes |= {"a.conv": (3, 2, 2), "b.scale": (), "c.table": (3, 3), "d.long": (900,)}
        write(tmp_path / "moe", found)
        with Scan(tmp_path / "moe") as scan:
            volume = scan.volume("body")
            captions = [volume.caption(i) for i in range(len(volume.layout.sections))]
        assert captions[7:10] == [
            "L0 gate experts 0–1",
            "L0 gate experts 2–3",
            "L0 · expert 4 · gate 1/1",
        ]
        assert captions[-4] == "c.table 1/1"
        assert captions[-3] == "a.conv … d.long"
        assert captions[-2:] == ["d.long 2/3", "d.long 3/3"]

    def test_other_layouts_count(self, scan):
        assert scan.volume("heads").caption(1) == "layer 1"
        assert scan.volume("heads").caption(2) == ""
        assert scan.volume("cube").caption(0) != ""


class TestLayouts:
    def test_a_transformer_is_a_body_and_anything_else_a_cube(self, scan, tmp_path):
        assert scan.volume().layout.name == "body"
        write(tmp_path / "any", Architecture({"a": (30, 40), "b": (7,)}))
        with Scan(tmp_path / "any") as other:
            assert other.volume().layout.name == "cube"
            with pytest.raises(LayoutError, match="cube"):
                other.volume("body")

    def test_the_core_leaves_the_margins_out(self, scan):
        volume = scan.volume("body")
        core = volume.atlas.level(0)[volume.core]
        shown = {volume.atlas.regions[label - 1].name for label in np.unique(core) if label}
        parts = volume.anatomy.by_name
        assert all(len(parts[name].shape) == 2 for name in shown)
        assert sum(len(part.shape) == 2 for part in volume.anatomy.parts) == len(shown)
        assert scan.volume("cube").core is None

    def test_what_does_not_exist_is_said(self, scan):
        with pytest.raises(LayoutError, match=r"no layout 'spiral'.*body.*auto"):
            scan.volume("spiral")
        with pytest.raises(LayoutError, match="tensor="):
            scan.volume("tensor")
        with pytest.raises(LayoutError, match="no tensor named"):
            scan.volume("tensor", tensor="nowhere")
        with pytest.raises(LayoutError, match="'rms' loses"):
            scan.volume("body", "signed", "rms")
        with pytest.raises(LayoutError, match="no signal"):
            scan.volume("body", "loud")

    def test_a_layout_needs_no_weights(self):
        shapes = GPT2.shapes
        for layout in ("auto", "body", "cube", "heads"):
            made = make_layout(layout, recognise(shapes, GPT2.config), shapes)
            assert made.n_parameters > 0


def test_the_window_and_range_are_those_of_the_signal(scan):
    values = np.concatenate(
        [t.ravel() for n, t in scan.tensors.items() if not n.endswith("attn.bias")]
    )
    volume = scan.volume("body", "signed")
    volume.refine()
    assert volume.range == pytest.approx((values.min(), values.max()))
    low, high = volume.window()
    assert low == -high
    assert high == pytest.approx(np.quantile(np.abs(values), 0.998), rel=0.1)
    volume = scan.volume("body")
    assert volume.window()[0] == 0
    assert volume.window(0, 50)[1] == pytest.approx(np.median(np.abs(values)), rel=0.05)
    assert not volume.statistics.estimate


def test_it_says_what_it_is(scan):
    volume = scan.volume("body", "signed")
    shape = " × ".join(map(str, volume.shape))
    assert repr(volume) == f"<Volume body signed–extreme {shape} of tiny-gpt2>"


def test_an_estimate_may_stand_in_for_exact_scores(tiny_phantom, own):
    with Scan(tiny_phantom) as scan:
        quick = scan.volume("body", "sigma", exact=False)
        assert quick.statistics.estimate
        exact = scan.volume("body", "sigma")
        assert not exact.statistics.estimate
        assert quick.overview.key != exact.overview.key
        again = scan.volume("body", "sigma", exact=False)
        assert again.overview.key == exact.overview.key


def test_shards_of_a_model_are_one_volume(tmp_path, own):
    found = llama(Sizes(16, 2, 2, 2, 8, 20, 30, 4, 1, 1, False))
    rng = np.random.default_rng(0)
    tensors = {n: rng.standard_normal(s).astype(np.float32) for n, s in found.shapes.items()}
    names = sorted(tensors)
    index = {}
    for i, some in enumerate((names[::2], names[1::2])):
        file = f"model-{i + 1:05}-of-00002.safetensors"
        save_file({n: tensors[n] for n in some}, tmp_path / file)
        index |= dict.fromkeys(some, file)
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": index}))
    with Scan(path) as scan:
        volume = scan.volume("body", "signed")
        for name, values in tensors.items():
            at = (0,) * values.ndim
            assert volume[volume.voxel(name, at)] == values[at]
