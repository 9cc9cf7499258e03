"""The two layouts of PyTorch's files: an archive since version 1.6, and a row of pickles before.

Neither is loaded by PyTorch: the pickles say which tensors are views of which storages, and
the storages' bytes lie in the file as they are. Layouts: ``torch/serialization.py``, ``_save``
and ``_legacy_save``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..source import ByteSource
from .archive import member_source
from .malformed import CUT, Malformed, quoted
from .pickle_machine import Machine
from .pickle_objects import OutOfBytes, Refused
from .pytorch_objects import CALLS, Storage, storage_of
from .pytorch_state import State, find_state
from .zip_directory import Member, read_directory

__all__ = ["TorchFile", "read_file"]

MAX_PICKLE = 1 << 26
"""64 MiB of names and shapes; the largest state dicts take a few."""

_FIRST_PICKLE = 1 << 16
"""Bytes of an old file that are read at first."""

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


@dataclass(frozen=True)
class TorchFile:
    """What one file holds.

    Attributes
    ----------
    state
        The model.
    places
        Where each storage lies: key → source and first byte. Those that are absent are not in.
    header
        Bytes at the beginning of the file that tell what it holds.
    """

    state: State
    places: Mapping[str, tuple[ByteSource, int]]
    header: int


def read_file(source: ByteSource) -> TorchFile:
    """Read what a file says about its tensors; their values are not touched.

    Raises
    ------
    Malformed
        It is damaged, no file of PyTorch, or wants more than tensors.
    """
    first = source.bytes(0, 4)
    if first.startswith(b"PK"):
        return _read_archive(source)
    if first.startswith(b"\x80"):
        return _read_legacy(source)
    raise Malformed("it begins neither like an archive nor like a pickle", _NOT_TORCH)


_NOT_TORCH = "It is damaged, or no file of PyTorch."
_BIG_ENDIAN = "Load and save it on a machine with the usual order."


def _machine(data: bytes, persistent: Callable[..., Any], start: int = 0) -> Machine:
    return Machine(data, CALLS, persistent, start)


def _run(machine: Machine) -> Any:
    """What a pickle holds, with advice if it wants more than tensors."""
    try:
        return machine.run()
    except Refused as error:
        raise Malformed(
            f"besides tensors, its pickle asks to call {quoted(error.wanted)[1:-1]}, which is not "
            f"done, because a file can have any program run that way",
            "If you trust where it comes from, load it with torch.load(path, weights_only=False) "
            "and save the tensors alone: torch.save(model.state_dict(), new_path)",
        ) from None


def _state(machine: Machine) -> State:
    state = find_state(_run(machine))
    classes = sorted(name for name in machine.instances if not name.startswith("__torch__"))
    if classes:
        shown = ", ".join(quoted(name)[1:-1] for name in classes[:5])
        more = f" and {len(classes) - 5} more" if len(classes) > 5 else ""
        state.notes.append(f"Objects of {shown}{more} in the file are not loaded.")
    return state


def _read_archive(source: ByteSource) -> TorchFile:
    members = read_directory(source)
    pickles = [name for name in members if name.rpartition("/")[2] == "data.pkl"]
    if not pickles:
        raise Malformed("the archive holds no data.pkl", _what_else(members))
    name = min(pickles, key=lambda name: name.count("/"))
    root = name.removesuffix("data.pkl")
    order = members.get(f"{root}byteorder")
    if order is not None and _content(source, order, 16).strip() == b"big":
        raise Malformed("its bytes are in big-endian order", _BIG_ENDIAN)
    member = members[name]
    places: dict[str, tuple[ByteSource, int]] = {}
    short: list[str] = []

    def persistent(identity: Any) -> Storage:
        storage = storage_of(identity)
        held = members.get(f"{root}data/{storage.key}")
        if held is not None and storage.key not in places:
            if held.size < storage.nbytes:
                short.append(held.name)
            places[storage.key] = member_source(source, held), 0
        return storage

    machine = _machine(_content(source, member, MAX_PICKLE), persistent)
    try:
        state = _state(machine)
    except OutOfBytes:
        raise Malformed("its pickle ends too early") from None
    if short:
        raise Malformed(f"the member {quoted(short[0])} is shorter than its tensors")
    return TorchFile(state, places, min(member.limit, MAX_PICKLE))


def _what_else(members: Mapping[str, Member]) -> str:
    if any(name.endswith(".npy") for name in members):
        return "It is an archive of numpy; give it the ending .npz."
    return _NOT_TORCH


def _content(source: ByteSource, member: Member, limit: int) -> bytes:
    if member.size > limit:
        raise Malformed(
            f"the member {quoted(member.name)} has {member.size} bytes, more than {limit}",
            "Save only the state dict: torch.save(model.state_dict(), path).",
        )
    return member_source(source, member).bytes(0, member.size)


def _read_legacy(source: ByteSource) -> TorchFile:
    """Five pickles (magic number, version, system, model, keys of storages), and the storages."""
    count = _FIRST_PICKLE
    while True:
        data = source.bytes(0, count)
        try:
            return _parse_legacy(source, data)
        except OutOfBytes:
            if len(data) == source.size:
                raise Malformed("its pickles end too early") from None
            if count >= MAX_PICKLE:
                raise Malformed(f"its pickles have more than {MAX_PICKLE} bytes", CUT) from None
        count = min(4 * count, MAX_PICKLE)


def _parse_legacy(source: ByteSource, data: bytes) -> TorchFile:
    def outside(_: Any) -> Any:
        raise ValueError("a storage where none can be")

    at = 0
    read: list[Any] = []
    for _ in range(3):
        machine = _machine(data, outside, at)
        read.append(_run(machine))
        at = machine.at
        if read[0] != _MAGIC:
            raise Malformed("it is a pickle, but none that PyTorch wrote", _NOT_TORCH)
    system = read[2]
    if read[1] != _PROTOCOL or not isinstance(system, dict):
        raise Malformed("it is of an unknown version of PyTorch's format", _NOT_TORCH)
    if system.get("little_endian") is False:
        raise Malformed("its bytes are in big-endian order", _BIG_ENDIAN)
    storages: dict[str, Storage] = {}

    def persistent(identity: Any) -> Storage:
        storage = storage_of(identity)
        whole = storage_of((*identity[:5], None))
        known = storages.setdefault(whole.key, whole)
        if known.nbytes != whole.nbytes or known.width != whole.width:
            raise ValueError("a storage of two sizes")
        if (storage.first + storage.count) * storage.width > whole.nbytes:
            raise ValueError("a view beyond its storage")
        return storage

    machine = _machine(data, persistent, at)
    state = _state(machine)
    machine = _machine(data, outside, machine.at)
    keys = _run(machine)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise Malformed("the list of its storages is damaged")
    # Each storage: its number of elements in 8 bytes, then its elements.
    places: dict[str, tuple[ByteSource, int]] = {}
    place = machine.at
    for key in keys:
        if key not in storages or key in places:
            raise Malformed(
                f"the storage {quoted(key)} is listed, but belongs to no tensor, or twice"
            )
        places[key] = source, place + 8
        place += 8 + storages[key].nbytes
    if place != source.size:
        raise Malformed(f"its storages end at byte {place}, but the file has {source.size} bytes")
    return TorchFile(state, places, machine.at)
