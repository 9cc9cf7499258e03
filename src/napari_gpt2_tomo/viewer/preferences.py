"""What the user set on the plugin's page of napari's Preferences."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["PLUGIN", "Preferences", "on_change", "preferences"]

PLUGIN = "napari-gpt2-tomo"
"""Name of the plugin in its manifest."""

SECTION = "scan"
"""Key of the configuration in the manifest."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """The plugin's preferences; the defaults are those of the manifest.

    Attributes
    ----------
    detail_megabytes
        Memory in MB (2²⁰ bytes) that one volume may take on the GPU in 3-D.
    cache_gigabytes
        Disk space in GB (2³⁰ bytes) for overviews in the user's cache.
    layout, signal
        What a dropped file is shown as.
    """

    detail_megabytes: int = 256
    cache_gigabytes: float = 10.0
    layout: str = "auto"
    signal: str = "magnitude"


def preferences() -> Preferences:
    """The present preferences; the defaults where napari cannot tell them.

    napari knows no settings of a plugin that is disabled or that a script uses
    without its manifest.
    """
    section = _section()
    if section is None:
        return Preferences()
    default = Preferences()
    return Preferences(
        **{
            name: getattr(section, name, getattr(default, name))
            for name in Preferences.__dataclass_fields__
        }
    )


def on_change(callback: Callable[[], None]) -> Callable[[], None]:
    """Call `callback` when a preference changes; returns a function that ends it."""
    section = _section()
    if section is None:
        return lambda: None

    def changed(event: Any = None) -> None:
        callback()

    section.events.connect(changed)
    return lambda: section.events.disconnect(changed)


def _section() -> Any:
    try:
        from napari.settings import get_plugin_settings

        return getattr(get_plugin_settings(PLUGIN), SECTION, None)
    except (ImportError, KeyError):
        return None
