"""Writing a selection as safetensors, numpy or TIFF: streamed, and whole or not there at all."""

import json
import os
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...base import LayoutError, Progress, SilentProgress, TomoError, new_file, save_text
from ...checkpoint.dtypes import STORED_TYPES
from ...facade import Scan
from ...volume.volume import Volume
from .choosing import PartName, Selection, select
from .describe import describe_selection

__all__ = ["FORMATS", "save_selection", "size_of", "write_selection"]

FORMATS: Mapping[str, str] = {
    ".safetensors": "weights bit for bit, addresses inside",
    ".npy": "weights in their type where numpy has it, else float32",
    ".tif": "float32, a page for each section",
    ".tiff": "float32, a page for each section",
}
"""File name endings that can be written, and what they hold."""

MOST_TRACED = 2**22
"""Voxels up to which a safetensors file holds the address of every one: 50 MB of them."""

TRACES: Mapping[str, tuple[str, int]] = {"tensor_id": ("U32", 4), "flat_index": ("I64", 8)}
"""Element and bytes of what says the address of a voxel."""

BIG_TIFF = 2**31
"""Bytes from which a TIFF needs 64-bit offsets; plain ones end at 4 GB, some readers at half."""


def save_selection(
    source: Volume | Scan | str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    part: PartName | None = None,
    box: Sequence[Any] | None = None,
    section: int | Sequence[int] | None = None,
    signal: str | None = None,
    air: float = 0.0,
    progress: Progress | None = None,
) -> Path:
    """Save a part, a box of voxels or a section, with the address of every value.

    A ``.safetensors`` file holds ``values``, its metadata the description as JSON under
    ``selection``, and for up to 4 million voxels ``tensor_id`` (the number of the tensor in the
    description, 0 in air) and ``flat_index`` (into that tensor in C order, −1 in air).
    Beside ``a.npy`` or ``a.tif`` the description is ``a.npy.json`` or ``a.tif.json``: layout, axes,
    box, and for each section the voxels, part, tensor and index ranges of every region; what no
    region covers is air.

    Parameters
    ----------
    source
        A volume, whose layout box and section refer to; a scan or the path of a checkpoint
        stand for their usual volume.
    path
        Where to; the ending says the format, see `FORMATS`.
    part
        Name of a part, or (role, layer, expert): a matrix as ``(channel, unit)``.
    box
        A pair (first voxel, one past the last) or a slice for each axis of the volume.
    section
        A number of the first axis; of volumes with four axes two numbers. The plane is saved
        with its margins, as far as there are parameters.
    signal
        What to save of each weight, e.g. ``"magnitude"``, as float32; None for the weights.
    air
        What stands where no parameter is, e.g. ``nan`` for floats.
    progress
        Told of the voxels that are written.

    Returns
    -------
    path
        The file that was written.

    Raises
    ------
    LayoutError
        There is no such place, or not exactly one was asked for.
    TomoError
        The ending is unknown, or the file cannot be written.
    Cancelled
        `progress` asked to stop; no file is there then.
    """
    target = Path(path)
    if target.suffix.lower() not in FORMATS:
        raise TomoError(
            f"A selection is saved as {', '.join(FORMATS)}, not as {target.name!r}: the ending "
            "says the format."
        )
    if not isinstance(source, Volume | Scan):
        with Scan(source) as opened:
            return save_selection(
                opened, target, part=part, box=box, section=section, signal=signal, air=air,
                progress=progress,
            )  # fmt: skip
    selection = select(source, part=part, box=box, section=section, signal=signal)
    return write_selection(selection, target, air, progress)


def write_selection(
    selection: Selection, target: Path, air: float = 0.0, progress: Progress | None = None
) -> Path:
    """Write a selection, see `save_selection`."""
    for file in selection.checkpoint.files:
        if target.exists() and Path(str(file)).exists() and target.samefile(str(file)):
            raise TomoError(f"{target.name} is a file of the model itself: choose another name.")
    told = progress or SilentProgress()
    ending = target.suffix.lower()
    traced = _is_traced(selection, ending)
    told.start(selection.size * (3 if traced else 1), f"Saving {selection.title}")
    if ending == ".safetensors":
        _safetensors(selection, target, air, traced, told)
    elif ending == ".npy":
        _npy(selection, target, air, told)
    else:
        _tiff(selection, target, air, told)
    return target


def size_of(selection: Selection, ending: str) -> int:
    """Bytes that a selection takes in a file with an ending, descriptions apart."""
    kind = STORED_TYPES["F32" if ending in (".tif", ".tiff") else selection.element]
    width = (kind.decoded if ending == ".npy" else kind.storage or kind.decoded).itemsize
    if _is_traced(selection, ending):
        width += sum(own for _, own in TRACES.values())
    return selection.size * width


