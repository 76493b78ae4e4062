"""Ctrl-C is heard even where the code under way swallows it."""

import os
import signal
from contextlib import suppress

import pytest

from harness.driver import interrupts


def test_a_swallowed_ctrl_c_is_raised_at_the_end_of_the_block():
    before = signal.getsignal(signal.SIGINT)
    passed = []
    with pytest.raises(KeyboardInterrupt), interrupts.heard():
        with suppress(BaseException):
            os.kill(os.getpid(), signal.SIGINT)
        passed.append("went on")
    assert passed == ["went on"]
    assert signal.getsignal(signal.SIGINT) is before


def test_an_ignored_ctrl_c_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts.heard():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
