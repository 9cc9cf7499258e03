"""Text of others in a page: names of tensors and metadata are never trusted.

Three places, three rules: text between tags, the value of an attribute, and JSON
inside a script element, which ends where ``</script`` stands whatever the JSON says
(https://html.spec.whatwg.org/multipage/scripting.html#restrictions-for-contents-of-script-elements).
"""

import html
import json
import re
from typing import Any

__all__ = ["in_attribute", "in_script", "in_text"]

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""What an HTML file may not hold, or no UTF-8 file can."""

_IN_SCRIPT = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}
"""No tag, comment or entity can begin without one of these; JSON reads them back."""


def in_text(text: str) -> str:
    """`text` for the place between two tags."""
    return html.escape(_clean(text), quote=False)


def in_attribute(text: str) -> str:
    """`text` for an attribute's value between quotation marks of either kind."""
    return html.escape(_clean(text), quote=True)


def in_script(data: Any) -> str:
    """`data` as JSON, in ASCII, for a script element of the type ``application/json``.

    Raises
    ------
    ValueError
        A number is not finite: JSON has no word for it.
    """
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.translate(_IN_SCRIPT)


def _clean(text: str) -> str:
    return _CONTROL.sub("\ufffd", text)
