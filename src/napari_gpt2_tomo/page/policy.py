"""What a page may do: nothing but run its own scripts.

A Content Security Policy (https://www.w3.org/TR/CSP3/) that names every inline
script and style by its digest. Markup that got into the page by a mistake
could then still neither run a script nor reach the network.
"""

import base64
import hashlib
from collections.abc import Sequence

__all__ = ["content_policy", "digest"]

NOTHING = ("'none'",)

BLOBS = ("blob:",)
"""For modules that a page unpacks from its own data and then imports."""


def digest(source: str) -> str:
    """The name of an inline script or style in a policy."""
    hashed = hashlib.sha256(source.encode()).digest()
    return f"'sha256-{base64.b64encode(hashed).decode()}'"


def content_policy(
    scripts: Sequence[str], styles: Sequence[str], *, unpacks_modules: bool = False
) -> str:
    """The policy of a page with these inline scripts and styles.

    Parameters
    ----------
    scripts, styles
        Their sources, exactly as they stand between the tags.
    unpacks_modules
        Whether the page imports modules from blobs that it makes itself. Such a
        module may also read what it carries as ``data:``; the network stays closed.
    """
    allowed = {
        "default-src": (),
        "script-src": (*map(digest, scripts), *(BLOBS if unpacks_modules else ())),
        "style-src": tuple(map(digest, styles)),
        "img-src": ("data:", "blob:"),
        "connect-src": ("data:",) if unpacks_modules else (),
        "font-src": ("data:",) if unpacks_modules else (),
        "base-uri": (),
        "form-action": (),
    }
    return "; ".join(f"{name} {' '.join(sources or NOTHING)}" for name, sources in allowed.items())
