"""What moves on a terminal: a line that says what is being waited for, and a screen that is drawn anew."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event, RLock, Thread
from typing import TextIO

from b2bpilot.cli.text.durations import in_largest_unit

TURNS = "|/-\\"
TURN_SECONDS, TICK_SECONDS = 0.2, 1.0
USUAL_COLUMNS, USUAL_ROWS = 80, 24
CLEAR_LINE, CLEAR_BELOW = "\r\x1b[2K", "\x1b[J"
OPEN_SCREEN, CLOSE_SCREEN = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


def size(stream: TextIO, environ: Mapping[str, str]) -> tuple[int, int]:
    """Return columns and rows. COLUMNS and LINES go before what the terminal says, as in other programs."""
    try:
        columns, rows = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        columns, rows = 0, 0
    return (
        _number(environ.get("COLUMNS")) or columns or USUAL_COLUMNS,
        _number(environ.get("LINES")) or rows or USUAL_ROWS,
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0


class MovingLine:
    """The last line of a terminal: it changes, and makes room for whatever else is printed."""

    def __init__(self, stream: TextIO, fit: Callable[[str], str]) -> None:
        self._stream, self._fit = stream, fit
        self._text, self._turn = "", 0
        self._lock = RLock()

    def show(self, text: str) -> None:
        with self._lock:
            self._text = text
            self._draw()

    def turn(self) -> None:
        with self._lock:
            self._turn += 1
            self._draw()

    @contextmanager
    def away(self) -> Iterator[None]:
        with self._lock:
            self._stream.write(CLEAR_LINE)
            self._stream.flush()
            try:
                yield
            finally:
                self._draw()

    def close(self) -> None:
        self._text = ""
        self._stream.write(CLEAR_LINE)
        self._stream.flush()

    def _draw(self) -> None:
        if self._text:
            mark = TURNS[self._turn % len(TURNS)]
            self._stream.write(f"{CLEAR_LINE}{self._fit(f'{mark} {self._text}')}")
            self._stream.flush()


class Screen:
    """The whole terminal, with a last line that says how old it is, what is not on it, and how it ends."""

    def __init__(self, stream: TextIO, rows: Callable[[], int], fit: Callable[[str], str]) -> None:
        self._stream, self._rows, self._fit = stream, rows, fit
        self._lines: list[str] = []
        self._drawn_at = time.monotonic()
        self._lock = RLock()

    def show(self, lines: list[str]) -> None:
        with self._lock:
            self._lines, self._drawn_at = lines, time.monotonic()
            self.draw()

    def draw(self) -> None:
        with self._lock:
            room = max(1, self._rows() - 1)
            fitting, hidden = self._lines[:room], len(self._lines) - room
            age = in_largest_unit(time.monotonic() - self._drawn_at)
            below = f"; {hidden} more lines do not fit here" if hidden > 0 else ""
            footer = self._fit(f"Read {age} ago; Ctrl-C ends{below}")
            text = "".join(f"{line}\x1b[K\r\n" for line in fitting)
            self._stream.write(f"\x1b[H{text}{CLEAR_BELOW}{footer}")
            self._stream.flush()


@contextmanager
def ticking(tick: Callable[[], None], seconds: float) -> Iterator[None]:
    """Call `tick` again and again while the block runs."""
    ended = Event()

    def run() -> None:
        while not ended.wait(seconds):
            tick()

    thread = Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
