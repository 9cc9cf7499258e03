"""Measuring every pair of a comparison: on threads, with progress, and kept in the cache."""

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..anatomy.part import Part
from ..base import Progress, cache_folder
from ..checkpoint.tensor import Checkpoint
from ..volume.array_files import load_arrays, save_arrays
from ..volume.overview.run import Step, run_all
from .parts import Moments, pair_moments
from .spectrum import Spectrum, change_spectrum

__all__ = ["Measures"]

Pairs = Sequence[tuple[Part, Part]]

_VERSION = 1
"""Raised when the meaning of the stored arrays changes."""

COUNTS = ("n", "flips", "nonfinite_a", "nonfinite_b")
SUMS = ("aa", "bb", "ab", "dd", "largest")


class Measures:
    """What is measured of the pairs of two checkpoints, now or earlier.

    Parameters
    ----------
    a, b
        The checkpoints.
    pairs
        Parts of a and their counterparts in b, of the same shape.
    """

    def __init__(self, a: Checkpoint, b: Checkpoint, pairs: Pairs) -> None:
        self._a = a
        self._b = b
        self._pairs = tuple(pairs)

    def stored_moments(self) -> list[Moments] | None:
        """The moments of every pair if the cache has them."""
        arrays = load_arrays(self._path("moments"))
        try:
            return None if arrays is None else _to_moments(arrays)
        except (KeyError, ValueError):
            return None

    def moments(self, progress: Progress | None = None) -> list[Moments]:
        """The moments of every pair, from the cache or by reading both checkpoints once.

        Raises
        ------
        Cancelled
            `progress` asked to stop.
        """
        stored = self.stored_moments()
        if stored is not None:
            return stored
        found: list[Moments | None] = [None] * len(self._pairs)
        if progress is not None:
            progress.start(sum(part.size for part, _ in self._pairs), "Comparing")

        def work(position: int, step: Step) -> None:
            mine, other = self._pairs[position]
            found[position] = pair_moments(self._a, mine, self._b, other, step)

        run_all(work, self._largest_first(), progress)
        done = [moments for moments in found if moments is not None]
        self._keep("moments", _from_moments(done))
        return done

    def stored_spectra(self) -> dict[str, Spectrum] | None:
        """The spectra by name of the part in a, if the cache has them."""
        arrays = load_arrays(self._path("spectra"))
        try:
            return None if arrays is None else _to_spectra(arrays)
        except (KeyError, ValueError):
            return None

    def spectra(self, progress: Progress | None = None) -> dict[str, Spectrum]:
        """The singular values of every change that is a matrix; see `spectrum`.

        Raises
        ------
        Cancelled
            `progress` asked to stop.
        """
        stored = self.stored_spectra()
        if stored is not None:
            return stored
        moments = self.moments(progress)
        found: dict[str, Spectrum] = {}
        if progress is not None:
            progress.start(sum(part.size for part, _ in self._pairs), "Ranks of the changes")

        def work(position: int, step: Step) -> None:
            mine, other = self._pairs[position]
            spectrum = change_spectrum(self._a, mine, self._b, other, moments[position], step)
            if spectrum is not None:
                found[mine.name] = spectrum

        # One after another: LAPACK has threads of its own, which would wait for each other.
        run_all(work, self._largest_first(), progress, threads=1)
        ordered = {part.name: found[part.name] for part, _ in self._pairs if part.name in found}
        self._keep("spectra", _from_spectra(ordered))
        return ordered

    def _largest_first(self) -> list[int]:
        """Positions of the pairs; a large one that came last would keep a single thread busy."""
        return sorted(range(len(self._pairs)), key=lambda i: -self._pairs[i][0].size)

    def _path(self, what: str) -> Path:
        pairs = [
            (x.name, x.tensor, x.view, x.shift, y.tensor, y.view, y.shift) for x, y in self._pairs
        ]
        text = f"{_VERSION} {self._a.fingerprint} {self._b.fingerprint} {pairs}"
        digest = hashlib.sha256(text.encode()).hexdigest()[:32]
        return cache_folder("comparisons") / f"{digest}-{what}.npz"

    def _keep(self, what: str, arrays: dict[str, NDArray[Any]]) -> None:
        """Write to the cache; without a writable one the numbers are just not kept."""
        path = self._path(what)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            save_arrays(path, arrays)


def _from_moments(moments: Sequence[Moments]) -> dict[str, NDArray[Any]]:
    places = [m.place if m.place is not None else None for m in moments]
    return {
        "counts": np.array([[getattr(m, name) for name in COUNTS] for m in moments], np.int64),
        "sums": np.array([[getattr(m, name) for name in SUMS] for m in moments], np.float64),
        "axes": np.array([-1 if p is None else len(p) for p in places], np.int64),
        "places": np.array([i for p in places for i in p or ()], np.int64),
    }


def _to_moments(arrays: dict[str, NDArray[Any]]) -> list[Moments]:
    found = []
    at = 0
    rows = zip(
        arrays["counts"].tolist(), arrays["sums"].tolist(), arrays["axes"].tolist(), strict=True
    )
    for counts, sums, axes in rows:
        place = None if axes < 0 else tuple(arrays["places"][at : at + axes].tolist())
        at += max(axes, 0)
        named = dict(zip(COUNTS, counts, strict=True)) | dict(zip(SUMS, sums, strict=True))
        found.append(Moments(place=place, **named))
    return found


def _from_spectra(spectra: dict[str, Spectrum]) -> dict[str, NDArray[Any]]:
    found = list(spectra.values())
    return {
        "names": np.array(list(spectra), np.str_),
        "sizes": np.array([len(s.values) for s in found], np.int64),
        "values": np.concatenate([np.zeros(0), *(s.values for s in found)]),
        "totals": np.array([s.total for s in found], np.float64),
        "tolerances": np.array([s.tolerance for s in found], np.float64),
        "complete": np.array([s.complete for s in found], np.bool_),
    }


def _to_spectra(arrays: dict[str, NDArray[Any]]) -> dict[str, Spectrum]:
    values = np.split(arrays["values"], np.cumsum(arrays["sizes"])[:-1])
    rows = (
        zip(
            arrays["names"].tolist(),
            values,
            arrays["totals"].tolist(),
            arrays["tolerances"].tolist(),
            arrays["complete"].tolist(),
            strict=True,
        )
        if len(arrays["names"])
        else ()
    )
    return {name: Spectrum(*rest) for name, *rest in rows}
