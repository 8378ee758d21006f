"""One thread that ends what runs too long."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable


class Deadlines:
    """Calls `expire` once for everything watched that is not done in time. It wakes up at deadlines only."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._watched: dict[object, tuple[float, Callable[[], None]]] = {}
        self._wakes_at = math.inf
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="lambda deadlines", daemon=True)
        self._thread.start()

    def watch(self, key: object, seconds: float, expire: Callable[[], None]) -> None:
        with self._changed:
            deadline = time.monotonic() + seconds
            if deadline < self._wakes_at:
                self._changed.notify()
            self._watched[key] = (deadline, expire)

    def done(self, key: object) -> None:
        with self._changed:
            self._watched.pop(key, None)

    def stop(self) -> None:
        """Watch nothing any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                if self._stopped:
                    return
                expired = self._take_expired()
                if not expired:
                    self._sleep()
            for expire in expired:
                expire()

    def _sleep(self) -> None:
        """Until the first deadline; what is done before wakes nobody up."""
        self._wakes_at = min((deadline for deadline, _ in self._watched.values()), default=math.inf)
        self._changed.wait(None if self._wakes_at == math.inf else self._wakes_at - time.monotonic())

    def _take_expired(self) -> list[Callable[[], None]]:
        now = time.monotonic()
        late = [key for key, (deadline, _) in self._watched.items() if deadline <= now]
        return [self._watched.pop(key)[1] for key in late]
