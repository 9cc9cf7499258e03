"""Docks of the functional scan beside the picture: tabs, of which only the front one draws."""

from qtpy.QtWidgets import QTabBar

from napari_gpt2_tomo.viewer.activity.follow import Following
from napari_gpt2_tomo.viewer.activity.run_dock import RunDock, open_dock, open_run

from .made_activity import made_activity

PLUGIN = "napari-gpt2-tomo"
SMALL = (1100, 760)


class Tall(Following):
    """Writes down what it is told, and takes much room."""

    def __init__(self, viewer):
        super().__init__(viewer)
        self.setMinimumHeight(500)
        self.heard = []

    def show_activity(self, activity):
        self.heard.append(activity)


def pair(window, qtbot):
    """Two docks in a window that has no room for both, one above the other."""
    main = window.window._qt_window
    main.resize(*SMALL)
    docks = []
    for name in ("First", "Second"):
        docks.append(window.window.add_dock_widget(Tall(window), name=f"{name} ({PLUGIN})"))
        qtbot.wait(50)
    first, second = (dock.findChild(Tall) for dock in docks)
    return main, docks, first, second


def test_docks_become_tabs_and_the_window_keeps_its_size(window, qtbot):
    main, docks, _, _ = pair(window, qtbot)
    assert main.tabifiedDockWidgets(docks[0]) == [docks[1]]
    assert (main.width(), main.height()) == SMALL
    bars = [bar for bar in main.findChildren(QTabBar) if bar.parent() is main]
    assert [bar.tabText(i) for bar in bars for i in range(bar.count())] == ["First", "Second"]


def test_a_tab_behind_another_draws_when_it_comes_to_the_front(window, qtbot):
    _, docks, first, second = pair(window, qtbot)
    activity = made_activity()
    first.desk.show(activity)
    assert second.heard == [activity]
    assert first.heard == []
    docks[0].raise_()
    qtbot.wait(50)
    assert first.heard == [activity]


def test_a_dock_that_was_moved_away_stays_there(window, qtbot):
    main, docks, _, _ = pair(window, qtbot)
    docks[1].setFloating(True)
    docks[1].hide()
    docks[1].show()
    qtbot.wait(50)
    assert docks[1].isFloating()
    assert main.tabifiedDockWidgets(docks[0]) == []


def test_a_dock_that_is_opened_again_is_the_same(window, qtbot):
    run = open_run(window)
    lens = open_dock(window, "Logit lens")
    qtbot.wait(50)
    assert window.window._qt_window.tabifiedDockWidgets(run) == [lens]
    assert open_run(window) is run
    qtbot.wait(50)
    assert run.findChild(RunDock).seen
