"""Doing something no more often than it can be drawn."""

import pytest

from napari_gpt2_tomo.viewer.throttle import Throttle


def test_the_first_call_is_made_at_once_and_many_later_ones_once(qtbot):
    calls = []
    throttle = Throttle(lambda: calls.append(True))
    for _ in range(10):
        throttle.call()
    assert len(calls) == 1
    qtbot.waitUntil(lambda: len(calls) == 2)
    qtbot.wait(100)
    assert len(calls) == 2
    throttle.call()
    assert len(calls) == 3


def test_a_call_that_waits_can_be_made_now_or_forgotten(qtbot):
    calls = []
    throttle = Throttle(lambda: calls.append(True))
    throttle.call()
    throttle.call()
    throttle.flush()
    assert len(calls) == 2
    throttle.call()
    throttle.stop()
    qtbot.wait(60)
    assert len(calls) == 2


def test_an_error_does_not_stop_it(qtbot):
    calls = []

    def fail():
        calls.append(True)
        raise ValueError

    throttle = Throttle(fail)
    for _ in range(2):
        with pytest.raises(ValueError):
            throttle.call()
        qtbot.wait(60)
    assert len(calls) == 2
