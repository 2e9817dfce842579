"""Several pieces of work side by side, in order, that Ctrl-C ends."""

from __future__ import annotations

import threading
from collections.abc import Callable

INTERRUPTED = "interrupted"


def side_by_side(
    count: int, work: Callable[[int], None], *, parallel: int, cancel: Callable[[], None]
) -> str:
    """Do ``work`` for each place below ``count``, so many at a time.

    After Ctrl-C ``cancel`` is called, to end what is under way, and no more is begun; the answer
    says so, and is empty else. What ``work`` raises is raised once the others have ended.
    """
    return _Work(count, work, parallel).run(cancel)


class _Work:
    """The places, taken by threads one by one."""

    def __init__(self, count: int, work: Callable[[int], None], parallel: int) -> None:
        self.work = work
        self.places = iter(range(count))
        self.stopped = False
        self.crash: BaseException | None = None
        self.changed = threading.Condition()
        self.working = parallel

    def run(self, cancel: Callable[[], None]) -> str:
        threads = [threading.Thread(target=self._take, daemon=True) for _ in range(self.working)]
        try:
            for thread in threads:
                thread.start()
            self._wait()
        except KeyboardInterrupt:
            self.stopped = True
            cancel()
            self._wait()
        if self.crash is not None:
            raise self.crash
        return INTERRUPTED if self.stopped else ""

    def _wait(self) -> None:
        """Wait until no thread works any more; not by joining them, as ``engine.crew`` tells."""
        with self.changed:
            while self.working:
                self.changed.wait()

    def _take(self) -> None:
        try:
            while True:
                with self.changed:
                    place = next(self.places, None)
                if place is None or self.stopped:
                    return
                self.work(place)
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            self.crash = error
        finally:
            with self.changed:
                self.working -= 1
                self.changed.notify_all()
