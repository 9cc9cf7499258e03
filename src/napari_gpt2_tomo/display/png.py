"""One picture as a PNG."""

import os
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..base import TomoError, save_bytes

__all__ = ["check_png", "write_png"]


def check_png(path: str | os.PathLike[str]) -> Path:
    """The path, if a PNG may be written there; for those who have much to do before.

    Raises
    ------
    TomoError
        Its ending is another one, or its folder is missing.
    """
    target = Path(path)
    if target.suffix.lower() != ".png":
        raise TomoError(f"{target} is no picture by its ending: use .png.")
    if not target.parent.is_dir():
        raise TomoError(f"There is no folder {target.parent}: make it, or write elsewhere.")
    return target


def write_png(pixels: NDArray[np.uint8], path: str | os.PathLike[str], title: str = "") -> Path:
    """Write ``(rows, columns, 3 or 4)`` pixels, sRGB, as a PNG that is whole or not there.

    Parameters
    ----------
    pixels
        uint8.
    path
        Ends with ``.png``; a file of that name is replaced.
    title
        What the picture shows; kept in the file.

    Raises
    ------
    TomoError
        As `check_png`, or the disk does not take it.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    target = check_png(path)
    text = PngInfo()
    if title:
        text.add_itxt("Title", title)
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG", pnginfo=text)
    return save_bytes(target, file.getvalue())
