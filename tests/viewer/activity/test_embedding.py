"""The embedding space in a viewer: a cloud that is searched, coloured, pointed at; figures."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_gpt2_tomo.activity.embedding.space import EmbeddingSpace
from napari_gpt2_tomo.activity.record import Activity, Source, Tokens
from napari_gpt2_tomo.base import TomoError
from napari_gpt2_tomo.facade import Scan
from napari_gpt2_tomo.viewer.activity.desk import desk_of
from napari_gpt2_tomo.viewer.activity.embedding.explorer import Explorer, explore, explorer_of
from napari_gpt2_tomo.viewer.activity.embedding.placing import (
    EXTENT,
    nearest_to_ray,
    place_rows,
    placing,
)
from napari_gpt2_tomo.viewer.activity.embedding.tubes import SIDES, tubes
from napari_gpt2_tomo.viewer.activity.embedding_dock import EmbeddingDock

WORDS = (
    *("ĠParis", "ĠLondon", "Ġking", "Ġman", "Ġwoman", "Ġqueen", "42", "!", "ing", "ĠHEAD", "Paris"),
    *(f"Ġword{number}" for number in range(389)),
)
D, CONTEXT = 24, 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of 400 tokens that is embeddings and little else."""
    from safetensors.numpy import save_file

    random = np.random.default_rng(3)
    wte = random.standard_normal((len(WORDS), D)).astype(np.float32)
    # Two cities near each other, far out.
    wte[1] = wte[0] = 3 * wte[0]
    wte[1] += 0.1
    made = tmp_path_factory.mktemp("embeddings") / "small"
    made.mkdir()
    tensors = {
        "wte.weight": wte,
        "wpe.weight": random.standard_normal((CONTEXT, D)).astype(np.float32),
        "h.0.ln_1.weight": np.ones(D, np.float32),
        "h.0.attn.c_attn.weight": random.standard_normal((D, 3 * D)).astype(np.float32),
        "lm_head.weight": random.standard_normal((len(WORDS), D)).astype(np.float32),
    }
    save_file(tensors, str(made / "model.safetensors"))
    (made / "config.json").write_text(
        json.dumps({"model_type": "gpt2", "n_embd": D, "n_head": 4, "vocab_size": len(WORDS)})
    )
    (made / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(WORDS)}))
    return made


@pytest.fixture(scope="module")
def space(folder: Path) -> EmbeddingSpace:
    with Scan(folder) as scan:
        return EmbeddingSpace.of(scan)


@pytest.fixture
def bare(qapp: Any) -> Any:
    """A viewer without a window: layers, sliders and a camera are all that a cloud needs."""
    return ViewerModel()


@pytest.fixture
def explorer(bare: Any, space: EmbeddingSpace) -> Any:
    found = explore(bare, space)
    yield found
    found.close()


def over(viewer: Any, point: np.ndarray, kind: str = "mouse_move") -> Any:
    """A mouse event whose ray goes through a point."""
    direction = viewer.scene.camera.view_direction if viewer.dims.ndisplay == 3 else None
    away = np.zeros(3) if direction is None else 500 * np.asarray(direction)
    return SimpleNamespace(
        position=tuple(point - away),
        view_direction=direction,
        type=kind,
        pos=(10, 10),
        modifiers=(),
    )


def click(viewer: Any, event: Any) -> None:
    for callback in list(viewer.mouse_drag_callbacks):
        steps = callback(viewer, event)
        if steps is not None:
            next(steps, None)
            event.type = "mouse_release"
            next(steps, None)
            event.type = "mouse_press"


def test_every_token_is_a_point(bare: Any, explorer: Explorer) -> None:
    layer = explorer.cloud.layer("tokens")
    assert len(layer.data) == len(WORDS)
    assert layer.features["token"][0] == "·Paris"
    assert bare.dims.ndisplay == 3
    assert tuple(layer.axis_labels)[2].startswith("PC 1")
    # napari's own axes: x to the right is the first component, y up the second.
    pca = explorer.space.pca("tokens")
    expected = (
        pca.project(explorer.space.rows("tokens"))[:, :3] * placing(explorer.space, "tokens").scale
    )
    np.testing.assert_allclose(layer.data[:, 2], expected[:, 0], atol=1e-2)
    np.testing.assert_allclose(layer.data[:, 1], -expected[:, 1], atol=1e-2)
    assert 0.5 * EXTENT < np.ptp(layer.data[:, 2]) < 2 * EXTENT


