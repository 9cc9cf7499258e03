"""Activity: what was measured while a model read one text."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...anatomy.part import HyperParameters
from ...base import Progress, TomoError
from .sites import SITES, site
from .store import Layers, Store
from .tokens import Tokens

if TYPE_CHECKING:
    from ..running.model import LanguageModel

__all__ = ["Activity", "Source"]


@dataclass(frozen=True)
class Source:
    """What an activity was measured on.

    Attributes
    ----------
    name
        Short name of the model, for titles.
    path
        Its folder or file as text; None where it is not known.
    family
        ``model_type`` of its config, None where it is not known.
    sizes
        Sizes of the model.
    changes
        Interventions and switches under which it ran, one sentence each.
    """

    name: str
    path: str | None = None
    family: str | None = None
    sizes: HyperParameters = field(default_factory=HyperParameters)
    changes: tuple[str, ...] = ()


class Activity(Mapping[str, Any]):
    """What was measured while a model read one text: arrays by the names in `SITES`.

    Parameters
    ----------
    tokens
        The tokens of the text.
    arrays
        Arrays in the axes of their `Site`: numpy or zarr, float32 (ids int64); a zarr array is
        read when it is indexed.
    source
        What it was measured on.
    model
        The model itself while it is loaded; None for an activity that was stored.
    notes
        What a person should know: what was not recorded and why, tokens that were cut off.
    store
        Holds those arrays that are on disk, as long as the activity is there.
    """

    def __init__(
        self,
        tokens: Tokens,
        arrays: Mapping[str, Any],
        source: Source,
        *,
        model: "LanguageModel | None" = None,
        notes: tuple[str, ...] = (),
        store: Store | None = None,
    ) -> None:
        for name in arrays:
            site(name)
        self.tokens = tokens
        self.source = source
        self.model = model
        self.notes = notes
        self._store = store
        self._arrays = {name: arrays[name] for name in SITES if name in arrays}

    def __getitem__(self, name: str) -> Any:
        found = self._arrays.get(name)
        if isinstance(found, Layers):
            found = self._arrays[name] = np.asarray(found)
        if found is not None:
            return found
        wanted = site(name)
        there = ", ".join(self._arrays) or "nothing"
        raise MissingActivity(
            f"{wanted.title[0].upper()}{wanted.title[1:]} ({name!r}) was not recorded; there is: "
            f"{there}. Run the model again and ask for it."
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def read(self, name: str, *index: Any) -> NDArray[Any]:
        """``activity[name][index]`` as a numpy array in memory."""
        return np.asarray(self[name][index or ...])

    def save(self, path: str | os.PathLike[str], progress: Progress | None = None) -> Path:
        """Write everything to a folder, a zarr group that `open_activity` opens; see there.

        Raises
        ------
        TomoError
            The folder cannot be written, or holds something else.
        Cancelled
            `progress` asked to stop; what was there before is there still.
        """
        from .files import save_activity

        return save_activity(self, path, progress)

    def with_model(
        self, device: str = "auto", dtype: str = "auto", progress: Progress | None = None
    ) -> "Activity":
        """The same activity with its model, which is loaded from where it was.

        Parameters
        ----------
        device, dtype
            See `LanguageModel.load`.
        progress
            Told of the loading, and of the run that shows whether it is the same model.

        Raises
        ------
        TomoError
            The model is not there any more, cannot be run, or is another by now.
        """
        from .origin import with_model

        return with_model(self, device, dtype, progress)

    def replace(
        self, *, model: "LanguageModel | None", notes: tuple[str, ...] | None = None
    ) -> "Activity":
        """The same arrays with another model, and other notes if they are given."""
        return Activity(
            self.tokens,
            self._arrays,
            self.source,
            model=model,
            notes=self.notes if notes is None else notes,
            store=self._store,
        )

    @property
    def n_layers(self) -> int:
        """Number of blocks that were recorded."""
        for name, array in self._arrays.items():
            if SITES[name].axes[0] == "layer":
                return int(array.shape[0])
        return self.source.sizes.n_layers or 0

    @property
    def text(self) -> str:
        """The text; put together from the tokens where only they are known."""
        tokens = self.tokens
        if tokens.text is not None:
            return tokens.text
        # Where the strings are the ids themselves, nothing else tells them apart.
        numbers = tokens.strings == tuple(map(str, tokens.ids.tolist()))
        return (" " if numbers else "").join(tokens.strings)

    def __repr__(self) -> str:
        return (
            f"<Activity of {self.source.name}: {len(self.tokens)} tokens, "
            f"{', '.join(self._arrays) or 'nothing recorded'}>"
        )


class MissingActivity(TomoError, KeyError):
    """A site of which nothing was recorded."""

    # KeyError would show the message quoted.
    __str__ = Exception.__str__
