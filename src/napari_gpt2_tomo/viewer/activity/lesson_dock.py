"""The lesson in a dock: the chapters of the page about the prompt on the desk, to read here."""

from html import escape

import napari
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QTextBrowser,
    QToolButton,
)

from ...activity.lesson import Chapter, Story, count_parameters, plain_chapter, tell, write_chapters
from ...activity.record import Activity
from ...base import Progress
from .follow import Following
from .later import Later
from .lesson import write_lesson_as

__all__ = ["LessonDock"]

MOST_PARAMETERS = 200_000_000
"""Parameters up to which the dock computes the gradient by itself; a page always does."""

STYLE = (
    "p { margin: 6px 0; } h2 { font-size: large; } h3 { font-size: medium; margin-top: 14px; } "
    "code { font-family: monospace; font-weight: bold; } caption { font-weight: bold; "
    "text-align: left; } div { margin: 6px 0; }"
)
"""What Qt's rich text takes of the page's style."""


class LessonDock(Following):
    """Walks through the chapters of the lesson about the prompt on the desk."""

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__(viewer)
        self.story: Story | None = None
        self.chapters: list[Chapter] = []
        self._about: Activity | None = None
        self._later = Later(self._say)
        self.contents = QComboBox()
        self.contents.setAccessibleName("Chapter")
        self.contents.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.contents.currentIndexChanged.connect(self._read)
        self.back = _arrow("Previous chapter", Qt.ArrowType.LeftArrow)
        self.forward = _arrow("Next chapter", Qt.ArrowType.RightArrow)
        self.back.clicked.connect(lambda: self._turn(-1))
        self.forward.clicked.connect(lambda: self._turn(1))
        top = QHBoxLayout()
        top.addWidget(self.back)
        top.addWidget(self.contents, stretch=1)
        top.addWidget(self.forward)
        self.text = QTextBrowser()
        self.text.document().setDefaultStyleSheet(STYLE)
        self.text.setOpenLinks(False)
        self.page = QPushButton("Write the page…")
        self.page.setToolTip(
            "The whole lesson with its figures as one offline HTML page, opened in the browser"
        )
        self.page.clicked.connect(self._write)
        self.here = QPushButton("Go to its head")
        self.here.setToolTip("Show the head and the token of this lesson in the other docks")
        self.here.clicked.connect(self._go)
        self.other = QPushButton("Explain the head in view")
        self.other.setToolTip("Tell the lesson with the layer and head that the other docks show")
        self.other.clicked.connect(self._explain)
        bottom = QHBoxLayout()
        bottom.addWidget(self.here)
        bottom.addWidget(self.other)
        bottom.addWidget(self.page)
        bottom.addStretch(1)
        self.content.addLayout(top)
        self.content.addWidget(self.text, stretch=1)
        self.content.addLayout(bottom)

    def show_activity(self, activity: Activity) -> None:
        """See `Following`: computes the lesson's numbers beside the window."""
        if self._about is not activity:
            self._about = activity
            self._work_out(activity)

    def explain(self, layer: int | None = None, head: int | None = None) -> None:
        """Tell the lesson again with another head; the lesson chooses one itself by default."""
        if self.activity is not None:
            self._work_out(self.activity, layer, head)

    def _work_out(
        self, activity: Activity, layer: int | None = None, head: int | None = None
    ) -> None:
        self.story = None
        self.text.setPlainText("Working out the numbers of this lesson …")

        def compute(report: Progress) -> tuple[Story, list[Chapter]]:
            small = count_parameters(activity.source.sizes) <= MOST_PARAMETERS
            story = tell(activity, layer=layer, head=head, training=small, progress=report)
            return story, write_chapters(story)

        self._later.start(compute, self._tell)

    def let_go(self) -> None:
        """See `Following`."""
        self._later.cancel()

    def _tell(self, found: tuple[Story, list[Chapter]]) -> None:
        self.story, self.chapters = found
        number = max(self.contents.currentIndex(), 0)
        self.contents.blockSignals(True)
        self.contents.clear()
        self.contents.addItems(
            [f"{i}. {chapter.title}" for i, chapter in enumerate(self.chapters, 1)]
        )
        self.contents.setCurrentIndex(min(number, len(self.chapters) - 1))
        self.contents.blockSignals(False)
        self._read(self.contents.currentIndex())

    def _read(self, number: int) -> None:
        self.back.setEnabled(number > 0)
        self.forward.setEnabled(number < len(self.chapters) - 1)
        if self.story is None or not 0 <= number < len(self.chapters):
            return
        chapter = self.chapters[number]
        absent = ""
        if number == len(self.chapters) - 1:
            absent = "".join(f"<p>{escape(text)}</p>" for text in set(self.story.absent.values()))
        self.text.setHtml(
            f"<h2>{number + 1}. {escape(chapter.title)}</h2>{plain_chapter(chapter.body)}{absent}"
        )

    def _turn(self, by: int) -> None:
        self.contents.setCurrentIndex(self.contents.currentIndex() + by)

    def _explain(self, checked: bool = False) -> None:
        self.explain(self.desk.place.layer, self.desk.place.head)

    def _write(self, checked: bool = False) -> None:
        choice = None if self.story is None else self.story.choice
        if choice is None:
            write_lesson_as(self.viewer)
        else:
            write_lesson_as(self.viewer, choice.layer, choice.head)

    def _go(self, checked: bool = False) -> None:
        if self.story is not None:
            choice = self.story.choice
            self.desk.move(layer=choice.layer, head=choice.head, token=choice.focus)


def _arrow(name: str, kind: Qt.ArrowType) -> QToolButton:
    button = QToolButton()
    button.setArrowType(kind)
    button.setToolTip(name)
    button.setAccessibleName(name)
    return button
