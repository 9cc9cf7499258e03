"""Experts in the navigator: one after the other, alone, in colour, and compared."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from napari_gpt2_tomo.facade import Scan
from napari_gpt2_tomo.viewer.navigator.dock import Navigator
from volume.architectures import Sizes, mixtral

SIZES = Sizes(16, 2, 2, 2, 8, 8, 20, 4, 6, 12, False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from safetensors.numpy import save_file

    made = mixtral(SIZES)
    rng = np.random.default_rng(0)
    where = tmp_path_factory.mktemp("mixture")
    tensors = {name: rng.normal(0, 0.1, shape) for name, shape in made.shapes.items()}
    save_file(
        {name: w.astype(np.float32) for name, w in tensors.items()}, where / "model.safetensors"
    )
    (where / "config.json").write_text(json.dumps(made.config))
    return where


@pytest.fixture
def mixture(folder, settle, qtbot):
    from napari.components import ViewerModel

    from napari_gpt2_tomo.viewer.layers import add_scan
    from napari_gpt2_tomo.viewer.link import link_of

    viewer = ViewerModel()
    with Scan(folder) as scan:
        layers = add_scan(viewer, scan, "experts")
        settle()
        viewer.canvas.size = (600, 800)
        viewer.reset_view()
        dock = Navigator(viewer)
        qtbot.addWidget(dock)
        dock.experts._measure()
        settle()
        yield SimpleNamespace(
            viewer=viewer, scan=scan, link=link_of(layers.image), dock=dock, tab=dock.experts
        )
        dock._let_go()
        viewer.layers.clear()
        settle()


def here(mixture) -> str:
    return mixture.link.part_at(mixture.link.cursor.position)


def test_the_tab_is_there_for_mixtures_only(mixture, shown, qtbot):
    assert mixture.dock.tabs.isTabVisible(3)
    dense = Navigator(shown.viewer)
    qtbot.addWidget(dense)
    assert not dense.tabs.isTabVisible(3)
    dense._let_go()


def test_next_and_previous_go_from_expert_to_expert_and_around(mixture):
    mixture.dock.go("L1 E4 up")
    assert mixture.tab.part == "L1.E4.up"
    mixture.tab.forward.click()
    assert here(mixture) == mixture.tab.part == "L1.E5.up"
    mixture.tab.forward.click()
    assert here(mixture) == "L1.E0.up"
    mixture.tab.back.click()
    assert here(mixture) == "L1.E5.up"


def test_an_expert_is_isolated_and_tinted_in_its_layer_or_in_all(mixture):
    mixture.dock.go("L1.E3.gate")
    mixture.tab.isolate.click()
    console = mixture.link.console
    assert console.shown == {"L1.E3.gate", "L1.E3.up", "L1.E3.down"}
    mixture.tab.isolate.click()
    assert console.shown is None
    mixture.tab.everywhere.setChecked(True)
    mixture.tab.tint.click()
    expected = {f"L{layer}.E3.{role}" for layer in (0, 1) for role in ("gate", "up", "down")}
    assert set(console.tints) == expected
    mixture.tab.tint.click()
    assert not console.tints


def test_an_isolated_expert_is_gone_to(mixture):
    mixture.dock.go("L0.E3.gate")
    mixture.tab.layer.setCurrentIndex(1)
    assert here(mixture) == "L0.E3.gate"
    mixture.tab.isolate.click()
    assert here(mixture) == "L1.E3.gate"
    mixture.tab.isolate.click()


def test_the_end_of_a_reading_that_was_stopped_is_not_that_of_the_next(mixture, settle):
    mixture.tab._measure()
    before = mixture.tab._job
    mixture.tab._measure()
    before.wait()
    settle()
    assert mixture.tab._job is None


def test_maps_lead_to_experts(mixture):
    plot = mixture.tab.plot
    assert plot.plot.name == "experts-norm"
    event = SimpleNamespace(inaxes=plot.figure.axes[0], xdata=4.2, ydata=0.9)
    mixture.tab._clicked(event)
    assert here(mixture) == "L1.E4.gate"
    mixture.tab.look.setCurrentIndex(mixture.tab.look.findData("router"))
    mixture.tab._show()
    assert plot.plot.name == "experts-router-l1"
    mixture.tab._clicked(SimpleNamespace(inaxes=plot.figure.axes[0], xdata=2.0, ydata=0.0))
    assert here(mixture) == "L1.E2.gate"


def test_the_table_sorts_and_leads_to_experts(mixture):
    from qtpy.QtCore import Qt

    tab = mixture.tab
    tab.look.setCurrentIndex(tab.look.findData("table"))
    tab._show()
    model = tab.table.model()
    assert model.rowCount() == 12
    tab.table.sortByColumn(2, Qt.SortOrder.DescendingOrder)
    norms = [float(model.index(row, 2).data()) for row in range(12)]
    assert norms == sorted(norms, reverse=True)
    first = model.index(0, 0)
    tab._row_chosen(first)
    assert here(mixture) == f"L{first.data()}.E{model.index(0, 1).data()}.gate"


def test_the_tree_holds_experts_between_layer_and_matrices(mixture):
    from napari_gpt2_tomo.display.tree import model_tree, search

    root = model_tree(mixture.scan.anatomy, "m")
    found = search(root, "expert 4 L1")
    titles = [node.title for node in found.walk()]
    assert titles == ["m", "layer 1", "MLP", "experts", "expert 4", "gate", "up", "down"]


def test_large_models_are_estimated_until_somebody_asks(mixture, settle, monkeypatch):
    from napari_gpt2_tomo.viewer.navigator import experts_tab

    tab = mixture.tab
    assert not tab._table.estimate
    exact = tab._table.grid("norm")
    asked = []
    table = mixture.scan.expert_table

    def told(**options):
        asked.append(options["exact"])
        return table(**options)

    monkeypatch.setattr(experts_tab, "AT_ONCE", 10)
    monkeypatch.setattr(mixture.scan, "expert_table", told)
    tab._measure()
    settle()
    tab.exact.click()
    settle()
    assert asked == [False, True]
    np.testing.assert_allclose(tab._table.grid("norm"), exact)
