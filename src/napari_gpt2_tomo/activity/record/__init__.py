"""What was measured while a model read a text: arrays by name, with the text's tokens."""

from .activity import Activity, Source
from .files import holds_activity, open_activity
from .origin import model_place
from .sites import SITES, Site, site
from .states import States, states
from .tokens import Tokens

__all__ = [
    "SITES",
    "Activity",
    "Site",
    "Source",
    "States",
    "Tokens",
    "holds_activity",
    "model_place",
    "open_activity",
    "site",
    "states",
]
