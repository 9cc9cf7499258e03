"""Experts side by side: every weight at its place, beside it what the router sends there."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from napari_gpt2_tomo.anatomy import recognise
from napari_gpt2_tomo.base import LayoutError
from napari_gpt2_tomo.volume.choice import Choice, layouts_of, roles_of
from napari_gpt2_tomo.volume.layouts.experts import ExpertsLayout, expert_roles, experts_layout
from napari_gpt2_tomo.volume.reading.reader import BlockReader, make_reader
from napari_gpt2_tomo.volume.reading.signal import make_signal
from napari_gpt2_tomo.volume.statistics.summary import estimate_statistics
from napari_gpt2_tomo.volume.volume import Volume
from volume import mixtures
from volume.architectures import Sizes, deepseek, gpt_oss, llama, mixtral, sizes
from volume.fakes import KINDS, MemoryCheckpoint, checkpoint_of
from volume.truth import limits, reduced, same, streamed, to_float32

QUICK = settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
EIGHT = Sizes(12, 2, 2, 1, 6, 8, 9, 4, 8, 10, True)


def of(made: Any, role: str = "all") -> tuple[MemoryCheckpoint, ExpertsLayout]:
    checkpoint = checkpoint_of(made.shapes, made.config)
    return checkpoint, experts_layout(recognise(made.shapes, made.config), made.shapes, role)


def signed(checkpoint: MemoryCheckpoint, layout: ExpertsLayout) -> BlockReader:
    reader = make_reader(layout, checkpoint, make_signal("signed", layout.anatomy, None), "extreme")
    assert isinstance(reader, BlockReader)
    return reader


def volume_of(made: Any, role: str = "all") -> Volume:
    checkpoint, layout = of(made, role)
    statistics = estimate_statistics(checkpoint, layout.anatomy)
    return Volume(checkpoint, layout.anatomy, layout, "signed", None, statistics)


def tile(layout: ExpertsLayout, values: np.ndarray, name: str, expert: int = 0) -> np.ndarray:
    """What the volume shows from the corner of a part on, in the part's shape."""
    part = layout.anatomy.by_name[name]
    shape = layout._tensor_shapes[part.tensor]
    flat = part.view.flat([0] * len(part.shape))
    section, row, column = layout.voxel(part.tensor, np.unravel_index(flat, shape))
    return values[section, row : row + part.shape[0], column : column + part.shape[1]]


