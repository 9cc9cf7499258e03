"""Pictures of the functional scan: what a text does in a model."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import napari_gpt2_tomo as tomo
from napari_gpt2_tomo.activity.attention.figures import measured
from napari_gpt2_tomo.activity.lesson import write_lesson
from napari_gpt2_tomo.activity.record import Activity
from napari_gpt2_tomo.viewer.activity.desk import desk_of
from napari_gpt2_tomo.viewer.activity.layers import view_activity
from napari_gpt2_tomo.viewer.activity.overlay import paint_activity
from napari_gpt2_tomo.viewer.preferences import PLUGIN
from napari_gpt2_tomo.viewer.session import session_of

from .browser import page_of
from .picture import Pixels, beside, decoded, floating, grab, only_canvas, settle, window
from .subject import Subject
from .weights import viewer_of

__all__ = [
    "attention",
    "functional_scan",
    "geometry",
    "interventions",
    "journey",
    "layer",
    "lens",
    "lesson",
    "sweep",
]

WINDOW = (1400, 860)
"""Width and height in pixels of a window with a dock: its letters are read on half a screen."""

DOCK = (420, 800)
"""Of a dock that is shown by itself."""

LOW = (420, 720)
"""Of one whose picture is a square."""

SMALL = (1150, 760)
"""Of a window without a dock."""

PAGE = (1240, 740)
"""Of a browser's window."""

AT_ONCE = "one => one.scrollIntoView({behavior: 'instant', block: 'center'})"
"""Scrolls an element to the middle, without the way there."""

CLEAR = 0.5
"""Share of the attention from which a head does what a metric says."""


def functional_scan(subject: Subject) -> Pixels:
    """The window with a prompt, what comes next, and the activity on the body."""
    viewer = viewer_of(subject.scan, WINDOW)
    activity = subject.activity
    desk_of(viewer).show(activity)
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Functional scan")
    dock.prompt.text.setPlainText(subject.prompt)
    paint_activity(viewer)
    viewer.dims.ndisplay = 3
    settle()
    viewer.fit_to_view()
    pixels = window(viewer)
    viewer.close()
    return pixels


def layer(subject: Subject) -> Pixels:
    """The window with the pattern of a head as a layer."""
    import napari

    viewer = napari.Viewer()
    viewer.window.resize(*SMALL)
    settle()
    view_activity(subject.activity, viewer)
    where, head = _look_at_head(viewer, subject.activity)
    settle()
    # As if the mouse pointed at what the last token looks at most.
    query = desk_of(viewer).place.token
    key = int(subject.activity["pattern"][where, head, query].argmax())
    viewer.cursor.position = (*viewer.dims.point[:-2], query, key)
    session = session_of(viewer)
    assert session is not None
    assert session.probe is not None
    session.probe.update()
    pixels = window(viewer)
    viewer.close()
    return pixels


def attention(subject: Subject) -> Pixels:
    """The attention dock: a head, all heads, their metrics."""
    with _desk(subject) as viewer:
        _look_at_head(viewer, subject.activity)
        dock, widget = floating(viewer, "Attention", LOW)
        shots = []
        for tab in (widget.pattern, widget.heads, widget.metrics):
            widget.tabs.setCurrentWidget(tab)
            shots.append(grab(dock))
        return beside(*shots)


def lens(subject: Subject) -> Pixels:
    """The lens, what wrote the prediction, and the next token."""
    with _desk(subject) as viewer:
        dock, widget = floating(viewer, "Logit lens", DOCK)
        shots = []
        for tab in (widget.heat, widget.parts):
            widget.tabs.setCurrentWidget(tab)
            shots.append(grab(dock))
        dock, _ = floating(viewer, "Next token", DOCK)
        return beside(*shots, grab(dock))


def journey(subject: Subject) -> Pixels:
    """The window with the tokens' paths, and the dock that measures them."""
    with _desk(subject) as viewer:
        _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Journey")
        settle()
        only_canvas(viewer)
        widget.toggle_scene()
        settle()
        # Behind the last attention: later the colours of all ends are alike.
        widget.scene.go(len(widget.scene.picture.names) - 3)
        widget.scene.look()
        return window(viewer)


def geometry(subject: Subject) -> Pixels:
    """The window with the tokens on the sphere of a norm in the middle of the model."""
    with _desk(subject) as viewer:
        desk_of(viewer).move(layer=subject.activity.n_layers // 2)
        _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Geometry")
        settle()
        only_canvas(viewer)
        widget.norm.toggle_scene()
        settle()
        widget.norm.scene.look()
        return window(viewer)


def interventions(subject: Subject) -> Pixels:
    """The dock of interventions, with the heads taken out that matter for the next token."""
    with _desk(subject) as viewer:
        dock, widget = floating(viewer, "Interventions", LOW)
        tab, desk, activity = widget.changes, desk_of(viewer), subject.activity
        assert activity.model is not None
        found = tomo.sweep(activity.model, activity.tokens, "heads", "zero")
        for how, (at, head, _) in zip(("zero", "mean"), found.strongest(2), strict=True):
            desk.move(layer=at, head=head)
            _choose(tab.what, "head")
            _choose(tab.how, how)
            tab.add()
        desk.move(layer=activity.n_layers - 1)
        _choose(tab.what, "mlp")
        _choose(tab.how, "zero")
        tab.only.setChecked(True)
        tab.add()
        if subject.words is not None:
            tab.also.setText(", ".join(subject.words))
            tab.also.editingFinished.emit()
        return grab(dock)


def sweep(subject: Subject) -> Pixels:
    """A sweep: patching from the other text token by token, or every head taken out without one."""
    with _desk(subject) as viewer:
        dock, widget = floating(viewer, "Interventions", LOW)
        widget.tabs.setCurrentWidget(widget.sweep)
        tab = widget.sweep
        if subject.other is not None and subject.words is not None:
            _choose(tab.over, "resid_pre")
            _choose(tab.how, "patch")
            tab.other.line.setText(subject.other)
            _choose(tab.metric, "difference")
            tab.token.setText(subject.words[0])
            tab.minus.setText(subject.words[1])
        tab.start()
        settle()
        where, at, _ = tab.sweep.strongest(1)[0]
        over = "head" if tab.sweep.over == "heads" else "token"
        desk_of(viewer).move(layer=where, **{over: at})
        return grab(dock)


def lesson(subject: Subject) -> Pixels:
    """The chapter on attention of the lesson."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lesson.html"
        where, head = telling_head(subject.activity)
        write_lesson(subject.activity, path, layer=where, head=head)
        with page_of(path, PAGE, "html[data-ready]") as tab:
            tab.locator("#matrix").evaluate(AT_ONCE)
            return decoded(tab.screenshot())


def telling_head(activity: Activity) -> tuple[int, int]:
    """Layer and head with the clearest pattern: induction if there is any, else the head that
    looks most at the token before.
    """
    found = measured(activity)
    if "prefix" in found.defined and np.nanmax(found["prefix"]) > CLEAR:
        return found.best("prefix")
    return found.best("previous")


@contextmanager
def _desk(subject: Subject) -> Iterator[Any]:
    """A window without layers, with the activity on its desk."""
    import napari

    viewer = napari.Viewer()
    viewer.window.resize(*WINDOW)
    desk_of(viewer).show(subject.activity)
    try:
        yield viewer
    finally:
        settle()
        viewer.close()


def _look_at_head(viewer: Any, activity: Activity) -> tuple[int, int]:
    where, head = telling_head(activity)
    desk_of(viewer).move(layer=where, head=head)
    return where, head


def _choose(box: Any, value: str) -> None:
    box.setCurrentIndex(box.findData(value))
