"""What the pickles of PyTorch call, as descriptions: storages, tensors, and what lies beside.

The names and their arguments are those of ``torch/_utils.py``, ``torch/_tensor.py``
(``Tensor.__reduce_ex__``) and ``torch/serialization.py`` (``persistent_load``).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ..dtypes import STORED_TYPES
from .malformed import Malformed
from .pickle_machine import Call
from .pickle_objects import Global, Instance

__all__ = ["CALLS", "Storage", "Tensor", "Unreadable", "storage_of"]

MAX_AXES = 64
"""The limit of numpy."""

MAX_REPEATED = 1 << 24
"""Elements of a tensor that has more of them than its storage; a mask, not a weight."""

_DTYPES: Mapping[str, str] = {
    "float64": "F64", "double": "F64", "float32": "F32", "float": "F32",
    "float16": "F16", "half": "F16", "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2",
    "float8_e4m3fnuz": "F8_E4M3FNUZ", "float8_e5m2fnuz": "F8_E5M2FNUZ",
    "float8_e8m0fnu": "F8_E8M0",
    "int64": "I64", "long": "I64", "int32": "I32", "int": "I32", "int16": "I16", "short": "I16",
    "int8": "I8", "uint8": "U8", "uint16": "U16", "uint32": "U32", "uint64": "U64",
    "bool": "BOOL", "complex64": "C64", "cfloat": "C64",
}  # fmt: skip
"""Names in the module torch, to those of `STORED_TYPES`."""

_STORAGES: Mapping[str, str] = {
    "DoubleStorage": "F64", "FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16",
    "LongStorage": "I64", "IntStorage": "I32", "ShortStorage": "I16", "CharStorage": "I8",
    "ByteStorage": "U8", "BoolStorage": "BOOL", "ComplexFloatStorage": "C64",
}  # fmt: skip
_BYTES: Mapping[str, int] = {
    "UntypedStorage": 1, "ComplexDoubleStorage": 16, "QInt8Storage": 1, "QUInt8Storage": 1,
    "QInt32Storage": 4, "QUInt4x2Storage": 1, "QUInt2x4Storage": 1,
}  # fmt: skip
"""Bytes per element of storages whose elements are not read as values."""


@dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """A run of elements that tensors are views of.

    Attributes
    ----------
    key
        Its name in the file.
    stored
        Element type; None where the tensor says it, or where it is not read.
    count, width
        Elements, and bytes of each.
    first
        Its first element, counted in the storage `key`.
    kind
        PyTorch's name of its type.
    """

    key: str
    stored: str | None
    count: int
    width: int
    first: int = 0
    kind: str = ""

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.count * self.width


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A view of a storage; offset and strides count elements of its type."""

    storage: Storage
    stored: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def identity(self) -> tuple[Any, ...]:
        """The same for the same elements in the same order."""
        return self.storage.key, self.stored, self.offset, self.shape, self.strides


@dataclass(frozen=True, slots=True, eq=False)
class Unreadable:
    """A tensor that is not read; `why` completes "It is not read: …"."""

    why: str


def storage_of(identity: Any) -> Storage:
    """What a persistent id describes: ``("storage", type, key, device, count[, view])``."""
    if not isinstance(identity, tuple) or not 5 <= len(identity) <= 6 or identity[0] != "storage":
        raise ValueError("a persistent id that is none of a storage")
    kind, key, count = identity[1], identity[2], identity[4]
    if not isinstance(kind, Global) or not isinstance(key, str):
        raise ValueError("a storage without type or key")
    width = _BYTES.get(kind.name)
    stored = _STORAGES.get(kind.name)
    if stored is not None:
        bits = STORED_TYPES[stored].bits
        width = bits // 8
    if width is None or not kind.module.startswith("torch"):
        raise ValueError(f"the unknown storage {kind}")
    first = 0
    if len(identity) == 6 and identity[5] is not None:
        # A storage that is itself a view of another: (key, offset, size).
        _, first, count = identity[5]
    return Storage(key, stored, _size(count), width, _size(first), kind.name)


