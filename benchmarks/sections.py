"""Cycling through sections: a plane of the body through dask, against the plain numpy gather.

    python benchmarks/sections.py [--signal magnitude] [--noise GB] [--json FILE]

The gather is a loop over strided views of the mapped files, found beforehand, that are copied
into the plane and converted to float32; then the signal. It has nothing to look up and no graph
to build, so it is the limit for what slices any plane. Both give the same plane, which is checked.
"""

import os
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import data
import numpy as np
from measure import Report, arguments, extra, interleaved, median, ratio
from numpy.typing import NDArray

import napari_gpt2_tomo as tomo
from napari_gpt2_tomo.volume.layouts.layout import BlockLayout
from napari_gpt2_tomo.volume.reading.lazy import chunk_shape, dask_level
from napari_gpt2_tomo.volume.reading.virtual import VirtualVolume

PLANES = ("axial", "coronal", "sagittal")

EXTRA_MS = 3
"""Milliseconds that a plane of GPT-2 may cost more than its gather."""

RATIO = 3
"""How many times its gather a plane of the 7B model may cost."""

STORAGE = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}


class Gather:
    """Planes of a body, gathered from mapped files with nothing but numpy."""

    def __init__(self, path: Path, volume: tomo.Volume) -> None:
        assert isinstance(volume.layout, BlockLayout)
        self._shape = volume.shape
        self._absolute = volume.signal == "magnitude"
        tensors: dict[str, tuple[NDArray[Any], bool]] = {}
        for file in data.files(path):
            entries, start = data.header(file)
            # A memmap's own indexing is slow; the array below it is not.
            memory = np.asarray(np.memmap(file, np.uint8, "r"))
            for name, entry in entries.items():
                begin, end = (start + offset for offset in entry["data_offsets"])
                stored = memory[begin:end].view(STORAGE[entry["dtype"]])
                tensors[name] = stored, entry["dtype"] == "BF16"
        self._blocks = []
        for block in volume.layout.blocks:
            stored, half = tensors[block.tensor]
            strides = []
            for digits in block.view.axes:
                ((_, stride),) = digits
                strides.append(stride * stored.itemsize)
            view = np.lib.stride_tricks.as_strided(
                stored[block.view.offset :], block.view.shape, strides, writeable=False
            )
            self._blocks.append((block.start, block.stop, view, half))

    def plane(self, axis: int, at: int) -> NDArray[np.float32]:
        """The plane at a position along an axis."""
        shape = [n for i, n in enumerate(self._shape) if i != axis]
        out = np.zeros(shape, np.float32)
        for start, stop, view, half in self._blocks:
            if start[axis] <= at < stop[axis]:
                rows, columns = (slice(start[i], stop[i]) for i in range(3) if i != axis)
                index = [slice(None)] * 3
                index[axis] = at - start[axis]  # type: ignore[call-overload]
                piece = view[tuple(index)]
                target = out[rows, columns]
                if half:
                    np.left_shift(piece, 16, out=target.view(np.uint32), dtype=np.uint32)
                else:
                    target[...] = piece
        if self._absolute:
            np.abs(out, out=out)
        return out


def index_of(axis: int, at: int) -> tuple[Any, ...]:
    """Index of a plane."""
    return tuple(at if i == axis else slice(None) for i in range(3))


def positions(volume: tomo.Volume, axis: int, count: int) -> list[int]:
    """Planes to cycle through, evenly spread over what is not padding or margin."""
    assert volume.core is not None
    stop = len(volume.layout.sections) if axis == 0 else volume.core[axis].stop
    return [int((i + 0.5) * stop / count) for i in range(count)]


def compare(
    path: Path, signal: str, repeats: int, planes: int, limit_ms: float | None
) -> list[dict[str, Any]]:
    """Planes of a checkpoint through dask, directly, and gathered."""
    rows = []
    with tomo.scan(path) as scan:
        volume = scan.volume("body", signal, exact=False)
        gather = Gather(path, volume)
        level, direct = volume.displayed()[0], volume.level(0)
        for axis, name in enumerate(PLANES):
            chosen = positions(volume, axis, planes)
            for at in chosen:
                index = index_of(axis, at)
                assert np.array_equal(np.asarray(level[index]), gather.plane(axis, at), True)

            def through_dask(axis: int = axis, chosen: Sequence[int] = chosen) -> None:
                for at in chosen:
                    np.asarray(level[index_of(axis, at)])

            def directly(axis: int = axis, chosen: Sequence[int] = chosen) -> None:
                for at in chosen:
                    direct[index_of(axis, at)]

            def gathered(axis: int = axis, chosen: Sequence[int] = chosen) -> None:
                for at in chosen:
                    gather.plane(axis, at)

            cases = {"dask": through_dask, "direct": directly, "gather": gathered}
            times = interleaved(cases, repeats)
            row: dict[str, Any] = {
                "plane": name,
                "voxels": " × ".join(str(n) for i, n in enumerate(volume.shape) if i != axis),
            }
            row |= {f"{case} ms": 1e3 * median(times[case]) / planes for case in cases}
            row["extra ms"] = 1e3 * extra(times, "dask", "gather") / planes
            row["× gather"] = ratio(times, "dask", "gather")
            if limit_ms is not None:
                row["target"] = f"+{limit_ms} ms"
                row["met"] = row["extra ms"] <= limit_ms
            else:
                row["target"] = f"{RATIO} ×"
                row["met"] = row["× gather"] <= RATIO
            rows.append(row)
    return rows


