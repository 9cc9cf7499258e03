"""The model card: what a page shows, as rows of two texts."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from ...volume.volume import Volume
from .niivue import NIIVUE
from .resolution import Resolution
from .voxels import Voxels

if TYPE_CHECKING:
    from ...facade import Scan

__all__ = ["SIGNALS", "Row", "card"]

Row = tuple[str, str]
"""What, and its value, both for a person; untrusted."""

SIGNALS = {
    "signed": "weight w, with its sign",
    "magnitude": "magnitude |w| of the weight",
    "sigma": "deviation from the mean of its part, in σ of the part",
    "sigma_global": "deviation from the mean of all weights, in σ",
    "rank": "share of the weights that are smaller",
}
"""What a voxel shows, by signal."""

REDUCTIONS = {
    "rms": "root mean square",
    "extreme": "the value of largest magnitude",
    "mean": "mean",
}

LAYOUTS = {
    "body": "body: a section for every matrix, row c is residual channel c in all of them",
    "cube": "cube: all tensors one after another along a Hilbert curve",
    "tensor": "tensor: one tensor in its own shape",
    "heads": "heads: the heads of one role, layer by layer",
    "experts": "experts: the experts of a layer side by side",
    "circuits": "circuits: what a head computes between two channels",
}

SIZES = {
    "n_layers": "layers",
    "d_model": "channels",
    "n_heads": "heads",
    "n_kv_heads": "key/value heads",
    "d_head": "per head",
    "d_mlp": "MLP neurons",
    "n_experts": "experts",
    "vocab": "tokens",
    "context": "positions",
}


EVEN = 0.01
"""Steps that differ by less than this share are the same to a reader."""


def card(scan: "Scan", volume: Volume, resolution: Resolution, voxels: Voxels) -> list[Row]:
    """Rows of the model card."""
    rows = [
        ("Name", scan.name),
        ("Architecture", _architecture(scan)),
        ("Parameters", f"{scan.anatomy.n_parameters:,}"),
        ("Checkpoint", f"{len(scan.checkpoint):,} tensors, {scan.checkpoint.format}"),
        ("Layout", LAYOUTS.get(volume.layout.name, volume.layout.name)),
        ("Signal", f"{volume.signal}: {SIGNALS[volume.signal]}"),
        ("Reduction", _reduction(volume, resolution)),
        ("Picture", _picture(volume, resolution)),
        *_values(voxels),
        ("Weights", _weights(volume)),
    ]
    hidden = int(volume.statistics.nonfinite.sum())
    if hidden:
        rows.append(("Not finite", f"{hidden:,} parameters are NaN or infinite"))
    rows += [
        ("Fingerprint", scan.checkpoint.fingerprint),
        ("Made with", f"napari-gpt2-tomo {version('napari-gpt2-tomo')}, niivue {NIIVUE}"),
    ]
    return rows


def _architecture(scan: "Scan") -> str:
    sizes = dict(scan.anatomy.hyper.known())
    if sizes.get("n_kv_heads") == sizes.get("n_heads"):
        sizes.pop("n_kv_heads", None)
    words = [scan.anatomy.family or "not recognised"]
    words += [f"{sizes[key]:,} {word}" for key, word in SIZES.items() if key in sizes]
    return " · ".join(words)


def _reduction(volume: Volume, resolution: Resolution) -> str:
    if set(resolution.factors) == {1}:
        return "none: one voxel is one parameter"
    block = _times(resolution.factors)
    return f"{volume.reduction}: {REDUCTIONS[volume.reduction]} of a block of {block} parameters"


def _picture(volume: Volume, resolution: Resolution) -> str:
    last = len(volume.factors) - 1
    words = f"{_times(resolution.shape)} voxels, level {resolution.level} of 0 to {last}"
    if volume.core is not None and volume.core[-1].stop != volume.shape[-1]:
        words += "; norms and biases lie in the margins, which are left out"
    return words


def _values(voxels: Voxels) -> list[Row]:
    coding, scale = voxels.coding, voxels.scale
    steps = f"steps of {coding.step:.3g}"
    if coding.largest_step > coding.step * (1 + EVEN):
        steps += f" up to {coding.knee:.3g}, growing to {coding.largest_step:.3g} beyond"
    return [
        ("Value range", f"{scale.low:.4g} to {scale.high:.4g}"),
        ("Quantisation", f"{coding.count} values in a byte, {steps}; 0 is exact"),
    ]


def _weights(volume: Volume) -> str:
    statistics = volume.statistics
    mean, sigma = statistics.overall()
    low, high = statistics.range("signed")
    about = " (estimate)" if statistics.estimate else ""
    return f"{low:.4g} to {high:.4g}, mean {mean:.3g}, σ {sigma:.3g}{about}"


def _times(numbers: Sequence[int]) -> str:
    return " × ".join(f"{n:,}" for n in numbers)
