"""One thread that ends what runs too long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

PRECISION_SECONDS = 0.05


class Deadlines:
    """Calls `expire` once for everything watched that is not done in time. Idle, it sleeps without waking up."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._watched: dict[object, tuple[float, Callable[[], None]]] = {}
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="lambda deadlines", daemon=True)
        self._thread.start()

    def watch(self, key: object, seconds: float, expire: Callable[[], None]) -> None:
        with self._changed:
            self._watched[key] = (time.monotonic() + seconds, expire)
            if len(self._watched) == 1:
                self._changed.notify()

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
                self._changed.wait_for(lambda: self._watched or self._stopped)
                if self._stopped:
                    return
                expired = self._take_expired()
            for expire in expired:
                expire()
            time.sleep(PRECISION_SECONDS)

    def _take_expired(self) -> list[Callable[[], None]]:
        now = time.monotonic()
        late = [key for key, (deadline, _) in self._watched.items() if deadline <= now]
        return [self._watched.pop(key)[1] for key in late]
