"""Dequantising whole tensors: values and bytes of codes a second, beside other programs.

    python benchmarks/dequantise.py [--json FILE]

GGUF's peer is the ``gguf`` package, that of quantised safetensors plain PyTorch in one thread
(`dequantise_safetensors`), both on the same bytes in memory; what is measured is everything
that a tensor does to give its values, reading of the file included. Random blocks with sane
scales; files are warm.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import data
import dequantise_safetensors as safetensors
import gguf
import numpy as np
import torch
from measure import Peak, Report, arguments, interleaved, median, ratio
from numpy.typing import NDArray

from napari_gpt2_tomo.checkpoint import LazyTensor, open_checkpoint
from napari_gpt2_tomo.checkpoint.formats.gguf_types import TYPES
from napari_gpt2_tomo.checkpoint.region import Region

SHAPE = (4096, 4096)
"""A matrix of attention of a model of 7 billion parameters: 67 MB of float32."""


def main() -> None:
    options = arguments(__doc__).parse_args()
    repeats = options.repeats or 7
    home = data.folder(options.data)
    home.mkdir(parents=True, exist_ok=True)
    report = Report("dequantise.py", options.json)
    path = home / "dequantise.gguf"
    blocks = write(path)
    rows = []
    with open_checkpoint(path) as checkpoint:
        for name, packed in blocks.items():
            rows.append(compared(checkpoint[name], packed, repeats))
    report.table(f"GGUF, {SHAPE[0]} × {SHAPE[1]}, one thread", rows)
    rows = []
    with open_checkpoint(path) as checkpoint:
        for name in ("Q4_0", "Q4_K", "Q6_K", "IQ2_XXS"):
            rows += parts_of(checkpoint[name], repeats)
    report.table("GGUF, parts of the same", rows)
    path.unlink()
    path = home / "dequantise.safetensors"
    cases = safetensors.write(path)
    torch.set_num_threads(1)
    with open_checkpoint(path) as checkpoint:
        rows = [beside_torch(checkpoint[case.name], case, repeats) for case in cases]
    report.table(f"Safetensors, {safetensors.N} × {safetensors.N}, one thread", rows)
    path.unlink()
    report.finish()


def beside_torch(
    tensor: LazyTensor, case: safetensors.Case, repeats: int
) -> dict[str, str | float]:
    """Speed of a whole tensor beside plain PyTorch's; both have to give the same values."""
    whole, out = Region.whole(tensor.shape), np.empty(tensor.shape, np.float32)
    tensor.read_into(whole, out)
    if not np.array_equal(out, case.theirs().numpy()):
        raise SystemExit(f"{case.name}: not the same values")
    times = interleaved(
        {"ours": lambda: tensor.read_into(whole, out), "torch": case.theirs}, repeats
    )
    with Peak() as peak:
        tensor.read_into(whole, out)
    seconds = median(times["ours"])
    return {
        "scheme": case.name.removesuffix(".weight"),
        "million values/s": tensor.size / seconds / 1e6,
        "GB/s of codes": tensor.nbytes / seconds / 1e9,
        "PyTorch": tensor.size / median(times["torch"]) / 1e6,
        "times as fast": ratio(times, "torch", "ours"),
        "MB beside the values": peak.above / 1e6,
    }


def write(path: Path) -> Mapping[str, NDArray[np.uint8]]:
    """A GGUF file with a tensor of every block type; the bytes of each, a row of blocks a row."""
    rng = np.random.default_rng(1)
    writer = gguf.GGUFWriter(path, "llama")
    found: dict[str, NDArray[np.uint8]] = {}
    for kind in (one for one in TYPES.values() if not one.is_plain and one.readable):
        packed = rng.integers(0, 256, (SHAPE[0], SHAPE[1] // kind.values, kind.nbytes), np.uint8)
        _sane(packed)
        found[kind.name] = packed.reshape(SHAPE[0], -1)
        number = gguf.GGMLQuantizationType(kind.number)
        writer.add_tensor(kind.name, found[kind.name], raw_dtype=number)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return found


def _sane(packed: NDArray[np.uint8]) -> None:
    """Make every pair of bytes that may be a float16 a number: NaN is slow to compute with."""
    first_byte = packed[..., 1::2]
    np.minimum(first_byte, 0x3B, out=first_byte)


def compared(tensor: LazyTensor, packed: NDArray[np.uint8], repeats: int) -> dict[str, str | float]:
    """Speed of a whole tensor beside the package's."""
    kind = gguf.GGMLQuantizationType[tensor.stored]
    whole, out = Region.whole(tensor.shape), np.empty(tensor.shape, np.float32)

    def theirs() -> None:
        np.copyto(out, gguf.quants.dequantize(packed, kind))

    cases: dict[str, Callable[[], object]] = {
        "ours": lambda: tensor.read_into(whole, out),
        "gguf": theirs,
    }
    times = interleaved(cases, repeats)
    seconds = median(times["ours"])
    with Peak() as peak:
        cases["ours"]()
    return {
        "type": tensor.stored,
        "million values/s": tensor.size / seconds / 1e6,
        "GB/s of blocks": tensor.nbytes / seconds / 1e9,
        "gguf package": tensor.size / median(times["gguf"]) / 1e6,
        "times as fast": ratio(times, "gguf", "ours"),
        "MB beside the values": peak.above / 1e6,
    }


def parts_of(tensor: LazyTensor, repeats: int) -> list[dict[str, str | float]]:
    """Milliseconds for what a picture or a probe asks for."""
    cases: dict[str, Callable[[], object]] = {
        "an element": lambda: tensor[17, 1234],
        "a row": lambda: tensor[17],
        "a column": lambda: tensor[:, 1234],
        "every second row": lambda: tensor[::2],
        "turned": lambda: tensor.read(Region(0, SHAPE, (1, SHAPE[1]))),
    }
    times = interleaved(cases, repeats)
    return [
        {"type": tensor.stored, "what": name, "ms": 1e3 * median(times[name])} for name in cases
    ]


if __name__ == "__main__":
    main()
