"""One computation at a time beside the window."""

import threading

import pytest

from napari_gpt2_tomo.base import TomoError
from napari_gpt2_tomo.viewer.activity.later import STOPPED, Later


@pytest.fixture
def said():
    return []


@pytest.fixture
def failures():
    return []


@pytest.fixture
def later(qtbot, said, failures):
    return Later(said.append, failures.append)


def test_a_result_is_handed_over_even_if_it_is_none(later, said, settle):
    found = []
    later.start(lambda report: None, found.append, "Reading …")
    assert later.running
    settle()
    assert found == [None]
    assert said == ["Reading …", ""]
    assert not later.running


def test_what_is_asked_for_silently_says_nothing(later, said, failures, settle):
    found = []
    later.start(lambda report: 3, found.append)
    settle()
    assert (found, said, failures) == ([3], [], [])


def test_only_what_was_asked_for_last_counts(later, failures, settle):
    found, go = [], threading.Event()

    def slow(report):
        go.wait(5)
        raise TomoError("of the former")

    later.start(slow, found.append)
    later.start(lambda report: "newer", found.append)
    go.set()
    settle()
    assert found == ["newer"]
    assert failures == []


def test_errors_of_users_are_words(later, failures, settle):
    def work(report):
        raise TomoError("There is no head 9.")

    later.start(work, lambda found: None)
    settle()
    assert failures == ["There is no head 9."]


def test_other_errors_are_shown(later, failures, settle, monkeypatch):
    shown = []
    monkeypatch.setattr("napari_gpt2_tomo.viewer.activity.later.show", shown.append)

    def work(report):
        raise ValueError("surprise")

    later.start(work, lambda found: None)
    settle()
    assert failures == ["This cannot be computed: ValueError: surprise"]
    assert [str(error) for error in shown] == ["surprise"]


def test_work_that_its_user_stops_says_so(later, failures, settle):
    """In napari's activity dock, which cancels the job and asks nobody."""
    found, go = [], threading.Event()

    def work(report):
        go.wait(5)
        report.start(1, "late")

    later.start(work, found.append)
    later._job.cancel()
    go.set()
    settle()
    assert (found, failures) == ([], [STOPPED])


def test_work_that_is_cancelled_says_nothing(later, said, failures, settle):
    found = []
    later.start(lambda report: 3, found.append)
    later.cancel()
    settle()
    assert (found, said, failures) == ([], [], [])
