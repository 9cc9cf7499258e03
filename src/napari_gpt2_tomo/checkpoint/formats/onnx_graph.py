"""What an ONNX file says about its weights: the initialisers of its graph, and who uses them.

Field numbers are those of ``onnx/onnx.proto``. Weights are not touched.
"""

import re
from dataclasses import dataclass, field

from ..source import ByteSource
from .malformed import Malformed, quoted
from .protobuf import BYTES, Field, Walker, to_signed

__all__ = ["Graph", "Initialiser", "read_graph"]

MAX_AXES = 64
"""The limit of numpy."""

_MODEL = {"graph": 7, "metadata": 14, "producer": 2}
_GRAPH = {"node": 1, "initializer": 5, "sparse": 15}
_NODE = {"input": 1, "output": 2, "name": 3, "op": 4, "metadata": 9}
_TENSOR = {
    "dims": 1, "type": 2, "segment": 3, "floats": 4, "int32s": 5, "strings": 6, "int64s": 7,
    "name": 8, "raw": 9, "doubles": 10, "uint64s": 11, "external": 13, "location": 14,
}  # fmt: skip
_ROWS = tuple(_TENSOR[key] for key in ("floats", "int32s", "int64s", "doubles", "uint64s"))

_SCOPES = "pkg.torch.onnx.name_scopes"
"""Under this key PyTorch's newer exporter keeps the modules that a node belongs to."""

_QUOTED = re.compile(r"'([^']*)'")


@dataclass
class Initialiser:
    """A stored tensor of the graph.

    Attributes
    ----------
    name, shape, kind
        As the file has them; `kind` is the number of the element type.
    raw
        Where its bytes lie in the file, None if they do not.
    row
        Field number and place of its elements if they are stored as a row of numbers.
    external
        Keys and values that say where its bytes lie in another file.
    wrong
        Why it cannot be read.
    """

    name: str = ""
    shape: tuple[int, ...] = ()
    kind: int = 0
    raw: tuple[int, int] | None = None
    row: tuple[int, int, int] | None = None
    external: dict[str, str] = field(default_factory=dict)
    wrong: str = ""


@dataclass
class Graph:
    """The graph of a file, as far as weights go.

    Attributes
    ----------
    initialisers
        In file order.
    modules
        The module that multiplies its input with a matrix, by the matrix' name.
    metadata
        Free text beside the graph.
    sparse
        Number of sparse initialisers.
    """

    initialisers: list[Initialiser] = field(default_factory=list)
    modules: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    sparse: int = 0


def read_graph(source: ByteSource) -> Graph:
    """Read what a file says about its weights.

    Raises
    ------
    Malformed
        It is damaged or holds no graph.
    """
    walker = Walker(source)
    graph = Graph()
    found = False
    for part in walker.fields(0, source.size):
        if part.number == _MODEL["graph"] and part.kind == BYTES:
            found = True
            _read(walker, part, graph)
        elif part.number == _MODEL["metadata"] and part.kind == BYTES:
            key, value = _pair(walker, part)
            graph.metadata[key] = value
        elif part.number == _MODEL["producer"] and part.kind == BYTES:
            graph.metadata["producer"] = walker.text(part)
    if not found:
        raise Malformed("it holds no graph", "It is damaged, or no model in the ONNX format.")
    return graph


def _read(walker: Walker, whole: Field, graph: Graph) -> None:
    for part in walker.fields(whole.start, whole.stop):
        if part.kind != BYTES:
            continue
        if part.number == _GRAPH["node"]:
            _read_node(walker, part, graph)
        elif part.number == _GRAPH["initializer"]:
            graph.initialisers.append(_read_tensor(walker, part))
        elif part.number == _GRAPH["sparse"]:
            graph.sparse += 1


def _read_node(walker: Walker, whole: Field, graph: Graph) -> None:
    """Note which module multiplies with which matrix."""
    inputs: list[str] = []
    name = op = scope = ""
    for part in walker.fields(whole.start, whole.stop):
        if part.number == _NODE["input"]:
            inputs.append(walker.text(part))
        elif part.number == _NODE["name"]:
            name = walker.text(part)
        elif part.number == _NODE["op"]:
            op = walker.text(part)
            if op != "MatMul":
                return
        elif part.number == _NODE["metadata"]:
            key, value = _pair(walker, part)
            if key == _SCOPES:
                scope = value
    if op != "MatMul" or len(inputs) != 2:
        return
    module = ""
    if name.startswith("/"):
        # PyTorch's older exporter: /model/layers.0/self_attn/q_proj/MatMul
        module = ".".join(name.split("/")[1:-1])
    elif scope:
        scopes = _QUOTED.findall(scope)
        module = scopes[-2] if len(scopes) > 1 else ""
    if module:
        graph.modules[inputs[1]] = "" if inputs[1] in graph.modules else module


def _pair(walker: Walker, whole: Field) -> tuple[str, str]:
    key = value = ""
    for part in walker.fields(whole.start, whole.stop):
        if part.number == 1:
            key = walker.text(part)
        elif part.number == 2:
            value = walker.text(part) if part.length <= 1 << 16 else ""
    return key, value


def _read_tensor(walker: Walker, whole: Field) -> Initialiser:
    found = Initialiser()
    shape: list[int] = []
    for part in walker.fields(whole.start, whole.stop):
        number = part.number
        if number == _TENSOR["dims"]:
            shape += map(to_signed, walker.varints(part, MAX_AXES))
        elif number == _TENSOR["type"]:
            found.kind = part.value
        elif number == _TENSOR["name"]:
            found.name = walker.text(part)
        elif number == _TENSOR["raw"] and part.kind == BYTES:
            found.raw = part.start, part.stop
        elif number in _ROWS:
            if part.kind != BYTES or found.row is not None:
                found.wrong = "its elements are stored one by one"
            found.row = number, part.start, part.stop
        elif number == _TENSOR["external"] and part.kind == BYTES:
            key, value = _pair(walker, part)
            found.external[key] = value
        elif number == _TENSOR["segment"]:
            found.wrong = "it is a segment of a tensor"
        elif number == _TENSOR["strings"]:
            found.wrong = "its elements are texts"
    if len(shape) > MAX_AXES or any(n < 0 for n in shape):
        raise Malformed(f"the shape {quoted(tuple(shape))} of {quoted(found.name)} is none")
    found.shape = tuple(shape)
    return found
