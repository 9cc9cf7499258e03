"""Names and shapes to the parts of a transformer. Reads no weights."""

from .anatomy import Anatomy
from .families import FAMILIES
from .part import Group, Heads, HyperParameters, Part
from .recognise import recognise
from .roles import ROLES
from .view import View

__all__ = [
    "FAMILIES",
    "ROLES",
    "Anatomy",
    "Group",
    "Heads",
    "HyperParameters",
    "Part",
    "View",
    "recognise",
]
