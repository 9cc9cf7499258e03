"""Python pickles read without Python: nothing is imported, nothing is called.

A pickle is a program for a stack machine; loading one with the standard library runs any
function that it names. This machine only builds numbers, texts, tuples, lists and mappings.
The few functions that a file of tensors calls are looked up in a table that the caller gives,
and what they make are descriptions. Calling any other ends the reading; an instance of a class
is kept as its name and state.

The opcodes are described in the standard library's ``pickletools``.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any

from .malformed import Malformed, quoted
from .pickle_objects import Global, Instance, OutOfBytes, Refused, as_key

__all__ = ["Call", "Machine"]

MAX_STEPS = 2_000_000
"""Opcodes: a tensor takes about fifty; what a step makes takes some 100 bytes at most."""

MAX_LONG = 64
"""Bytes of an integer; sizes take 8, the seeds of random generators more."""

MAX_DIGITS = 160
"""Digits of an integer that is written as text."""

MAX_NAME = 1000
"""Characters of the name of a class or function."""

MAX_ARGS = 32
"""Arguments of a call; tensors have eight."""

Call = Callable[..., Any]
"""Makes a description of the arguments of a call; ValueError or TypeError if they are wrong."""


class Machine:
    """Reads one pickle.

    Parameters
    ----------
    data
        The bytes, which may go on after the pickle.
    calls
        The functions that may be called: (module, name) → what makes a description.
    persistent
        Makes a description of an object that lies outside the pickle, from its id.
    start
        Byte of `data` at which the pickle begins.
    """

    def __init__(
        self,
        data: bytes,
        calls: Mapping[tuple[str, str], Call],
        persistent: Call,
        start: int = 0,
    ) -> None:
        self._data = data
        self._calls = calls
        self._persistent = persistent
        self.at = start
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self.instances: set[str] = set()

    def run(self) -> Any:
        """The object that the pickle describes; `at` is then the byte after it.

        Raises
        ------
        Malformed
            It is damaged, too large, or (`Refused`) wants to call something.
        OutOfBytes
            It goes on after the last byte.
        """
        data, size, table = self._data, len(self._data), _OPCODES
        for _ in range(MAX_STEPS):
            if self.at >= size:
                raise OutOfBytes
            code = data[self.at]
            self.at += 1
            try:
                if code == _STOP:
                    return self._pop()
                step = table.get(code)
                if step is None:
                    raise Malformed(f"its pickle has the unknown opcode {code:#x}")
                step(self)
            except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
                raise Malformed(f"its pickle is damaged ({quoted(str(error))[1:-1]})") from None
        raise Malformed(f"its pickle takes more than {MAX_STEPS} steps", _LARGE)

    # The bytes

    def _take(self, count: int) -> bytes:
        end = self.at + count
        if count < 0:
            raise ValueError("negative length")
        if end > len(self._data):
            raise OutOfBytes
        taken = self._data[self.at : end]
        self.at = end
        return taken

    def _number(self, form: struct.Struct) -> Any:
        return form.unpack(self._take(form.size))[0]

    def _line(self, encoding: str = "utf-8") -> str:
        end = self._data.find(b"\n", self.at)
        if end < 0:
            raise OutOfBytes
        line = self._data[self.at : end].decode(encoding)
        self.at = end + 1
        return line

    # The stack

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        if self._marks and len(self._stack) <= self._marks[-1]:
            raise IndexError("nothing on the stack")
        return self._stack.pop()

    def _pop_to_mark(self) -> list[Any]:
        start = self._marks.pop()
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def _pop_or_mark(self) -> None:
        if self._marks and len(self._stack) == self._marks[-1]:
            self._marks.pop()
        else:
            self._pop()

    def _tuple(self, count: int) -> None:
        values = [self._pop() for _ in range(count)]
        self._push(tuple(reversed(values)))

    def _store(self, key: int) -> None:
        self._memo[key] = self._stack[-1]

    # Filling what is there

    def _append(self, values: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, list):
            target.extend(values)
        elif not isinstance(target, Instance):
            raise TypeError("something is appended to what is no list")

    def _set(self, pairs: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, Instance):
            target = target.items
        if not isinstance(target, dict) or len(pairs) % 2:
            raise TypeError("something is put into what is no mapping")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            target[as_key(key)] = value

    def _build(self) -> None:
        state = self._pop()
        target = self._stack[-1]
        if isinstance(target, Instance):
            target.state = state

    # Calls

    def _global(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError("a name is no text")
        if len(module) + len(name) > MAX_NAME:
            raise ValueError("a name that is too long")
        self._push(Global(module, name))

    def _call(self, function: Any, args: Any) -> Any:
        if not isinstance(function, Global) or not isinstance(args, tuple):
            raise TypeError("a call of what is no function")
        call = self._calls.get((function.module, function.name))
        if call is None:
            raise Refused(str(function))
        if len(args) > MAX_ARGS:
            raise ValueError("a call with too many arguments")
        return call(*args)

    def _new(self, kind: Any, args: Any) -> None:
        if not isinstance(kind, Global) or not isinstance(args, tuple):
            raise TypeError("an instance of what is no class")
        if (kind.module, kind.name) in self._calls:
            self._push(self._call(kind, args))
            return
        self.instances.add(str(kind))
        self._push(Instance(kind, args))

    def _reduce(self) -> None:
        args = self._pop()
        self._push(self._call(self._pop(), args))

    def _new_object(self) -> None:
        args = self._pop()
        self._new(self._pop(), args)

    def _new_object_with_keywords(self) -> None:
        self._pop()
        self._new_object()

    def _old_instance(self) -> None:
        self._global(self._line(), self._line())
        function = self._pop()
        self._push(self._call(function, tuple(self._pop_to_mark())))

    def _old_object(self) -> None:
        function, *args = self._pop_to_mark()
        self._push(self._call(function, tuple(args)))

    def _stack_global(self) -> None:
        name = self._pop()
        self._global(self._pop(), name)

    def _integer(self, count: int) -> None:
        if count > MAX_LONG:
            if count > len(self._data):
                raise OutOfBytes
            self._take(count)
            self._push(None)
        else:
            self._push(int.from_bytes(self._take(count), "little", signed=True))

    def _decimal(self) -> None:
        line = self._line().removesuffix("L")
        if line in ("00", "01"):
            self._push(line == "01")
        else:
            self._push(int(line) if len(line) <= MAX_DIGITS else None)


_LARGE = "Save only the state dict: torch.save(model.state_dict(), path)."


_U8, _U16, _U32, _U64 = (struct.Struct(form) for form in ("<B", "<H", "<I", "<Q"))
_I32, _F64 = struct.Struct("<i"), struct.Struct(">d")
_STOP = ord(".")


def _constant(value: Any) -> Callable[[Machine], None]:
    return lambda machine: machine._push(value)


def _text(form: struct.Struct, encoding: str) -> Callable[[Machine], None]:
    def step(machine: Machine) -> None:
        machine._push(machine._take(machine._number(form)).decode(encoding, "surrogatepass"))

    return step


def _binary(form: struct.Struct) -> Callable[[Machine], None]:
    return lambda machine: machine._push(machine._take(machine._number(form)))


def _number(form: struct.Struct) -> Callable[[Machine], None]:
    return lambda machine: machine._push(machine._number(form))


def _store(form: struct.Struct) -> Callable[[Machine], None]:
    return lambda machine: machine._store(machine._number(form))


def _fetch(form: struct.Struct) -> Callable[[Machine], None]:
    return lambda machine: machine._push(machine._memo[machine._number(form)])


_OPCODES: dict[int, Callable[[Machine], None]] = {
    ord(code): step
    for code, step in {
        # frames and versions
        "\x80": lambda it: it._take(1),
        "\x95": lambda it: it._take(8),
        # the stack
        "(": lambda it: it._marks.append(len(it._stack)),
        "0": Machine._pop_or_mark,
        "1": Machine._pop_to_mark,
        "2": lambda it: it._push(it._stack[-1]),
        # the memo
        "p": lambda it: it._store(int(it._line()[:20])),
        "q": _store(_U8),
        "r": _store(_U32),
        "\x94": lambda it: it._store(len(it._memo)),
        "g": lambda it: it._push(it._memo[int(it._line()[:20])]),
        "h": _fetch(_U8),
        "j": _fetch(_U32),
        # constants
        "N": _constant(None),
        "\x88": _constant(True),
        "\x89": _constant(False),
        ")": _constant(()),
        # numbers
        "I": Machine._decimal,
        "L": Machine._decimal,
        "J": _number(_I32),
        "K": _number(_U8),
        "M": _number(_U16),
        "\x8a": lambda it: it._integer(it._number(_U8)),
        "\x8b": lambda it: it._integer(it._number(_I32)),
        "F": lambda it: it._push(float(it._line()[:400])),
        "G": _number(_F64),
        # texts and bytes
        "V": lambda it: it._push(it._line("raw-unicode-escape")),
        "S": lambda it: it._push(it._line()[1:-1]),
        "X": _text(_U32, "utf-8"),
        "\x8c": _text(_U8, "utf-8"),
        "\x8d": _text(_U64, "utf-8"),
        "T": _text(_I32, "latin-1"),
        "U": _text(_U8, "latin-1"),
        "B": _binary(_U32),
        "C": _binary(_U8),
        "\x8e": _binary(_U64),
        "\x96": _binary(_U64),
        # tuples, lists, mappings; sets are kept as lists
        "t": lambda it: it._push(tuple(it._pop_to_mark())),
        "\x85": lambda it: it._tuple(1),
        "\x86": lambda it: it._tuple(2),
        "\x87": lambda it: it._tuple(3),
        "]": lambda it: it._push([]),
        "\x8f": lambda it: it._push([]),
        "l": lambda it: it._push(it._pop_to_mark()),
        "\x91": lambda it: it._push(it._pop_to_mark()),
        "a": lambda it: it._append([it._pop()]),
        "e": lambda it: it._append(it._pop_to_mark()),
        "\x90": lambda it: it._append(it._pop_to_mark()),
        "}": lambda it: it._push({}),
        "d": lambda it: (lambda pairs: (it._push({}), it._set(pairs)))(it._pop_to_mark()),
        "s": lambda it: (lambda value: it._set([it._pop(), value]))(it._pop()),
        "u": lambda it: it._set(it._pop_to_mark()),
        # names, calls, objects
        "c": lambda it: it._global(it._line(), it._line()),
        "\x93": Machine._stack_global,
        "R": Machine._reduce,
        "b": Machine._build,
        "\x81": Machine._new_object,
        "\x92": Machine._new_object_with_keywords,
        "i": Machine._old_instance,
        "o": Machine._old_object,
        "Q": lambda it: it._push(it._persistent(it._pop())),
        "P": lambda it: it._push(it._persistent(it._line())),
    }.items()
}
