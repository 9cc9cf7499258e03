"""A scan in a viewer without a window where none is needed; nothing of the user's is touched."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from napari_gpt2_tomo.facade import Scan


@pytest.fixture(autouse=True)
def fresh_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is offered anything, and napari's settings are left alone."""
    from napari_gpt2_tomo.viewer import remembered
    from napari_gpt2_tomo.viewer.console import notice

    blank = {"drag_window": True, "offer_console": False, "presets": "", "recent_scans": ""}
    monkeypatch.setattr(remembered, "_unsaved", blank)
    monkeypatch.setattr(remembered, "section", lambda key: None)
    monkeypatch.setattr(notice, "_offered", True)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What napari was told to show."""
    from napari.utils.notifications import notification_manager

    texts: list[str] = []
    monkeypatch.setattr(notification_manager, "dispatch", lambda note: texts.append(note.message))
    return texts


@pytest.fixture
def shown(model: Path, settle, qapp) -> Iterator[SimpleNamespace]:
    """The small model in a viewer without a window: viewer, scan, layers, link, console."""
    from napari.components import ViewerModel

    from napari_gpt2_tomo.viewer.layers import add_scan
    from napari_gpt2_tomo.viewer.link import link_of

    viewer = ViewerModel()
    with Scan(model) as scan:
        layers = add_scan(viewer, scan)
        settle()
        viewer.canvas.size = (600, 800)
        viewer.reset_view()
        link = link_of(layers.image)
        yield SimpleNamespace(
            viewer=viewer,
            scan=scan,
            image=layers.image,
            atlas=layers.atlas,
            link=link,
            console=link.console,
        )
        viewer.layers.clear()
        settle()