def _is_traced(selection: Selection, ending: str) -> bool:
    return ending == ".safetensors" and selection.size <= MOST_TRACED


def _safetensors(
    selection: Selection, target: Path, air: float, traced: bool, told: Progress
) -> None:
    kind = STORED_TYPES[selection.element]
    assert kind.storage is not None
    _check_air(selection.element, air)
    sizes = {"values": (selection.element, kind.storage.itemsize)}
    if traced:
        sizes |= TRACES
    description = describe_selection(selection, selection.element, air)
    header: dict[str, Any] = {
        "__metadata__": {"format": "np", "selection": json.dumps(description)}
    }
    offset = 0
    for name, (element, width) in sorted(sizes.items(), key=lambda item: -item[1][1]):
        end = offset + selection.size * width
        header[name] = {
            "dtype": element, "shape": list(selection.shape), "data_offsets": [offset, end]
        }  # fmt: skip
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    # Data begin at a multiple of 8 bytes, the widest elements first: they can be mapped.
    text += b" " * (-len(text) % 8)
    with new_file(target) as scratch, scratch.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in list(header)[1:]:
            if name == "values":
                _write_values(selection, file, kind.storage, air, told, codes=True)
            else:
                for box in selection.bands():
                    tensors, flat = selection.addresses(box)
                    _write(file, tensors if name == "tensor_id" else flat)
                    told.advance(tensors.size)


def _npy(selection: Selection, target: Path, air: float, told: Progress) -> None:
    kind = STORED_TYPES[selection.element]
    dtype = kind.decoded
    _check_air("F32" if dtype.kind == "f" else selection.element, air)
    element = "F32" if kind.is_coded and dtype.kind == "f" else selection.element
    description = describe_selection(selection, element, air)
    with new_file(target) as scratch, scratch.open("wb") as file:
        fields = {
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": selection.shape,
        }
        np.lib.format.write_array_header_1_0(file, fields)
        _write_values(selection, file, dtype, air, told, codes=False)
    _save_description(target, description)


def _tiff(selection: Selection, target: Path, air: float, told: Progress) -> None:
    from tifffile import memmap

    shape = selection.shape if len(selection.shape) > 1 else (1, *selection.shape)
    dtype = np.dtype(np.float32)
    nbytes = selection.size * dtype.itemsize
    description = describe_selection(selection, "F32", air)
    with new_file(target) as scratch:
        # tifffile lays the file out; the pixels are then written one after the other, so that
        # a full disk is an error and not the end of the program.
        empty: Any = memmap(
            scratch,
            shape=shape,
            dtype=dtype,
            byteorder="<",
            bigtiff=nbytes > BIG_TIFF,
            photometric="minisblack",
            metadata={"axes": "TZYX"[-len(shape) :]},
            software="napari-gpt2-tomo",
        )
        offset = int(empty.offset)
        del empty
        with scratch.open("r+b") as file:
            file.seek(offset)
            _write_values(selection, file, dtype, air, told, codes=False)
    _save_description(target, description)


def _write_values(
    selection: Selection,
    file: BinaryIO,
    dtype: np.dtype[Any],
    air: float,
    told: Progress,
    *,
    codes: bool,
) -> None:
    kind = STORED_TYPES[selection.element]
    codes = codes and selection.signal is None and selection.element != "F32"
    stands: Any = air
    if codes and kind.is_coded and np.isnan(air):
        stands = _NAN_CODES[selection.element]
    for box in selection.bands():
        values = selection.read(box, dtype, codes=codes, air=stands)
        _write(file, values)
        told.advance(values.size)


_NAN_CODES: Mapping[str, int] = {
    "BF16": 0x7FC0, "F8_E4M3": 0x7F, "F8_E5M2": 0x7F, "F8_E4M3FNUZ": 0x80, "F8_E5M2FNUZ": 0x80,
    "F8_E8M0": 0xFF,
}  # fmt: skip
"""A NaN of each element type that numpy lacks, see `checkpoint.dtypes`."""


def _write(file: BinaryIO, values: NDArray[Any]) -> None:
    file.write(values.tobytes())


def _check_air(element: str, air: float) -> None:
    if air == 0 or (np.isnan(air) and (element.startswith("F") or element == "BF16")):
        return
    if np.isfinite(air) and element in ("F64", "F32"):
        return
    raise LayoutError(
        f"Air cannot be {air} among values of the type {element}: leave it 0, or save as TIFF."
    )


def _save_description(target: Path, description: dict[str, Any]) -> None:
    # A key a line: neither one line of a megabyte, nor a line for each number.
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in description.items()]
    save_text(target.with_name(f"{target.name}.json"), "{\n" + ",\n".join(lines) + "\n}\n")
