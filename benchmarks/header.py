"""Headers of many tensors and their anatomy, against reading the bare JSON.

    python benchmarks/header.py [--json FILE]

The limit of a header is `json.loads` of its text; the peer is safetensors' own reader, which
is compiled. The limit of everything before a first picture is the header again.
"""

import json
import struct
from pathlib import Path

import data
from measure import Case, Report, arguments, interleaved, median, ratio

from napari_gpt2_tomo.anatomy import recognise
from napari_gpt2_tomo.checkpoint import open_checkpoint
from napari_gpt2_tomo.checkpoint.formats.header import read_header
from napari_gpt2_tomo.checkpoint.place import LocalPlace
from napari_gpt2_tomo.volume.layouts.body import body_layout

MANY_LAYERS = 52
"""Layers of the mixture that make it 20 thousand tensors."""


def bare(path: Path) -> object:
    """Read and parse the JSON of a header, unchecked."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(length))


def reference(path: Path) -> int:
    """The names of a file's tensors by safetensors' own reader."""
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        return len(file.keys())


def main() -> None:
    options = arguments(__doc__).parse_args()
    repeats = options.repeats or 15
    home = data.folder(options.data)
    report = Report("header.py", options.json)

    home.mkdir(parents=True, exist_ok=True)
    path = home / "header-20k.safetensors"
    shapes = data.mixture_shapes(MANY_LAYERS)
    data.write_sparse(path, shapes, "BF16")
    cases: dict[str, Case] = {
        "json.loads of the text": lambda: bare(path),
        "safetensors.safe_open": lambda: reference(path),
        "read_header": lambda: read_header(LocalPlace(path.parent).source(path.name)),
        "open_checkpoint": lambda: open_checkpoint(path),
    }
    times = interleaved(cases, repeats)
    base = "json.loads of the text"
    report.table(
        f"Header of {len(shapes):,} tensors in one file",
        [
            {"what": name, "ms": 1e3 * median(times[name]), "× json": ratio(times, name, base)}
            for name in cases
        ],
    )
    path.unlink()

    shapes = data.mixture_shapes()
    config = data.mixture_config()
    text = json.dumps({name: list(shape) for name, shape in shapes.items()})
    anatomy = recognise(shapes, config)
    cases = {
        "json.loads of names and shapes": lambda: json.loads(text),
        "recognise, with its config": lambda: recognise(shapes, config),
        "recognise, names and shapes only": lambda: recognise(shapes),
        "body_layout": lambda: body_layout(anatomy, shapes),
    }
    times = interleaved(cases, repeats)
    base = "json.loads of names and shapes"
    report.table(
        f"Anatomy of {len(shapes):,} tensors ({len(anatomy.parts):,} parts)",
        [
            {
                "what": name,
                "ms": 1e3 * median(times[name]),
                "µs a tensor": 1e6 * median(times[name]) / len(shapes),
                "× json": ratio(times, name, base),
            }
            for name in cases
        ],
    )
    report.finish()


if __name__ == "__main__":
    main()
