"""The small model in a viewer without a window."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from napari_gpt2_tomo.facade import Scan


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What napari was told to show."""
    from napari.utils.notifications import notification_manager

    texts: list[str] = []
    monkeypatch.setattr(notification_manager, "dispatch", lambda note: texts.append(note.message))
    return texts


@pytest.fixture
def budget(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The 3-D budget in bytes, as a list of one."""
    from napari_gpt2_tomo.viewer import session
    from napari_gpt2_tomo.viewer.console import region_panel, volume_panel

    found = [2**28]
    for module in (session, region_panel, volume_panel):
        monkeypatch.setattr(module, "detail_budget", lambda: found[0])
    return found


def _live(viewer, path: Path, settle, **options) -> Iterator[SimpleNamespace]:
    from napari_gpt2_tomo.viewer.layers import add_scan
    from napari_gpt2_tomo.viewer.link import link_of
    from napari_gpt2_tomo.viewer.session import session_of

    with Scan(path) as scan:
        image = add_scan(viewer, scan, **options).image
        settle()
        link = link_of(image)
        yield SimpleNamespace(
            viewer=viewer,
            scan=scan,
            image=image,
            link=link,
            console=link.console,
            scene=session_of(viewer).scenes[image],
        )
        viewer.layers.clear()
        settle()


@pytest.fixture
def shown(model: Path, settle, qapp, budget) -> Iterator[SimpleNamespace]:
    """The small model in a viewer without a window: viewer, scan, image, link, console, scene."""
    from napari.components import ViewerModel

    yield from _live(ViewerModel(), model, settle)


@pytest.fixture
def on_screen(model: Path, settle, window, budget) -> Iterator[SimpleNamespace]:
    """The same in a visible window, for pixels."""
    window.canvas.overlays.text.visible = False
    for found in _live(window, model, settle):
        window.canvas.overlays.text.visible = False
        yield found