def _size(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**62:
        raise ValueError("a size that is none")
    return value


def _sizes(values: Any) -> tuple[int, ...]:
    if not isinstance(values, (tuple, list)) or len(values) > MAX_AXES:
        raise ValueError("a shape that is none")
    return tuple(map(_size, values))


def _view(storage: Any, stored: str | None, offset: Any, size: Any, stride: Any) -> Any:
    """A tensor, checked to lie inside its storage."""
    if not isinstance(storage, Storage):
        raise ValueError("a tensor without storage")
    if stored is None:
        return Unreadable(f"elements of {storage.kind.removesuffix('Storage')} have no values here")
    shape, strides, first = _sizes(size), _sizes(stride), _size(offset)
    if len(shape) != len(strides):
        raise ValueError("a tensor with more or fewer strides than axes")
    held = storage.nbytes // (STORED_TYPES[stored].bits // 8)
    count = math.prod(shape)
    reach = first + 1 + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if count and reach > held:
        raise Malformed(f"a tensor of shape {shape} reaches beyond its storage of {held} elements")
    if not count and math.prod(n for n in shape if n) > 2**59:
        raise ValueError("a shape that is too large")
    if count > max(held, MAX_REPEATED):
        return Unreadable(f"it repeats its elements to a shape of {shape}")
    return Tensor(storage, stored, storage.first + first, shape, strides)


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Any:
    return _view(storage, getattr(storage, "stored", None), offset, size, stride)


def _tensor_v2(
    storage: Any, offset: Any, size: Any, stride: Any, _grad: Any, _hooks: Any, meta: Any = None
) -> Any:
    if meta:
        return Unreadable("it is stored negated or conjugated")
    return _tensor(storage, offset, size, stride)


def _tensor_v3(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    _grad: Any,
    _hooks: Any,
    dtype: Any,
    meta: Any = None,
) -> Any:
    if meta:
        return Unreadable("it is stored negated or conjugated")
    stored = _DTYPES.get(dtype.name) if isinstance(dtype, Global) else None
    if stored is None:
        return Unreadable(f"its elements are {dtype}, which are not read")
    return _view(storage, stored, offset, size, stride)


def _parameter(data: Any, *_: Any) -> Any:
    return data


def _from_type(function: Any, _kind: Any, args: Any, _state: Any = None) -> Any:
    """A tensor of a class derived from PyTorch's own: by the function that makes its data."""
    if not isinstance(function, Global) or not isinstance(args, tuple):
        raise ValueError("a tensor made by what is no function")
    call = CALLS.get((function.module, function.name))
    return call(*args) if call else Unreadable(f"{function} would have to make it")


def _not_read(why: str) -> Call:
    return lambda *_: Unreadable(why)


def _kept(module: str, name: str) -> Call:
    """Keeps a harmless object as its name and arguments."""
    kind = Global(module, name)
    return lambda *args: Instance(kind, args)


def _mapping(pairs: Any = None, *_: Any) -> dict[Any, Any]:
    """An ordered dictionary: an empty one that is filled later, or as Python 2 wrote it."""
    if isinstance(pairs, list):
        found = {key: value for key, value in pairs if isinstance(key, (str, int))}
        pairs.clear()  # Else a small file could have it copied a million times.
        return found
    return pairs if isinstance(pairs, dict) else {}


def _sequence(values: Any = (), *_: Any) -> Any:
    return values if isinstance(values, (list, tuple)) else []


def _object(kind: Any, *_: Any) -> Instance:
    if not isinstance(kind, Global):
        raise ValueError("an instance of what is no class")
    return Instance(kind)


def _calls() -> dict[tuple[str, str], Callable[..., Any]]:
    found: dict[tuple[str, str], Callable[..., Any]] = {
        ("collections", "OrderedDict"): _mapping,
        ("collections", "defaultdict"): lambda *_: {},
        ("collections", "Counter"): _mapping,
        ("collections", "deque"): _sequence,
        ("torch", "Size"): _sequence,
        ("torch._utils", "_rebuild_tensor"): _tensor,
        ("torch._utils", "_rebuild_tensor_v2"): _tensor_v2,
        ("torch._utils", "_rebuild_tensor_v3"): _tensor_v3,
        ("torch._utils", "_rebuild_parameter"): _parameter,
        ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
        ("torch._tensor", "_rebuild_from_type"): _from_type,
        ("torch._tensor", "_rebuild_from_type_v2"): _from_type,
    }
    whys = {
        "_rebuild_qtensor": "it is quantised in PyTorch's own way",
        "_rebuild_sparse_tensor": "it is sparse",
        "_rebuild_sparse_csr_tensor": "it is sparse",
        "_rebuild_nested_tensor": "it is a nested tensor",
        "_rebuild_meta_tensor_no_storage": "it has a shape, but no values",
        "_rebuild_wrapper_subclass": "its class says how its values are stored",
        "_rebuild_device_tensor_from_numpy": "it is written for a device that is not read",
        "_rebuild_device_tensor_from_cpu_tensor": "it is written for a device that is not read",
    }
    found |= {("torch._utils", name): _not_read(why) for name, why in whys.items()}
    for module in ("builtins", "__builtin__"):
        found |= {(module, name): _sequence for name in ("set", "frozenset", "list", "tuple")}
        kept = ("bytearray", "complex", "range", "slice")
        found |= {(module, name): _kept(module, name) for name in kept}
        found[module, "dict"] = _mapping
    for module in ("copyreg", "copy_reg"):
        found[module, "_reconstructor"] = _object
    found |= {(module, name): _kept(module, name) for module, name in _KEPT}
    return found


_KEPT = (
    ("_codecs", "encode"),
    ("torch", "device"),
    ("torch.serialization", "_get_layout"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    *((module, name)
      for module in ("numpy.core.multiarray", "numpy._core.multiarray")
      for name in ("_reconstruct", "scalar")),
    *(("datetime", name) for name in ("date", "datetime", "time", "timedelta", "timezone")),
    *(("pathlib", name) for name in ("Path", "PosixPath", "PurePosixPath", "WindowsPath")),
    *(("pathlib._local", name) for name in ("Path", "PosixPath", "PurePosixPath", "WindowsPath")),
    ("uuid", "UUID"),
)  # fmt: skip

CALLS: Mapping[tuple[str, str], Call] = MappingProxyType(_calls())
"""Every function that a file may call: what of them matters is described, the rest is kept."""
