"""A download that was confirmed: how much it is, its progress, its end."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from ...base import Progress
from ...base.sizes import megabytes
from ...checkpoint.remote.download import Plan, download_plan, fetch_plan
from ...checkpoint.remote.traffic import watched
from ..work import Job, show

__all__ = ["Downloading", "confirm"]


def confirm(title: str, question: str, yes: str, parent: Any = None) -> bool:
    """Ask before many bytes are read; the answer that reads nothing is the default."""
    from qtpy.QtWidgets import QMessageBox

    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle(title)
    box.setText(question)
    accept = box.addButton(yes, QMessageBox.ButtonRole.AcceptRole)
    box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
    box.exec()
    return box.clickedButton() is accept


class Downloading:
    """Finds out what a model weighs, asks, downloads it, and tells where it is.

    Parameters
    ----------
    address
        Where the model is.
    on_done
        Called with its folder.
    on_end
        Called at the end, whatever came of it.
    parent
        Window of the question.

    Attributes
    ----------
    report
        Words on how far it is.
    share
        How far it is, 0 to 1.
    """

    def __init__(
        self,
        address: str,
        on_done: Callable[[Path], None],
        on_end: Callable[[], None],
        parent: Any = None,
    ) -> None:
        self.address = address
        self.report = "Asking how large it is"
        self.share = 0.0
        self._on_done = on_done
        self._on_end = on_end
        self._parent = parent
        self._plan: Plan | None = None

        def work(report: Progress) -> Generator[object, None, None]:
            report.start(1, f"Looking at {address}")
            with watched(report):
                yield download_plan(address)

        self._job = Job(work, self._planned)
        self._job.on_end = self._asked

    def cancel(self) -> None:
        """Stop; what is complete stays."""
        self._job.cancel()

    def _planned(self, plan: Any) -> None:
        self._plan = plan

    def _asked(self) -> None:
        plan = self._plan
        if plan is None:
            self._on_end()
            return
        if not plan.missing:
            self._finished(plan.folder)
            self._on_end()
            return
        size = megabytes(plan.missing)
        held = (
            f" {megabytes(plan.size - plan.missing)} are there already."
            if (plan.missing < plan.size)
            else ""
        )
        question = (
            f"Download {size} to run {plan.address.name}?{held}\n\n"
            f"{len(plan.files)} files of {plan.address}\ncome to {plan.folder}."
        )
        if not confirm("Download the model", question, f"Download {size}", self._parent):
            self._on_end()
            return
        self._job = Job(lambda report: self._fetch(plan, report), self._finished, show)
        self._job.on_end = self._on_end

    def _fetch(self, plan: Plan, report: Progress) -> Generator[object, None, None]:
        with watched(report):
            yield fetch_plan(plan, _Told(self, report))

    def _finished(self, folder: Any) -> None:
        self._on_done(folder)


class _Told:
    """A progress that also notes how far a download is, in words."""

    def __init__(self, told: Downloading, inner: Progress) -> None:
        self._told, self._inner = told, inner
        self._total, self._done = 1, 0

    def start(self, total: int, description: str) -> None:
        """Announce the bytes."""
        self._total, self._done = max(1, total), 0
        self._inner.start(total, description)

    def advance(self, amount: int) -> None:
        """Count bytes."""
        self._inner.advance(amount)
        self._done += amount
        self._told.share = min(1.0, self._done / self._total)
        self._told.report = f"Downloading: {megabytes(self._done)} of {megabytes(self._total)}"
