"""A language model that is loaded and can be run."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...anatomy.part import HyperParameters
from ..record import Activity, Tokens

__all__ = ["LanguageModel"]

F32 = NDArray[np.float32]


class LanguageModel:
    """A language model that is loaded and can be run; arrays go in and come out as numpy.

    Attributes
    ----------
    name, path, family, sizes
        Short name, folder, ``model_type``, and sizes of the model.
    device, dtype
        Where it computes, and in what.
    causal
        Whether it predicts the next token; an encoder does not.
    """

    name: str
    path: Path
    family: str
    sizes: HyperParameters
    device: str
    dtype: str
    causal: bool

    @classmethod
    def load(cls, path: str | os.PathLike[str], **options: Any) -> "LanguageModel":
        """Load a model from a local folder or the Hugging Face cache."""
        raise NotImplementedError

    def tokens(self, text: str) -> Tokens:
        """The tokens of a text."""
        raise NotImplementedError

    def run(self, text: str, what: Sequence[str] | None = None) -> Activity:
        """What happens inside while it reads a text."""
        raise NotImplementedError

    def weight(self, role: str, layer: int | None = None, head: int | None = None) -> F32:
        """A weight as it is used in the computation."""
        raise NotImplementedError