Maker = Callable[[VirtualVolume], da.Array]


def plain(chunks: tuple[int, ...]) -> Maker:
    """What `dask.array.from_array` makes of a level with these chunks."""
    name = f"benchmark-{'-'.join(map(str, chunks))}"
    meta = np.empty((0,) * 3, np.float32)
    return lambda level: da.from_array(level, chunks=chunks, name=name, asarray=False, meta=meta)


def cuts(shape: tuple[int, ...]) -> dict[str, Maker]:
    """Ways to make a dask array of a body."""
    depth, height, width = shape
    shipped = chunk_shape(shape)
    of_its_chunks = {"from_array, chunks as shipped": plain(shipped)} if shipped != shape else {}
    return {
        "as shipped": lambda level: dask_level(level, "benchmark"),
        "from_array, one chunk": plain(shape),
        **of_its_chunks,
        "from_array, 16 sections": plain((16, height, width)),
        "from_array, one section": plain((1, height, width)),
        "from_array, tiles of 256²": plain((depth, 256, 256)),
        "from_array, cubes of 64³": plain((64, 64, 64)),
    }


def chunking(path: Path, repeats: int, planes: int, most: int) -> list[dict[str, Any]]:
    """The same planes through dask arrays that are cut differently."""
    with tomo.scan(path) as scan:
        volume = scan.volume("body", exact=False)
        level = volume.level(0)
        makers = cuts(volume.shape)
        arrays = {name: make(level) for name, make in makers.items()}
        arrays = {name: array for name, array in arrays.items() if array.npartitions <= most}
        building = interleaved({name: partial(makers[name], level) for name in arrays}, repeats)
        found: dict[str, dict[str, float]] = {name: {} for name in arrays}
        for axis, plane in enumerate(PLANES):
            chosen = positions(volume, axis, planes)

            def slicing(array: da.Array, axis: int = axis, chosen: Sequence[int] = chosen) -> None:
                for at in chosen:
                    np.asarray(array[index_of(axis, at)])

            times = interleaved(
                {name: partial(slicing, array) for name, array in arrays.items()}, repeats
            )
            for name in arrays:
                found[name][f"{plane} ms"] = 1e3 * median(times[name]) / planes
        return [
            {
                "array": name,
                "chunk": " × ".join(map(str, array.chunksize)),
                "chunks": array.npartitions,
                "build ms": 1e3 * median(building[name]),
                **found[name],
            }
            for name, array in arrays.items()
        ]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--signal", default="magnitude", choices=["magnitude", "signed"])
    parser.add_argument("--noise", type=float, default=0, help="GB of noise in the llama")
    parser.add_argument("--layers", type=int, default=32, help="layers of the llama")
    options = parser.parse_args()
    repeats = options.repeats or 9
    home = data.folder(options.data)
    report = Report("sections.py", options.json)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["NAPARI_GPT2_TOMO_CACHE"] = cache
        for stored in ("F32", "F16", "BF16"):
            path = data.gpt2(home, stored)
            limit = EXTRA_MS if stored == "F32" else None
            rows = compare(path, options.signal, repeats, 12, limit)
            report.table(f"GPT-2, {stored}, {options.signal}", rows)
        llama = data.llama(home, options.layers, int(1e9 * options.noise))
        rows = compare(llama, options.signal, max(3, repeats // 2), 6, None)
        report.table(f"Llama 2 7B, BF16, {options.signal}", rows)
        rows = chunking(data.gpt2(home), max(3, repeats // 2), 4, 10**5)
        report.table("Chunks of GPT-2, F32", rows)
        # napari keeps dask from fusing a slice with the chunk that it is cut from.
        with dask.config.set({"optimization.fuse.active": False}):
            rows = chunking(data.gpt2(home), 3, 2, 10**3)
        report.table("Chunks of GPT-2, F32, with napari's settings of dask", rows)
        rows = chunking(llama, 3, 2, 10**3)
        report.table("Chunks of Llama 2 7B, BF16", rows)
    report.finish()


if __name__ == "__main__":
    main()