@st.composite
def models(draw: Any) -> tuple[MemoryCheckpoint, ExpertsLayout]:
    s = draw(sizes(9))
    made = draw(st.sampled_from([mixtral, gpt_oss, deepseek, *mixtures.FAMILIES]))(s)
    names = list(made.shapes)
    if draw(st.booleans()):
        for name in draw(st.sets(st.sampled_from(names), max_size=len(names) // 3)):
            del made.shapes[name]
    anatomy = recognise(made.shapes, made.config)
    roles = expert_roles(anatomy)
    assume(roles)
    role = draw(st.sampled_from(["all", *roles]))
    checkpoint = checkpoint_of(made.shapes, made.config, kinds=KINDS, seed=1, odd=True)
    with limits(plane=draw(st.sampled_from([2, 4, 32]))):
        return checkpoint, experts_layout(anatomy, made.shapes, role)


@QUICK
@given(models())
def test_a_voxel_and_its_parameter_lead_to_each_other(made):
    checkpoint, layout = made
    box = tuple((0, n) for n in layout.shape)
    reader = signed(checkpoint, layout)
    shown, labels = reader.read(box, 0), reader.labels(box, 0)
    assert np.count_nonzero(labels) == layout.n_parameters
    assert not shown[labels == 0].any()
    for at in map(tuple, np.argwhere(labels).tolist()):
        place = layout.place(at)
        assert place is not None
        assert labels[at] == place.part + 1
        assert layout.voxel(place.tensor, place.index) == at
        value = to_float32(checkpoint.truth[place.tensor][place.index])
        assert same(np.asarray(shown[at]), np.asarray(value))


@QUICK
@given(models())
def test_the_layout_shows_every_expert_of_its_roles_and_their_router(made):
    _, layout = made
    entered = {section.layer for section in layout.sections if section is not None}
    roles = {section.role for section in layout.sections if section is not None}
    for part in layout.anatomy.parts:
        if part.layer not in entered or part.axes != ("channel", "unit"):
            continue
        if part.role == "router" or (part.expert is not None and part.role in roles):
            shape = layout._tensor_shapes[part.tensor]
            experts = range(part.shape[1]) if part.role == "router" else (0,)
            for unit in experts:
                flat = part.view.flat((0, unit))
                index = tuple(int(i) for i in np.unravel_index(flat, shape))
                if part.role == "router" and unit >= _count(layout):
                    continue
                layout.voxel(part.tensor, index)


def _count(layout: ExpertsLayout) -> int:
    return 1 + max(section.last for section in layout.sections if section is not None)


@QUICK
@given(models(), st.sampled_from(["extreme", "rms", "mean"]))
def test_coarse_levels_reduce_the_weights_without_the_air_between_them(made, reduction):
    checkpoint, layout = made
    signal = make_signal("magnitude" if reduction == "rms" else "signed", layout.anatomy, None)
    reader = make_reader(layout, checkpoint, signal, reduction)
    box = tuple((0, n) for n in layout.shape)
    fine, held = reader.read(box, 0), reader.labels(box, 0) > 0
    for level in range(1, len(layout.factors)):
        coarse = reader.read(tuple((0, n) for n in layout.level_shape(level)), level)
        wanted, slack = reduced(fine, held, layout.factors[level], reduction)
        ulp = np.spacing(np.abs(wanted).astype(np.float32)).astype(np.float64)
        assert (np.abs(coarse - wanted) <= ulp + slack).all()


@QUICK
@given(models(), st.sampled_from([1, 60, 10**6]), st.booleans())
def test_the_pass_over_the_file_finds_the_same_levels(made, stored, tallied):
    checkpoint, layout = made
    reader = signed(checkpoint, layout)
    with limits(stored=stored):
        for level, values in streamed(reader, tallied).items():
            box = tuple((0, n) for n in layout.level_shape(level))
            assert same(values, reader.read(box, level))


class TestPlaces:
    def test_eight_experts_stand_in_a_grid_with_their_router_beside_them(self):
        made = mixtral(EIGHT)
        checkpoint, layout = of(made, "gate")
        shown = signed(checkpoint, layout).read(tuple((0, n) for n in layout.shape), 0)
        assert layout.axes == ("layer", "row", "column")
        router = checkpoint.truth["model.layers.1.block_sparse_moe.gate.weight"]
        corners = set()
        for expert in range(8):
            name = f"model.layers.1.block_sparse_moe.experts.{expert}.w1.weight"
            at, row, column = layout.voxel(name, (0, 0))
            corners.add((row, column))
            assert at == 1
            assert same(shown[1, row : row + 12, column : column + 10], checkpoint.truth[name].T)
            line = column + 10 + 2
            assert same(shown[1, row : row + 12, line], router[expert])
            # Air between a tile and its line, and behind it.
            assert not shown[1, row : row + 12, column + 10 : line].any()
            assert not shown[1, row : row + 12, line + 1 : column + 16].any()
        rows, columns = (sorted({corner[i] for corner in corners}) for i in (0, 1))
        assert len(rows) * len(columns) == 8
        assert 0.7 < layout.shape[2] / layout.shape[1] < 3

    def test_all_roles_of_a_layer_follow_each_other_at_the_same_places(self):
        made = mixtral(EIGHT)
        _, layout = of(made)
        assert layout.axes == ("section", "row", "column")
        assert [(s.layer, s.role) for s in layout.sections if s] == [
            (layer, role) for layer in (0, 1) for role in ("gate", "up", "down")
        ]
        at = "model.layers.1.block_sparse_moe.experts.5"
        gate, up = layout.voxel(f"{at}.w1.weight", (3, 7)), layout.voxel(f"{at}.w3.weight", (3, 7))
        down = layout.voxel(f"{at}.w2.weight", (7, 3))
        assert gate[1:] == up[1:] == down[1:]
        assert (gate[0], up[0], down[0]) == (3, 4, 5)
        router = layout.voxel("model.layers.1.block_sparse_moe.gate.weight", (5, 0))
        assert router[0] == 3

    @pytest.mark.parametrize("experts", [1, 7, 60, 64, 128, 256])
    def test_the_plane_has_about_the_shape_of_a_screen_however_many_experts_there_are(
        self, experts
    ):
        made = mixtures.qwen3_moe(Sizes(64, 1, 2, 2, 8, 8, 9, 4, experts, 24, False))
        layout = experts_layout(recognise(made.shapes, made.config), made.shapes, "up")
        _, height, width = layout.shape
        assert 1 / 3 < width / height < 4

    def test_the_interleaved_experts_of_gpt_oss_are_untangled_and_keep_their_biases(self):
        made = gpt_oss(EIGHT)
        checkpoint, layout = of(made)
        shown = signed(checkpoint, layout).read(tuple((0, n) for n in layout.shape), 0)
        at = "model.layers.1.mlp.experts"
        fused = checkpoint.truth[f"{at}.gate_up_proj"]
        assert same(tile(layout, shown, "L1.E6.gate"), np.ascontiguousarray(fused[6, :, ::2]))
        assert same(tile(layout, shown, "L1.E6.up"), np.ascontiguousarray(fused[6, :, 1::2]))
        down = checkpoint.truth[f"{at}.down_proj"][6]
        assert same(tile(layout, shown, "L1.E6.down"), np.ascontiguousarray(down.T))
        section, row, column = layout.voxel(f"{at}.gate_up_proj_bias", (6, 0))
        bias = checkpoint.truth[f"{at}.gate_up_proj_bias"][6, ::2]
        assert same(shown[section, row, column : column + 10], np.ascontiguousarray(bias))
        section, row, column = layout.voxel(f"{at}.down_proj_bias", (6, 0))
        assert same(shown[section, row : row + 12, column], checkpoint.truth[
            f"{at}.down_proj_bias"][6])  # fmt: skip
        # What the router adds to a score lies below the line of the expert.
        line = layout.voxel("model.layers.1.mlp.router.weight", (6, 11))
        added = layout.voxel("model.layers.1.mlp.router.bias", (6,))
        assert (added[0], added[2]) == (line[0], line[2])
        assert added[1] > line[1]

    def test_shared_experts_follow_in_rows_of_their_own(self):
        made = mixtures.qwen2_moe(EIGHT)
        checkpoint, layout = of(made, "gate")
        shown = signed(checkpoint, layout).read(tuple((0, n) for n in layout.shape), 0)
        name = "model.layers.0.mlp.shared_expert.gate_proj.weight"
        values = checkpoint.truth[name].T
        routed = {
            layout.voxel(f"model.layers.0.mlp.experts.{e}.gate_proj.weight", (0, 0))[1:]
            for e in range(8)
        }
        lowest = max(row for row, _ in routed)
        for start in range(0, values.shape[1], 10):
            part = values[:, start : start + 10]
            section, row, column = layout.voxel(name, (start, 0))
            assert (section, row > lowest) == (0, True)
            found = shown[0, row : row + 12, column : column + part.shape[1]]
            assert same(found, np.ascontiguousarray(part))
        gate = checkpoint.truth["model.layers.0.mlp.shared_expert_gate.weight"][0]
        section, row, column = layout.voxel("model.layers.0.mlp.shared_expert_gate.weight", (0, 0))
        assert same(shown[section, row : row + 12, column], gate)

    def test_separate_and_fused_files_of_a_model_give_the_same_picture(self):
        apart, fused = mixtures.qwen3_moe(EIGHT), mixtures.qwen3_moe_fused(EIGHT)
        one, two = (of(made, "up")[1] for made in (apart, fused))
        assert one.shape == two.shape
        assert two.voxel("model.layers.1.mlp.experts.gate_up_proj", (5, 10 + 3, 7)) == one.voxel(
            "model.layers.1.mlp.experts.5.up_proj.weight", (3, 7)
        )

    def test_layers_without_experts_are_air_of_one_role_and_left_out_of_all(self):
        made = deepseek(EIGHT)
        made.shapes = {
            name: shape for name, shape in made.shapes.items() if "layers.0.mlp" not in name
        }
        _, layout = of(made, "down")
        assert [section is None for section in layout.sections] == [True, False]
        _, layout = of(made)
        assert {section.layer for section in layout.sections if section} == {1}


class TestWords:
    def test_addresses_and_captions_name_layer_expert_and_role(self):
        volume = volume_of(mixtral(EIGHT))
        at = volume.voxel("model.layers.1.block_sparse_moe.experts.7.w1.weight", (3, 8))
        address = volume.address(at)
        assert (address.layer, address.expert, address.neuron, address.channel) == (1, 7, 3, 8)
        assert address.where == "L1 · expert 7 · gate · neuron 3 · channel 8"
        assert volume.caption(3) == "L1 gate · experts 0–7"
        assert volume.caption(99) == ""
        router = volume.address(volume.voxel("model.layers.1.block_sparse_moe.gate.weight", (7, 2)))
        assert router.expert == 7
        assert router.where == "L1 · expert 7 · router · channel 2"
        title = volume.region("L1.E7.gate").title
        assert title == "L1 · expert 7 · gate"

    def test_choices_know_the_roles(self):
        volume = volume_of(mixtral(EIGHT), "down")
        assert roles_of("experts", volume.anatomy) == ("all", "gate", "up", "down")
        assert "experts" in layouts_of(volume.anatomy)
        shown = Choice.of(volume)
        assert (shown.layout, shown.role) == ("experts", "down")
        assert shown.changed(layout="body").changed(layout="experts").role == "all"

    def test_dense_models_and_other_roles_are_refused(self):
        made = llama(EIGHT)
        anatomy = recognise(made.shapes, made.config)
        assert "experts" not in layouts_of(anatomy)
        with pytest.raises(LayoutError, match="no experts"):
            experts_layout(anatomy, made.shapes)
        made = mixtral(EIGHT)
        with pytest.raises(LayoutError, match="role 'q'; they have: all, gate, up, down"):
            of(made, "q")
