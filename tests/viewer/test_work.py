"""Work beside the window: what is cancelled says nothing more, what a script waits in lets errors
out as Python does."""

import sys
import threading
import time

import pytest
from qtpy.QtCore import QTimer

from napari_gpt2_tomo.viewer.work import Job, finish_all, wait_for


def fail():
    raise ValueError("in a slot")


def test_work_that_was_cancelled_does_not_report_its_errors(qtbot):
    started, cancelled = threading.Event(), threading.Event()
    told = []

    def work(report):
        yield None
        started.set()
        cancelled.wait(30)
        raise OSError("the file is gone")

    job = Job(work, told.append, told.append)
    assert started.wait(30)
    job.cancel()
    cancelled.set()
    job.wait()
    assert told == []


def test_errors_of_work_are_reported(qtbot):
    told = []

    def work(report):
        yield 1
        raise OSError("the file is gone")

    Job(work, told.append, told.append).wait()
    assert told[0] == 1
    assert str(told[1]) == "the file is gone"


@pytest.mark.parametrize("wait", [finish_all, lambda: wait_for(lambda report: 1)])
def test_a_script_hears_of_errors_in_slots(qtbot, monkeypatch, wait):
    # With this hook PyQt ends the process where nobody listens.
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    QTimer.singleShot(0, fail)
    with pytest.raises(ValueError, match="in a slot"):
        wait()
    assert sys.excepthook is sys.__excepthook__
    wait()


def test_ctrl_c_ends_what_a_script_waits_for(qtbot, monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)

    def work(report):
        report.start(1, "until the end")
        while True:
            time.sleep(0.001)
            report.advance(0)

    def interrupt():
        raise KeyboardInterrupt

    QTimer.singleShot(50, interrupt)
    with pytest.raises(KeyboardInterrupt):
        wait_for(work)


def test_who_listens_already_goes_on_to_hear(qtbot, monkeypatch):
    heard = []
    monkeypatch.setattr(sys, "excepthook", lambda *error: heard.append(error[1]))
    QTimer.singleShot(0, fail)
    finish_all()
    assert [str(error) for error in heard] == ["in a slot"]
