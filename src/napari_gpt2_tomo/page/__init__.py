"""What self-contained HTML pages share: escaping, policy, inlining."""

from .escape import in_attribute, in_script, in_text
from .pack import pack, packed_size, unpack
from .page import Page, write_page
from .policy import content_policy, digest

__all__ = [
    "Page",
    "content_policy",
    "digest",
    "in_attribute",
    "in_script",
    "in_text",
    "pack",
    "packed_size",
    "unpack",
    "write_page",
]
