"""Other ways from a checkpoint to an image pyramid; `overview.py --peers` runs them.

    python peers.py naive MODEL_FOLDER
    python peers.py ome-zarr BODY.npy [resize|local_mean]

Each runs in its own interpreter, with its imports done before the clock starts, and prints one
line of JSON: seconds of every step and peak of anonymous memory above the start, in bytes.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measure import Peak

WIDTH = 768
"""The residual stream of GPT-2."""

LEVELS = 5
"""Halvings of a plane of 768 or 800 until it is 32 or less."""

Steps = dict[str, Callable[[Any], Any]]


def naive(folder: str) -> tuple[Any, Steps]:
    """Load with transformers, cut and stack to a volume, halve with `scipy.ndimage.zoom`.

    Linear interpolation, for speed; scipy's default is cubic.
    """
    import transformers
    from scipy import ndimage
    from transformers import GPT2LMHeadModel

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()

    def load(folder: str) -> Any:
        model = GPT2LMHeadModel.from_pretrained(folder)
        return [t.numpy() for t in model.transformer.state_dict().values() if t.ndim == 2]

    def stack(matrices: Any) -> Any:
        sections = []
        for matrix in matrices:
            # Whichever side is the residual stream becomes the rows.
            sided = matrix if matrix.shape[0] == WIDTH else matrix.T
            for first in range(0, sided.shape[1], WIDTH):
                section = sided[:, first : first + WIDTH]
                missing = WIDTH - section.shape[1]
                sections.append(np.pad(section, ((0, 0), (0, missing))) if missing else section)
        return np.abs(np.stack(sections))

    def halve(body: Any) -> Any:
        pyramid = [body]
        for _ in range(LEVELS):
            pyramid.append(ndimage.zoom(pyramid[-1], (1, 0.5, 0.5), order=1))
        return pyramid

    return folder, {"load": load, "stack": stack, "zoom": halve}


def ome_zarr(path: str, method: str = "resize") -> tuple[Any, Steps]:
    """Write the pyramid of a body with ome-zarr-py, level 0 included."""
    import zarr
    from ome_zarr.scale import Methods
    from ome_zarr.writer import write_image

    body = np.load(path)

    def write(body: Any) -> None:
        with tempfile.TemporaryDirectory(dir=Path(path).parent) as folder:
            group = zarr.open_group(folder, mode="w")
            factors = tuple(2**i for i in range(1, LEVELS + 1))
            write_image(body, group, factors, axes="zyx", method=Methods(method))

    return body, {"write": write}


def main() -> None:
    make = {"naive": naive, "ome-zarr": ome_zarr}[sys.argv[1]]
    value, steps = make(*sys.argv[2:])
    seconds = {}
    with Peak() as peak:
        for name, step in steps.items():
            start = time.perf_counter()
            value = step(value)
            seconds[name] = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak": peak.above}))


if __name__ == "__main__":
    main()
