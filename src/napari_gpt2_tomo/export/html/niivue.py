"""niivue's JavaScript, as the installed package ``ipyniivue`` carries it.

Its Jupyter widget holds a whole build of niivue as one percent-encoded string,
which it imports from a blob. A page does the same, so nothing has to be
vendored or fetched. niivue and ipyniivue are under the BSD 2-Clause licence,
whose notice goes into every page.
"""

import re
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

from ...base import TomoError

__all__ = ["NIIVUE", "niivue_module", "niivue_notice"]

NIIVUE = "0.65.0"
"""The version that the page is written for: it uses parts of niivue's renderer."""

WHEEL = "ipyniivue"

_STRING = re.compile(r'="((?:var|import|let|const)%20[^"\\]{500000,})"')
"""The module: by far the longest string of the widget."""

TAIL = 2000
"""Characters at the end of the module that hold its list of exports."""

ADVICE = 'Install the one that fits: pip install "ipyniivue>=2.4,<2.5"'


@cache
def niivue_module() -> str:
    """Source of niivue as an ES module that exports ``Niivue``, about 2.4 MB.

    Raises
    ------
    TomoError
        The package is not installed, or another version than `NIIVUE` is in it.
    """
    found = max(_STRING.findall(_widget()), key=len, default="")
    source = unquote(found)
    if f'version:"{NIIVUE}"' not in source or "Niivue" not in source[-TAIL:]:
        raise TomoError(
            f"The page needs niivue {NIIVUE}, which {WHEEL} {_installed()} does not hold. {ADVICE}"
        )
    return source


def niivue_notice() -> str:
    """The licence that a copy of niivue has to carry."""
    text = metadata.distribution(WHEEL).read_text("licenses/LICENSE")
    return (text or "BSD 2-Clause License. Copyright (c) Niivue. All rights reserved.").strip()


def _widget() -> str:
    # Importing the package would import Jupyter's widgets with it.
    package = find_spec(WHEEL)
    for folder in (package and package.submodule_search_locations) or ():
        try:
            return Path(folder, "static", "widget.js").read_text(encoding="utf-8")
        except OSError:
            continue
    raise TomoError(
        f"The page needs niivue from the package {WHEEL}, which is not installed. {ADVICE}"
    )


def _installed() -> str:
    try:
        return metadata.version(WHEEL)
    except metadata.PackageNotFoundError:
        return "of unknown version"
