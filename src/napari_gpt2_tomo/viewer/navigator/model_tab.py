"""The tab with the model: what it is, its tree, and what is shown of it."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QItemSelectionModel, Qt, QTimer
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QStackedWidget,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from ...display.console import Console
from ...display.roles import role_colour
from ...display.tree import Node, model_tree, search
from .guide import known_vocabulary
from .tree_model import NAME, SHAPE, SIZE, TENSOR, TreeModel, swatch

if TYPE_CHECKING:
    from ..link import ScanLink

__all__ = ["PALETTE", "ModelTab"]

PALETTE: Mapping[str, tuple[float, float, float]] = {
    # Okabe and Ito, "Color Universal Design", 2008: told apart by the colour-blind too.
    "orange": (0.90, 0.62, 0.00),
    "sky blue": (0.34, 0.71, 0.91),
    "green": (0.00, 0.62, 0.45),
    "yellow": (0.94, 0.89, 0.26),
    "blue": (0.00, 0.45, 0.70),
    "vermilion": (0.84, 0.37, 0.00),
    "purple": (0.80, 0.47, 0.65),
    "white": (1.00, 1.00, 1.00),
}
"""Tints that are offered."""

WIDTHS = {NAME: 180, SHAPE: 90, SIZE: 90, TENSOR: 220}
"""Pixels of the columns at first: names, shapes and numbers of GPT-2 fit."""

ROOMY = "QTreeView::item { min-height: 22px; }"
"""Rows that a finger or a quick mouse hits."""

MANY = 5000
"""Parts beyond which a search waits until nothing is typed: the first one takes a while."""

PAUSE = 200
"""Milliseconds without a key after which somebody has finished a word."""

OTHER = "Other…"
"""Tint that is asked for."""

FULL, FOUND = 0, 1


class ModelTab(QWidget):  # type: ignore[misc]
    """Search, tree, and buttons that isolate, hide and tint.

    Parameters
    ----------
    fly
        Called with the query of a node that was clicked.
    tokens
        Called when the text of a token is wanted that is not loaded yet.
    """

    def __init__(
        self,
        fly: Callable[[str], None],
        tokens: Callable[[], None],
        parent: Any = None,
    ) -> None:
        super().__init__(parent)
        self._fly = fly
        self._tokens = tokens
        self._link: ScanLink | None = None
        self._root: Node | None = None
        self._colours: Mapping[str, tuple[float, float, float]] = {}
        self.summary = QLabel()
        self.summary.setWordWrap(True)
        self.summary.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search: attention L3, c_fc, norm, head 4, neuron 17 …")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._typed)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE)
        self._pause.timeout.connect(self._search)
        self.trees = (self._tree(), self._tree())
        self._stack = QStackedWidget()
        for tree in self.trees:
            self._stack.addWidget(tree)
        self.isolate = _button("Isolate", "Show only what is selected", self._isolate)
        self.hide_button = _button("Hide", "Hide what is selected, or show it again", self._hide)
        self.tint = QPushButton("Tint")
        self.tint.setToolTip("Colour what is selected, in slices and in the volume")
        self.tint.setMenu(self._tint_menu())
        self.show_all = _button("Show all", "Hide nothing, tint nothing", self._show_all)
        buttons = QHBoxLayout()
        for button in (self.isolate, self.hide_button, self.tint, self.show_all):
            buttons.addWidget(button, stretch=1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addWidget(self.summary)
        layout.addWidget(self.search)
        layout.addWidget(self._stack, stretch=1)
        layout.addLayout(buttons)
        self._enable()

    @property
    def tree(self) -> Any:
        """The tree that is seen: the model's, or what a search found."""
        return self._stack.currentWidget()

    def set_link(self, link: "ScanLink | None") -> None:
        """Show the model of a scan, or none."""
        self.let_go()
        self._link = link
        self._root = None
        self.search.setVisible(link is not None)
        self._set_model(FULL, None)
        if link is None:
            self._set_model(FOUND, None)
            self._enable()
            return
        anatomy = link.volume.anatomy
        self._colours = {p.name: role_colour(p.role, p.group, p.layer) for p in anatomy.parts}
        self._root = model_tree(anatomy, link.name)
        self._set_model(FULL, self._root)
        self.search.setText("")
        self._search()
        link.console.events.connect(self._follow)
        self._follow()

    def let_go(self) -> None:
        """Hear nothing of a scan any more."""
        if self._link is not None:
            self._link.console.events.disconnect(self._follow)
            self._link = None

    def refresh(self) -> None:
        """Texts of tokens have been loaded."""
        for tree in self.trees:
            if tree.model() is not None:
                tree.model().refresh()

    def selected(self) -> tuple[str, ...]:
        """Names of the parts that are selected, or that hold what is selected."""
        names: dict[str, None] = {}
        for node in self._selected_nodes():
            names.update(dict.fromkeys(node.parts))
        return tuple(names)

    def select(self, part: str) -> None:
        """Select a part in the tree and open what it lies in."""
        tree = self.trees[FULL]
        model = tree.model()
        if model is None or self._stack.currentIndex() != FULL:
            return
        index = self._index_of(model, part)
        if index is not None:
            flags = QItemSelectionModel.SelectionFlag.ClearAndSelect
            tree.selectionModel().setCurrentIndex(
                index, flags | QItemSelectionModel.SelectionFlag.Rows
            )
            tree.scrollTo(index)

    def _tree(self) -> Any:
        tree = QTreeView()
        tree.setStyleSheet(ROOMY)
        tree.setUniformRowHeights(True)
        tree.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        tree.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        tree.setExpandsOnDoubleClick(True)
        tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        tree.customContextMenuRequested.connect(self._menu)
        tree.clicked.connect(self._clicked)
        tree.activated.connect(self._clicked)
        return tree

    def _set_model(self, place: int, root: Node | None) -> None:
        tree = self.trees[place]
        old, selection = tree.model(), tree.selectionModel()
        if root is None:
            tree.setModel(None)
        else:
            model = TreeModel(root, self._colours, self._text, tree)
            tree.setModel(model)
            tree.selectionModel().selectionChanged.connect(self._enable)
            for column, width in WIDTHS.items():
                tree.setColumnWidth(column, width)
        for gone in (selection, old):
            if gone is not None:
                gone.deleteLater()

    def _typed(self, text: str) -> None:
        if self._root is not None and len(self._root.parts) > MANY:
            self._pause.start()
        else:
            self._search()

    def _search(self) -> None:
        text = self.search.text()
        if self._root is None:
            return
        if not text.strip():
            self._stack.setCurrentIndex(FULL)
            self._set_model(FOUND, None)
        else:
            found = search(self._root, text)
            self._set_model(FOUND, found)
            self._stack.setCurrentIndex(FOUND)
            self._open(self.trees[FOUND])
            self._follow()
        self._enable()

    def _open(self, tree: Any) -> None:
        """Open what was found, as far as to the parts."""
        model = tree.model()
        for index in _indices(model):
            node = model.node(index)
            few = node.kind == "part" and all(c.kind != "pack" for c in node.children[:1])
            if node.kind != "part" or (few and len(node.children) < FEW):
                tree.setExpanded(index, True)

    def _index_of(self, model: Any, part: str) -> Any:
        for index in _indices(model, part):
            if model.node(index).kind == "part":
                return index
        return None

    def _text(self, token: int) -> str | None:
        scan = None if self._link is None else self._link.scan
        vocabulary = None if scan is None else known_vocabulary(scan)
        if vocabulary is None:
            self._tokens()
            return None
        return vocabulary.text(token)

    def _follow(self, *_: Any) -> None:
        if self._link is None:
            return
        for tree in self.trees:
            if tree.model() is not None:
                tree.model().follow(self._link.console)
        self._enable()

    def _selected_nodes(self) -> list[Node]:
        model = self.tree.model()
        if model is None:
            return []
        return [model.node(index) for index in self.tree.selectionModel().selectedRows()]

    def _clicked(self, index: Any) -> None:
        query = index.model().node(index).query
        if query:
            self._fly(query)

    def _console(self) -> Console | None:
        return None if self._link is None else self._link.console

    def _isolate(self, checked: bool = False) -> None:
        console, names = self._console(), self.selected()
        if console is not None and names:
            console.hidden = console.hidden - set(names)
            console.shown = frozenset(names)

    def _hide(self, checked: bool = False) -> None:
        console, names = self._console(), self.selected()
        if console is None or not names:
            return
        if self._selection_hidden():
            console.hidden = console.hidden - set(names)
            if console.shown is not None:
                console.shown = console.shown | set(names)
        else:
            console.hidden = console.hidden | set(names)

    def _show_all(self, checked: bool = False) -> None:
        console = self._console()
        if console is not None:
            console.shown, console.hidden, console.tints = None, frozenset(), {}

    def _set_tint(self, colour: tuple[float, float, float] | None) -> None:
        console, names = self._console(), self.selected()
        if console is None:
            return
        tints = {name: tint for name, tint in console.tints.items() if name not in names}
        if colour is not None:
            tints |= dict.fromkeys(names, colour)
        console.tints = tints

    def _tint_menu(self) -> Any:
        menu = QMenu(self)
        for name, colour in PALETTE.items():
            action = menu.addAction(swatch(colour, True), name)
            action.setData(colour)
        menu.addAction(OTHER)
        menu.addSeparator()
        menu.addAction("No tint")
        menu.triggered.connect(self._tint_chosen)
        return menu

    def _tint_chosen(self, action: Any) -> None:
        if action.text() != OTHER:
            self._set_tint(action.data())
            return
        chosen = QColorDialog.getColor(QColor("white"), self, "Tint")
        if chosen.isValid():
            self._set_tint((chosen.redF(), chosen.greenF(), chosen.blueF()))

    def _menu(self, position: Any) -> None:
        if not self.selected():
            return
        menu = QMenu(self)
        menu.addAction("Isolate", self._isolate)
        menu.addAction("Show" if self._selection_hidden() else "Hide", self._hide)
        tint = menu.addMenu("Tint")
        tint.addActions(self.tint.menu().actions())
        tint.triggered.connect(self._tint_chosen)
        menu.addSeparator()
        menu.addAction("Show all", self._show_all)
        menu.exec(self.tree.viewport().mapToGlobal(position))
        menu.deleteLater()

    def _selection_hidden(self) -> bool:
        nodes = self._selected_nodes()
        return bool(nodes) and all(self.tree.model().is_hidden(node) for node in nodes)

    def _enable(self, *_: Any) -> None:
        some = bool(self._selected_nodes())
        for button in (self.isolate, self.hide_button, self.tint):
            button.setEnabled(some)
        self.hide_button.setText("Show" if some and self._selection_hidden() else "Hide")
        console = self._console()
        changed = console is not None and (
            console.shown is not None or bool(console.hidden) or bool(console.tints)
        )
        self.show_all.setEnabled(changed)


FEW = 65
"""Heads or neurons below a part that a search opens: not more than it was asked for."""


def _indices(model: Any, part: str | None = None, parent: Any = None) -> Iterator[Any]:
    """Rows of a model down to its parts; only those that hold `part` if one is given."""
    above = [] if parent is None else [parent]
    for row in range(model.rowCount(*above)):
        index = model.index(row, 0, *above)
        node = model.node(index)
        if part is not None and part not in node.parts:
            continue
        yield index
        if node.kind != "part":
            yield from _indices(model, part, index)


def _button(text: str, tip: str, pressed: Callable[..., None]) -> Any:
    button = QPushButton(text)
    button.setToolTip(tip)
    # A bound method, not a function around it: Qt would keep the tab alive by that for ever.
    button.clicked.connect(pressed)
    return button
