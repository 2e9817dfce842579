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
        self.parallel = parallel
        self.places = iter(range(count))
        self.left = count
        self.under_way = 0
        self.stopped = False
        self.crash: BaseException | None = None
        self.changed = threading.Condition()

    def run(self, cancel: Callable[[], None]) -> str:
        threads = [threading.Thread(target=self._take, daemon=True) for _ in range(self.parallel)]
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

    @property
    def _over(self) -> bool:
        """Whether no more is begun."""
        return not self.left or self.stopped or self.crash is not None

    def _wait(self) -> None:
        """Wait until nothing is under way, and nothing more is begun.

        Not by joining the threads, as ``engine.workers`` tells; nor by counting them: Ctrl-C may
        come before all of them were started.
        """
        with self.changed:
            while self.under_way or not self._over:
                # A signal that comes just before the wait begins does not end it.
                self.changed.wait(1)

    def _take(self) -> None:
        while (place := self._next()) is not None:
            try:
                self.work(place)
            except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
                self.crash = error
            finally:
                with self.changed:
                    self.left -= 1
                    self.under_way -= 1
                    self.changed.notify_all()

    def _next(self) -> int | None:
        with self.changed:
            place = None if self._over else next(self.places, None)
            if place is not None:
                self.under_way += 1
            return place
