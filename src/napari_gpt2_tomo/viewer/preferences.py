"""What the user set on the plugin's page of napari's Preferences."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["CONSOLE", "PLUGIN", "SECTION", "Preferences", "on_change", "preferences", "section"]

PLUGIN = "napari-gpt2-tomo"
"""Name of the plugin in its manifest."""

SECTION, CONSOLE = "scan", "console"
"""Keys of the configurations in the manifest."""


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
    found = section(SECTION)
    if found is None:
        return Preferences()
    default = Preferences()
    return Preferences(
        **{
            name: getattr(found, name, getattr(default, name))
            for name in Preferences.__dataclass_fields__
        }
    )


def on_change(callback: Callable[[], None], key: str = SECTION) -> Callable[[], None]:
    """Call `callback` when a preference changes; returns a function that ends it."""
    found = section(key)
    if found is None:
        return lambda: None

    def changed(event: Any = None) -> None:
        callback()

    found.events.connect(changed)
    return lambda: found.events.disconnect(changed)


def section(key: str) -> Any:
    """The settings of a configuration of the manifest; None where napari does not know it."""
    try:
        from napari.settings import get_plugin_settings

        return getattr(get_plugin_settings(PLUGIN), key, None)
    except (ImportError, KeyError):
        return None
