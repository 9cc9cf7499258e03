"""The file formats that can be opened, and how their files are told."""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from .address import Address
from .formats import beginnings
from .place import Place
from .shards import INDEX_SUFFIX
from .tensor import Checkpoint

__all__ = ["FORMATS", "STANDARD_NAMES", "Format", "format_named", "format_of", "formats_named"]


@dataclass(frozen=True)
class Format:
    """One file format.

    Attributes
    ----------
    name
        For messages, e.g. ``"safetensors"``.
    suffixes
        How names of its files end, lower case.
    standard
        Names that a folder is opened by if it holds several files, the first choice first.
    home
        Module below this package and class, imported when a file is opened.
    begins
        Whether the first 512 bytes may be those of its files.
    certain
        Whether the suffix alone tells. Else the first bytes are looked at before a file
        is taken for one, because others use the suffix too.
    ignored
        Patterns of file names with its suffix that hold no model.
    taken
        When a file is taken for a checkpoint that nobody calls one: ``"always"``; ``"alone"``,
        that is when it is dropped by itself, but in a folder only if its name is standard;
        or ``"asked"``, never, because most are something else.
    """

    name: str
    suffixes: tuple[str, ...]
    standard: tuple[str, ...]
    home: tuple[str, str]
    begins: Callable[[bytes], bool]
    certain: bool = True
    ignored: tuple[str, ...] = ()
    taken: Literal["always", "alone", "asked"] = "always"

    def is_named(self, name: str) -> bool:
        """Whether a file is called like one of this format, or like an index of some."""
        low = name.lower().removesuffix(INDEX_SUFFIX)
        return low.endswith(self.suffixes) and not any(fnmatch(low, it) for it in self.ignored)

    def is_index(self, name: str) -> bool:
        """Whether a file is called like the index of a checkpoint in several files."""
        return name.endswith(INDEX_SUFFIX) and self.is_named(name)

    def open(self, place: Place, name: str, path: Path | Address) -> Checkpoint:
        """Open a file of this format; only headers are read."""
        module, kind = self.home
        opened: Any = getattr(import_module(module, __package__), kind)
        checkpoint: Checkpoint = opened(place, name, path=path)
        return checkpoint


FORMATS: tuple[Format, ...] = (
    Format(
        "safetensors",
        (".safetensors",),
        ("model.safetensors.index.json", "model.safetensors"),
        (".formats.safetensors", "SafetensorsCheckpoint"),
        lambda first: first[8:].lstrip().startswith(b"{"),
    ),
    Format(
        "GGUF",
        (".gguf",),
        (),
        (".formats.gguf", "GgufCheckpoint"),
        lambda first: first.startswith(b"GGUF"),
    ),
    Format(
        "PyTorch",
        (".bin", ".pt", ".pth", ".ckpt"),
        ("pytorch_model.bin.index.json", "pytorch_model.bin", "consolidated.00.pth", "ckpt.pt"),
        (".formats.pytorch", "PyTorchCheckpoint"),
        beginnings.pytorch,
        certain=False,
        ignored=(
            "training_args.*",
            "optimizer*",
            "*optim_states.*",
            "scheduler.*",
            "scaler.*",
            "rng_state*",
            "random_states*",
        ),
    ),
    Format(
        "numpy archive",
        (".npz",),
        ("model.npz", "weights.npz"),
        (".formats.numpy_files", "NumpyArchive"),
        beginnings.numpy_archive,
        certain=False,
        taken="alone",
    ),
    Format(
        "numpy array",
        (".npy",),
        (),
        (".formats.numpy_files", "NumpyFile"),
        beginnings.numpy_array,
        certain=False,
        taken="asked",
    ),
    Format(
        "ONNX",
        (".onnx",),
        ("model.onnx",),
        (".formats.onnx", "OnnxCheckpoint"),
        beginnings.onnx,
    ),
    Format(
        "TensorFlow",
        (".index",),
        ("model.ckpt.index",),
        (".formats.tensorflow", "TensorFlowCheckpoint"),
        beginnings.tensorflow,
        certain=False,
    ),
    Format(
        "llama2.c",
        (".bin",),
        (),
        (".formats.llama2c", "Llama2cCheckpoint"),
        beginnings.llama2c,
        certain=False,
    ),
)
"""In the order of preference, if a folder holds a model in several formats."""


STANDARD_NAMES = tuple(name for one in FORMATS for name in one.standard)
"""What folders are opened by."""


def formats_named(name: str) -> tuple[Format, ...]:
    """The formats whose files are called like this."""
    return tuple(one for one in FORMATS if one.is_named(name))


def format_named(name: str) -> Format | None:
    """The first format whose files are called like this."""
    return next(iter(formats_named(name)), None)


def format_of(first: bytes) -> Format | None:
    """The format whose files begin like this."""
    return next((one for one in FORMATS if one.begins(first)), None)
