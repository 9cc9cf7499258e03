"""The model tree as Qt shows it: rows are made when they come into sight."""

from collections.abc import Callable, Mapping
from typing import Any

from qtpy.QtCore import QAbstractItemModel, QModelIndex, QSize, Qt
from qtpy.QtGui import QBrush, QColor, QIcon, QPainter, QPixmap

from ...display.console import Console
from ...display.tree import Node

__all__ = ["COLUMNS", "TreeModel", "swatch"]

COLUMNS = ("part", "shape", "parameters", "tensor")
NAME, SHAPE, SIZE, TENSOR = range(len(COLUMNS))

SWATCH = 10
"""Pixels a side of a colour sample."""

FADED = 160
"""Alpha (0…255) of the name of what is hidden."""

Colour = tuple[float, float, float]
ROLES = Qt.ItemDataRole


class _Row:
    """A node, its place, and the rows below it that were asked for."""

    __slots__ = ("node", "number", "parent", "rows")

    def __init__(self, node: Node, parent: "_Row | None", number: int) -> None:
        self.node = node
        self.parent = parent
        self.number = number
        self.rows: dict[int, _Row] = {}

    def row(self, number: int) -> "_Row":
        found = self.rows.get(number)
        if found is None:
            found = self.rows[number] = _Row(self.node.children[number], self, number)
        return found


class TreeModel(QAbstractItemModel):  # type: ignore[misc]
    """The nodes below a root.

    Parameters
    ----------
    root
        The root itself is no row.
    colours
        Colour of every part in the atlas, by name.
    texts
        Gives the text of a token, None while it is not known.
    """

    def __init__(
        self,
        root: Node,
        colours: Mapping[str, Colour],
        texts: Callable[[int], str | None] = lambda token: None,
        parent: Any = None,
    ) -> None:
        super().__init__(parent)
        self._root = _Row(root, None, 0)
        self._colours = colours
        self._texts = texts
        self._icons: dict[Any, QIcon] = {}
        self._hidden: frozenset[str] = frozenset()
        self._shown: frozenset[str] | None = None
        self._tints: Mapping[str, Colour] = {}

    def follow(self, console: Console) -> None:
        """Show what a console hides and tints now."""
        self._hidden, self._shown = console.hidden, console.shown
        self._tints = console.tints
        self.refresh()

    def refresh(self) -> None:
        """Everything that is in sight may look otherwise."""
        self.layoutChanged.emit()

    def node(self, index: Any) -> Node:
        """The node of a row."""
        return self._row(index).node

    def is_hidden(self, node: Node) -> bool:
        """Whether all parts of a node are hidden."""
        return bool(node.parts) and all(
            name in self._hidden or (self._shown is not None and name not in self._shown)
            for name in node.parts
        )

    def index(self, row: int, column: int, parent: Any = QModelIndex()) -> Any:  # noqa: B008
        """See Qt."""
        above = self._row(parent)
        if not 0 <= row < len(above.node.children) or not 0 <= column < len(COLUMNS):
            return QModelIndex()
        # Qt keeps a pointer only; the row above keeps the row itself.
        return self.createIndex(row, column, above.row(row))

    def parent(self, index: Any = None) -> Any:
        """See Qt."""
        if index is None:
            return super().parent()
        above = self._row(index).parent if index.isValid() else None
        if above is None or above.parent is None:
            return QModelIndex()
        return self.createIndex(above.number, 0, above)

    def rowCount(self, parent: Any = QModelIndex()) -> int:  # noqa: B008
        """See Qt."""
        return 0 if parent.column() > 0 else len(self._row(parent).node.children)

    def hasChildren(self, parent: Any = QModelIndex()) -> bool:  # noqa: B008
        """See Qt."""
        return self.rowCount(parent) > 0

    def columnCount(self, parent: Any = QModelIndex()) -> int:  # noqa: B008
        """See Qt."""
        return len(COLUMNS)

    def headerData(self, section: int, orientation: Any, role: int = ROLES.DisplayRole) -> Any:
        """See Qt."""
        if orientation == Qt.Orientation.Horizontal and role == ROLES.DisplayRole:
            return COLUMNS[section]
        return None

    def data(self, index: Any, role: int = ROLES.DisplayRole) -> Any:
        """See Qt."""
        if not index.isValid():
            return None
        node, column = self.node(index), index.column()
        if role == ROLES.DisplayRole:
            return self._text(node, column)
        if role == ROLES.ToolTipRole:
            return self._tip(node)
        if role == ROLES.TextAlignmentRole and column == SIZE:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == ROLES.DecorationRole and column == NAME:
            return self._icon(node)
        if role == ROLES.ForegroundRole and self.is_hidden(node):
            return QBrush(QColor(128, 128, 128, FADED))
        return None

    def _row(self, index: Any) -> _Row:
        found = index.internalPointer() if index.isValid() else None
        return found if isinstance(found, _Row) else self._root

    def _text(self, node: Node, column: int) -> str:
        if column == NAME:
            return node.title
        if column == SHAPE:
            return self._token(node) or node.detail
        return f"{node.size:,}" if column == SIZE else node.tensor

    def _token(self, node: Node) -> str | None:
        words = node.query.split()
        if node.kind != "unit" or words[0] != "token":
            return None
        text = self._texts(int(words[1]))
        return None if text is None else f"“{text}”"

    def _tip(self, node: Node) -> str:
        lines = [f"{node.title} · {node.size:,} parameters"]
        if node.tensor:
            lines.append(f"in {node.tensor}, {node.detail}")
        if node.query:
            lines.append(f"click to go there, or type {node.query}")
        return "\n".join(lines)

    def _icon(self, node: Node) -> Any:
        """A sample of the colour in the atlas, or of the tint; empty for what is hidden."""
        if node.kind != "part":
            return None
        name = node.parts[0]
        colour = self._tints.get(name) or self._colours.get(name)
        if colour is None:
            return None
        key = (colour, name in self._tints, self.is_hidden(node))
        if key not in self._icons:
            self._icons[key] = swatch(*key)
        return self._icons[key]


def swatch(colour: Colour, bright: bool = False, hollow: bool = False) -> QIcon:
    """A sample of a colour, round where it is a tint, an outline where it is hidden."""
    ratio = 2  # Screens with two pixels a point are common; on others Qt shrinks it.
    picture = QPixmap(QSize(SWATCH, SWATCH) * ratio)
    picture.setDevicePixelRatio(ratio)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    shade = QColor.fromRgbF(*colour)
    painter.setPen(shade)
    painter.setBrush(QBrush() if hollow else QBrush(shade))
    if bright:
        painter.drawEllipse(1, 1, SWATCH - 2, SWATCH - 2)
    else:
        painter.drawRoundedRect(1, 1, SWATCH - 2, SWATCH - 2, 2, 2)
    painter.end()
    return QIcon(picture)
