"""Tests that misbehave are told by name, and only what Qt itself gives up ends the process."""

import os
import subprocess
import sys
from pathlib import Path

CONFTEST = """
from guards import EscapedExceptions, FatalMessages, WindowsLeftOpen

def pytest_configure(config):
    for guard in (WindowsLeftOpen(), FatalMessages(config), EscapedExceptions()):
        config.pluginmanager.register(guard)
"""

WINDOWS = """
import napari

def test_opens(qtbot):
    napari.Viewer(show=False)

def test_also_sees_it():
    assert napari.current_viewer() is not None
"""

SLOTS = """
import pytest
from qtpy.QtCore import QTimer

def fail():
    raise ValueError("in a slot")

@pytest.fixture
def late(qtbot):
    yield
    QTimer.singleShot(0, fail)

def test_fails_and_fails_when_it_is_over(qtbot, late):
    QTimer.singleShot(0, fail)
    qtbot.wait(20)

def test_goes_on(qtbot):
    pass
"""

ENDS = """
from qtpy.QtCore import qFatal

def test_ends():
    qFatal("the end")
"""


def test_what_happens_beside_tests_is_told_by_name(tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\nqt_api = pyqt6\n")
    for name, text in ("a_windows", WINDOWS), ("b_slots", SLOTS), ("c_ends", ENDS):
        (tmp_path / f"test_{name}.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "--no-xvfb", "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
        text=True,
        capture_output=True,
        timeout=100,
    )
    told = {line.split(" [")[0].rstrip() for line in done.stdout.splitlines()}
    assert "test_a_windows.py::test_opens PASSED" in told
    assert "test_a_windows.py::test_also_sees_it ERROR" in told
    assert "test_b_slots.py::test_fails_and_fails_when_it_is_over FAILED" in told
    assert "test_b_slots.py::test_fails_and_fails_when_it_is_over ERROR" in told
    assert "test_b_slots.py::test_goes_on PASSED" in told
    assert "Qt gives up in test_c_ends.py::test_ends (call): the end" in done.stderr
    assert "in test_ends" in done.stderr
