"""What happens beside a test fails it by name, and neither ends the process nor goes unheard."""

import os
import sys
import traceback
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any

import pytest

__all__ = ["EscapedExceptions", "FatalMessages", "WindowsLeftOpen"]

ENOUGH = 20
"""Windows after which one gives up closing what a test left open."""


class EscapedExceptions:
    """Fails tests for exceptions that Qt's slots and painters let out.

    PyQt ends the process at such an exception while Python's own `sys.excepthook` is in place.
    pytest-qt has its own during a test, but takes it away as soon as the test has failed, so that
    whatever is painted while the test is taken down could end all tests.
    """

    def __init__(self) -> None:
        self._told: list[str] = []
        self._before = sys.excepthook
        sys.excepthook = self._hear

    def _hear(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        where = os.environ.get("PYTEST_CURRENT_TEST", "no test")
        what = "".join(traceback.format_exception(kind, error, trace))
        self._told.append(f"Nobody caught an exception during {where}:\n{what}")

    def _take(self) -> str:
        told, self._told[:] = "\n".join(self._told), []
        return told

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, object, object]:
        # Where taking down fails for another reason, the next test tells.
        result = yield
        if self._told:
            pytest.fail(self._take(), pytrace=False)
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._told:
            sys.stderr.write(self._take())
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_unconfigure(self) -> None:
        sys.excepthook = self._before


class FatalMessages:
    """Lets out what Qt says last: it ends the process, and what pytest has captured is lost."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._listen()

    def _listen(self) -> None:
        from qtpy.QtCore import QtMsgType, qInstallMessageHandler

        before: Callable[..., None] | None = None

        def heard(kind: Any, context: Any, message: str | None) -> None:
            if kind == QtMsgType.QtFatalMsg:
                where = os.environ.get("PYTEST_CURRENT_TEST", "no test")
                with self._config.pluginmanager.getplugin(
                    "capturemanager"
                ).global_and_fixture_disabled():
                    print(f"\nQt gives up in {where}: {message}", file=sys.stderr, flush=True)
            if before is not None:
                before(kind, context, message)
            elif kind != QtMsgType.QtFatalMsg:
                print(message, file=sys.stderr)

        before = qInstallMessageHandler(heard)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_setup(self) -> None:
        # In front of pytest-qt's own, which it removes together with this one.
        self._listen()


class WindowsLeftOpen:
    """Fails the last test of a file that leaves viewers open: they are painted, and may fail, in
    the tests after it. Within a file, tests may share one."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        result = yield
        last = nextitem is None or nextitem.path != item.path
        if last and "napari._qt.qt_main_window" in sys.modules:
            import napari

            left = []
            while (viewer := napari.current_viewer()) is not None and len(left) < ENOUGH:
                left.append(viewer.title)
                viewer.close()
            if left:
                told = f"Tests of this file left viewers open, which are closed now: {left}."
                pytest.fail(told, pytrace=False)
        return result
