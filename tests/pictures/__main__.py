"""`make pictures`: write README's pictures of the commands anew."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.local.conftest import machine
from tests.pictures.drawing import svg
from tests.pictures.names import Renaming
from tests.pictures.story import Seat, demonstration, evening
from tests.pictures.terminal import ROOT

FOLDER = ROOT / "docs/pictures"
TITLES = {
    "demo": "The whole pipeline on this machine",
    "status": "What is wrong, and the command that shows more",
    "redrive": "Dead letters, sent again and proven by their rows",
}
SHOWN_HOME = "/home/ada/pilot"
"""As long as the folder in whose place it stands, so that lines break where they broke."""


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="p-") as home:
        for name, text in _screens(Path(home)):
            picture = svg(Renaming({home: SHOWN_HOME}).renamed(text), name=name, title=TITLES[name])
            (FOLDER / f"{name}.svg").write_text(picture, encoding="utf-8")


def _screens(home: Path) -> Iterator[tuple[str, str]]:
    yield "demo", demonstration(home)
    with machine(home / "local", "--time-scale", "300") as found:
        yield from evening(Seat(machine=found))


if __name__ == "__main__":
    main()