def test_a_search_selects_and_flies(bare: Any, explorer: Explorer) -> None:
    heard: list[Any] = []
    explorer.moved.connect(heard.append)
    camera = bare.scene.camera
    before = (tuple(camera.center), camera.zoom)
    assert explorer.search(" Paris") == 0
    explorer.flight.finish()
    assert heard == [0]
    np.testing.assert_allclose(camera.center, explorer.cloud.layer("tokens").data[0], atol=1e-3)
    assert camera.zoom > before[1]
    assert explorer.neighbours is not None
    assert explorer.neighbours.ids[0] == 1
    assert explorer.cloud.layer("marks").features["token"][0].strip() == "·Paris"
    assert explorer.cloud.layer("lines") is not None
    with pytest.raises(TomoError, match="not one token"):
        explorer.search("Atlantis")


def test_the_flight_is_drawn(window: Any, space: EmbeddingSpace, settle: Callable) -> None:
    found = explore(window, space)
    found.select(5)
    settle()
    first = window.screenshot(canvas_only=True)[..., :3].astype(int)
    assert (first.max(axis=2) > 60).sum() > 200
    found.search("Paris")
    assert found.flight.flying
    found.flight.finish()
    settle()
    second = window.screenshot(canvas_only=True)[..., :3].astype(int)
    height = min(len(first), len(second))
    changed = np.abs(first[:height] - second[:height]).max(axis=2) > 30
    assert changed.sum() > 500
    # The token that was flown to stands in the middle, in the colour of what is looked at.
    middle = second[second.shape[0] // 2 - 4 :][:8, second.shape[1] // 2 - 4 :][:, :8]
    orange = (middle[..., 0] > 200) & (middle[..., 2] < 150)
    assert orange.any()
    found.close()


def test_the_token_under_the_cursor_is_told_and_clicked(bare: Any, explorer: Explorer) -> None:
    heard: list[Any] = []
    explorer.hovered.connect(heard.append)
    point = explorer.cloud.layer("tokens").data[7]
    for callback in list(bare.mouse_move_callbacks):
        callback(bare, over(bare, point))
    assert heard == [7]
    click(bare, over(bare, point, "mouse_press"))
    assert explorer.selected == 7
    away = over(bare, np.array([0.0, 9e4, 9e4]))
    for callback in list(bare.mouse_move_callbacks):
        callback(bare, away)
    assert heard == [7, None]


def test_turning_the_camera_selects_nothing(bare: Any, explorer: Explorer) -> None:
    event = over(bare, explorer.cloud.layer("tokens").data[7], "mouse_press")
    for callback in list(bare.mouse_drag_callbacks):
        steps = callback(bare, event)
        if steps is not None:
            event.type, event.pos = "mouse_press", (10, 10)
            next(steps, None)
            event.type, event.pos = "mouse_move", (60, 10)
            assert next(steps, "ended") == "ended"
    assert explorer.selected is None


def test_a_ray_meets_the_nearest_point_within_reach() -> None:
    points = np.array([[0, 0, 0], [5, 3, 0], [-900, 2, 0]], np.float32)
    assert nearest_to_ray(points, (50, 2.2, 0), (1, 0, 0), 1.0) == 2
    assert nearest_to_ray(points, (50, 2.2, 0), None, 1.0) == 2
    assert nearest_to_ray(points, (50, 9, 0), (1, 0, 0), 1.0) is None
    assert nearest_to_ray(points[:0], (0, 0, 0), None, 1.0) is None


def test_colours_follow_a_property(explorer: Explorer) -> None:
    layer = explorer.cloud.layer("tokens")
    before = layer.face_color.copy()
    explorer.colour = "norm"
    after = explorer.cloud.layer("tokens").face_color
    assert not np.array_equal(before, after)
    longest = int(explorer.space.norms("tokens").argmax())
    assert after[longest, 0] > 0.9
    assert after[longest, 2] < 0.3
    explorer.select(4)
    explorer.colour = "cosine"
    assert explorer.shown is not None
    assert explorer.shown.colormap == "coolwarm"
    with pytest.raises(TomoError, match="'mass'"):
        explorer.colour = "mass"


def test_kinds_are_hidden_and_points_thinned(explorer: Explorer) -> None:
    explorer.colour = "kind"
    assert explorer.shown is not None
    number = explorer.shown.property.kinds.index("number")
    explorer.hidden = {number}
    assert 6 not in explorer.drawn
    assert len(explorer.cloud.layer("tokens").data) == len(WORDS) - 1
    explorer.hidden = frozenset()
    explorer.most = 50
    assert len(explorer.cloud.layer("tokens").data) == 50
    explorer.select(399)
    assert explorer.cloud.layer("marks") is not None


def test_positions_are_beads_on_a_path(bare: Any, explorer: Explorer) -> None:
    explorer.axes = "positions"
    assert explorer.positions
    beads = explorer.cloud.layer("positions")
    np.testing.assert_allclose(beads.data, place_rows(explorer.space, "positions", "positions"))
    assert len(explorer.cloud.layer("path").data[0]) == (CONTEXT - 1) * 2 * SIDES
    bare.dims.ndisplay = 2
    assert len(explorer.cloud.layer("path").data) == CONTEXT - 1
    explorer.positions = False
    assert explorer.cloud.layer("positions") is None


def test_a_flat_view_sees_the_whole_depth(bare: Any, explorer: Explorer) -> None:
    bare.dims.ndisplay = 2
    layer = explorer.cloud.layer("tokens")
    assert layer.projection_mode == "all"
    depth = layer.data[:, 0]
    low = bare.dims.point[0] - bare.dims.margin_left[0]
    high = bare.dims.point[0] + bare.dims.margin_right[0]
    assert low < depth.min()
    assert depth.max() < high
    explorer.close()
    assert bare.dims.margin_left[0] == 0


def test_surroundings_have_axes_of_their_own(explorer: Explorer) -> None:
    with pytest.raises(TomoError, match="Select a token"):
        explorer.local = True
    explorer.select(0)
    explorer.local = True
    assert explorer.drawn[0] == 0
    assert len(explorer.drawn) == 201
    assert "its 200 nearest" in explorer.stated
    explorer.local = False
    assert len(explorer.drawn) == len(WORDS)


def test_an_untied_unembedding_is_shown_instead(explorer: Explorer) -> None:
    explorer.select(0)
    near = explorer.neighbours
    explorer.which = "unembedding"
    assert explorer.axes == "unembedding"
    assert explorer.neighbours is not None
    assert near is not None
    assert explorer.neighbours.ids.tolist() != near.ids.tolist()


def test_measures_and_sums(explorer: Explorer) -> None:
    explorer.select(0)
    explorer.measure = "euclid"
    explorer.k = 3
    assert explorer.neighbours is not None
    marks = explorer.cloud.layer("marks")
    assert [one.strip() for one in marks.text.values] == [
        explorer.space.label(int(i)) for i in (0, *explorer.neighbours.ids)
    ]
    assert len(marks.data) == 4
    assert np.ptp(marks.size) == 0
    explorer.k = 6
    assert explorer.cloud.layer("marks") is marks
    assert len(marks.text.values) == len(marks.data) == 7
    explorer.k = 3
    rows = explorer.space.rows("tokens")
    expected = np.argsort(np.linalg.norm(rows - rows[0], axis=1))[1:4]
    assert explorer.neighbours.ids.tolist() == expected.tolist()
    found = explorer.sum("king - man + woman", 5)
    assert not {2, 3, 4} & set(found.ids.tolist())
    assert len(found.ids) == 5


def test_what_was_seen_before_is_seen_again(bare: Any, space: EmbeddingSpace) -> None:
    image, hidden = bare.add_image(np.eye(8)), bare.add_image(np.eye(8), visible=False)
    bare.scene.camera.zoom = 3.5
    found = explore(bare, space)
    assert not image.visible
    found.close()
    assert image.visible
    assert not hidden.visible
    assert bare.scene.camera.zoom == 3.5
    assert bare.dims.ndisplay == 2
    assert list(bare.layers) == [image, hidden]
    assert explorer_of(bare) is None


def test_taking_the_cloud_away_closes_the_explorer(bare: Any, space: EmbeddingSpace) -> None:
    callbacks = (len(bare.mouse_move_callbacks), len(bare.mouse_drag_callbacks))
    found = explore(bare, space)
    found.search(" London")
    bare.layers.remove(found.cloud.layer("tokens"))
    assert explorer_of(bare) is None
    assert not bare.layers
    assert (len(bare.mouse_move_callbacks), len(bare.mouse_drag_callbacks)) == callbacks


def test_tubes_keep_their_radius_whatever_their_direction() -> None:
    random = np.random.default_rng(0)
    starts, ends = random.standard_normal((2, 30, 3)).astype(np.float32)
    vertices, faces = tubes(starts, ends, 0.2)
    assert vertices.shape == (30 * 2 * SIDES, 3)
    assert faces.max() == len(vertices) - 1
    rings = vertices.reshape(30, 2, SIDES, 3)
    np.testing.assert_allclose(
        np.linalg.norm(rings[:, 0] - starts[:, None], axis=-1), 0.2, rtol=1e-4
    )
    along = np.einsum("ijk,ik->ij", rings[:, 1] - ends[:, None], ends - starts)
    np.testing.assert_allclose(along, 0, atol=1e-5)


@pytest.fixture
def dock(viewer: Any, folder: Path, settle: Callable) -> Any:
    """A dock that has read the small model."""
    made = EmbeddingDock(viewer)
    made.show()
    made.open(folder)
    settle()
    yield made
    found = explorer_of(viewer)
    if found is not None:
        found.close()
    made.close()
    made.deleteLater()


def test_without_a_model_the_dock_says_what_to_do(viewer: Any, qtbot: Any) -> None:
    made = EmbeddingDock(viewer)
    qtbot.addWidget(made)
    made.show()
    assert "Drop a .safetensors file" in made.message.text()
    assert not made.tabs.isVisible()


def test_the_dock_follows_the_scan_of_the_viewer(
    viewer: Any, folder: Path, settle: Callable, qtbot: Any
) -> None:
    from napari_gpt2_tomo.viewer.layers import add_scan

    made = EmbeddingDock(viewer)
    qtbot.addWidget(made)
    made.show()
    add_scan(viewer, Scan(folder), owned=True)
    settle()
    assert made.space is not None
    assert made.name.text().startswith("small: 400 tokens · 40 positions")


def test_without_a_scan_the_model_of_the_prompt_is_taken(
    viewer: Any, folder: Path, settle: Callable, qtbot: Any
) -> None:
    made = EmbeddingDock(viewer)
    qtbot.addWidget(made)
    made.show()
    desk = desk_of(viewer)
    tokens = Tokens.of_ids([1, 2])
    desk.show(Activity(tokens, {}, Source("gone", str(folder / "nowhere"))))
    assert made.space is None
    desk.show(Activity(tokens, {}, Source("small", str(folder))))
    settle()
    assert made.space is not None
    assert made.space.name == "small"


def test_the_dock_explores(viewer: Any, dock: EmbeddingDock, settle: Callable) -> None:
    tab = dock.explorer_tab
    tab.toggle.click()
    settle()
    explorer = explorer_of(viewer)
    assert explorer is not None
    assert tab.explorer is explorer
    tab.search.line.setText("paris")
    tab.search.go()
    assert explorer.selected == 0
    assert "also Paris (#10)" in tab.search.message.text()
    assert tab.table.item(0, 0).text() == "·London"
    tab.table.cellClicked.emit(0, 0)
    assert explorer.selected == 1
    assert tab.token.text().startswith("·London   #1")
    tab.search.line.setText("Atlantis")
    tab.search.go()
    assert "not one token" in tab.search.message.text()
    tab.search.line.setText("king - man + woman")
    tab.search.go()
    assert "Nearest to the sum" in tab.search.message.text()
    tab.toggle.click()
    assert explorer_of(viewer) is None
    assert not tab.body.isVisible()


def test_typing_offers_tokens(viewer: Any, dock: EmbeddingDock, settle: Callable) -> None:
    tab = dock.explorer_tab
    tab.toggle.click()
    settle()
    tab.search.line.setText("wom")
    tab.search.line.textEdited.emit("wom")
    assert tab.search.offers == ["·woman   #4 · begins so"]
    tab.search.line.setText(tab.search.offers[0])
    tab.search.go()
    assert tab.explorer is not None
    assert tab.explorer.selected == 4


def test_the_legend_hides_kinds(viewer: Any, dock: EmbeddingDock, settle: Callable) -> None:
    tab = dock.explorer_tab
    tab.toggle.click()
    settle()
    assert tab.explorer is not None
    shown = tab.explorer.shown
    assert shown is not None
    kind = shown.property.kinds.index("punctuation")
    tab.legend.boxes[kind].click()
    assert 7 not in tab.explorer.drawn
    tab.colour.setCurrentIndex(tab.colour.findData("norm"))
    tab.colour.activated.emit(tab.colour.currentIndex())
    assert not tab.legend.boxes
    assert 7 in tab.explorer.drawn


def test_every_figure_of_the_tabs_is_drawn(
    viewer: Any, dock: EmbeddingDock, settle: Callable
) -> None:
    dock.explorer_tab.toggle.click()
    settle()
    assert dock.explorer_tab.explorer is not None
    dock.explorer_tab.explorer.select(3)
    offered = []
    for number, tab in enumerate((dock.dimensions, dock.positions, dock.pca), 1):
        dock.tabs.setCurrentIndex(number)
        for title in tab.offered:
            tab.choose(title)
            settle()
            assert tab.view.plot is not None, title
            assert tab.caption.text() == tab.view.plot.caption
            offered.append(title)
    assert len(offered) == 15
    assert "Rotary pairs" not in offered


def test_what_is_typed_to_a_figure_is_checked(
    viewer: Any, dock: EmbeddingDock, settle: Callable
) -> None:
    tab = dock.dimensions
    dock.tabs.setCurrentIndex(1)
    for title, text, answer in (
        ("Plane of two dimensions", "3, 99", "'99' is no dimension: there are 0 to 23."),
        ("Plane of two dimensions", "3", "Write two dimensions, e.g. 138, 378."),
        ("Tokens by dimensions", "Paris, Atlantis", "not one token"),
    ):
        tab.choose(title)
        tab.field.setText(text)
        tab.refresh()
        settle()
        assert answer in tab.words.text()
        assert tab.view.plot is None
    tab.choose("Tokens by dimensions")
    tab.field.setText("Paris, #4")
    tab.refresh()
    settle()
    assert tab.view.plot is not None
    assert list(dict.fromkeys(tab.view.plot.table.columns["token"])) == ["Paris", "·woman"]


def test_a_model_without_embeddings_is_told(
    viewer: Any, tmp_path: Path, settle: Callable, qtbot: Any
) -> None:
    from safetensors.numpy import save_file

    save_file({"h.0.mlp.c_fc.weight": np.ones((4, 8), np.float32)}, tmp_path / "model.safetensors")
    made = EmbeddingDock(viewer)
    qtbot.addWidget(made)
    made.show()
    made.open(tmp_path)
    settle()
    assert "holds no embeddings" in made.message.text()


def test_a_dock_that_is_gone_hears_nothing(
    viewer: Any, folder: Path, settle: Callable, qtbot: Any
) -> None:
    made = EmbeddingDock(viewer)
    made.show()
    made.open(folder)
    settle()
    made.explorer_tab.toggle.click()
    settle()
    explorer = explorer_of(viewer)
    assert explorer is not None
    made.deleteLater()
    with qtbot.waitSignal(made.destroyed):
        pass
    assert len(explorer.moved) == 0
    assert len(explorer.recoloured) == 0
    explorer.select(2)
    explorer.close()


def test_the_code_of_the_page_runs(bare: Any, folder: Path, tmp_path: Path) -> None:
    page = Path(__file__).parents[3] / "docs" / "embedding.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 2
    names = {"viewer": bare, "folder": tmp_path}
    for block in blocks:
        exec(block.replace("gpt2/", str(folder)), names)
    assert (tmp_path / "position-pca.png").exists()
