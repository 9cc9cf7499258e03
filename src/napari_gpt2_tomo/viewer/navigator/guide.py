"""Finding what a person asks for in the scan of a link."""

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from ...base import DisplayError
from ...display.queries import Finder
from ...display.vocabulary import Vocabulary

if TYPE_CHECKING:
    from ...facade import Scan
    from ..link import ScanLink

__all__ = ["finder", "known_vocabulary", "load_vocabulary"]

_finders: "WeakKeyDictionary[ScanLink, Finder]" = WeakKeyDictionary()
_vocabularies: "WeakKeyDictionary[Scan, Vocabulary | DisplayError | None]" = WeakKeyDictionary()


def finder(link: "ScanLink") -> Finder:
    """What finds places in the volume that a link shows at present."""
    found = _finders.get(link)
    if found is None or found.volume is not link.volume:
        scan = link.scan
        found = _finders[link] = Finder(link.volume, scan.shapes, lambda: load_vocabulary(scan))
    return found


def load_vocabulary(scan: "Scan") -> Vocabulary | None:
    """The words of a model's tokenizer, None if it has none; slow the first time.

    Raises
    ------
    DisplayError
        There is a tokenizer, but it cannot be read.
    """
    if scan not in _vocabularies:
        try:
            _vocabularies[scan] = Vocabulary.of(scan.checkpoint)
        except DisplayError as error:
            _vocabularies[scan] = error
    found = _vocabularies[scan]
    if isinstance(found, DisplayError):
        raise DisplayError(str(found))
    return found


def known_vocabulary(scan: "Scan") -> Vocabulary | None:
    """The words of a model's tokenizer if they have been loaded."""
    found = _vocabularies.get(scan)
    return found if isinstance(found, Vocabulary) else None


def is_loaded(scan: "Scan") -> bool:
    """Whether `load_vocabulary` answers at once."""
    return scan in _vocabularies
