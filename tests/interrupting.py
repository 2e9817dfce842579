"""Ctrl-C at the worst moment: its signal has come, and the main thread sleeps all the same."""

from __future__ import annotations

import _thread
import sys
import threading
import time


def interrupt_asleep(name: str) -> None:
    """Note Ctrl-C for the main thread once it sleeps in the function of that name.

    No signal is sent: one that comes just before a wait begins does not end the wait either.
    """
    main = threading.main_thread().ident or 0
    while True:
        frame = sys._current_frames()[main]
        if frame.f_code.co_name == "wait" and frame.f_back and frame.f_back.f_code.co_name == name:
            break
        time.sleep(0.001)
    _thread.interrupt_main()
