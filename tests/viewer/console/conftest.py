"""A scan in a viewer without a window, for panels; settings that no other test sees."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from napari_gpt2_tomo.facade import Scan


@pytest.fixture(autouse=True)
def fresh_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the console remembers begins empty, and napari's settings are left alone."""
    from napari_gpt2_tomo.viewer import remembered
    from napari_gpt2_tomo.viewer.console import notice

    blank = {"drag_window": True, "offer_console": True, "presets": "", "recent_scans": ""}
    monkeypatch.setattr(remembered, "_unsaved", blank)
    monkeypatch.setattr(remembered, "section", lambda key: None)
    monkeypatch.setattr(notice, "_expected", False)
    monkeypatch.setattr(notice, "_offered", False)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What napari was told to show."""
    from napari.utils.notifications import notification_manager

    texts: list[str] = []
    monkeypatch.setattr(notification_manager, "dispatch", lambda note: texts.append(note.message))
    return texts


def _live(viewer, path: Path, settle, **options) -> Iterator[SimpleNamespace]:
    from napari_gpt2_tomo.viewer.layers import add_scan
    from napari_gpt2_tomo.viewer.link import link_of

    with Scan(path) as scan:
        image = add_scan(viewer, scan, **options).image
        settle()
        link = link_of(image)
        assert link is not None
        yield SimpleNamespace(
            viewer=viewer, scan=scan, image=image, link=link, console=link.console
        )
        viewer.layers.clear()
        settle()


@pytest.fixture
def shown(model: Path, settle, qapp) -> Iterator[SimpleNamespace]:
    """The small model in a viewer without a window: viewer, scan, image, link, console."""
    from napari.components import ViewerModel

    yield from _live(ViewerModel(), model, settle)


@pytest.fixture
def on_screen(model: Path, settle, window) -> Iterator[SimpleNamespace]:
    """The same in a window that is drawn."""
    yield from _live(window, model, settle)


@pytest.fixture
def signed_on_screen(model: Path, settle, window) -> Iterator[SimpleNamespace]:
    """The same with signs."""
    yield from _live(window, model, settle, signal="signed")
