"""The pictures that README shows: there, valid, and complete in themselves; and what makes them, on a small case."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.pictures.__main__ import FOLDER, TITLES
from tests.pictures.drawing import svg
from tests.pictures.names import Renaming
from tests.pictures.terminal import COLUMNS, ROOT, shown

PICTURES = sorted([*TITLES, "architecture"])
NAMESPACE = "http://www.w3.org/2000/svg"
ONE, OTHER = "a28db2e2-a2a5-4f80-aa8d-b016a1670974", "16fe0b19-227e-4cac-b1c8-186824b846d3"


def require_complete_in_itself(picture: str) -> str:
    """Return its text. A browser fetches nothing for it, runs nothing, and it names no place of the machine that made it."""
    root = ElementTree.fromstring(picture)
    assert root.tag == f"{{{NAMESPACE}}}svg"
    assert "://" not in picture.replace(NAMESPACE, "")
    assert set(re.findall(r"url\((.)", picture)) <= {"#"}
    assert not re.search(
        r"@import|@font-face|<script|<image|<foreignObject|href=|\bon\w+=|<!DOCTYPE", picture
    )
    text = "".join(root.itertext()).replace("\xa0", " ")
    assert not re.search(r"/(tmp|work|root|var|Users)\b|site-packages|\bAKIA|LOCAL[0-9A-F]{8}", text)
    return text


def test_the_pictures_are_those_that_are_made() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.svg")) == PICTURES


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_valid_and_fetches_nothing(name: str) -> None:
    require_complete_in_itself((FOLDER / f"{name}.svg").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", TITLES)
def test_a_screenshot_shows_the_command_that_was_typed(name: str) -> None:
    text = require_complete_in_itself((FOLDER / f"{name}.svg").read_text(encoding="utf-8"))
    assert "$ b2bpilot" in text


def test_a_real_command_becomes_a_picture_of_the_terminals_width(tmp_path: Path) -> None:
    text = shown(["explain", "B2B079", "--color", "always"], environment={"HOME": str(tmp_path)})
    text += "\x1b[31mred\x1b[0m \U0001f69a <b>&amp;\n"
    drawn = svg(text, name="small", title="A <small> case")
    assert drawn == svg(text, name="small", title="A <small> case")
    seen = require_complete_in_itself(drawn)
    assert "B2B079" in seen
    assert "red \U0001f69a <b>&amp;" in seen
    assert max(map(len, text.splitlines())) <= COLUMNS + 20


def test_a_failed_command_becomes_no_picture(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"ended with 2.*no such option"):
        shown(["explain", "--nonsense"], environment={"HOME": str(tmp_path)})


def test_what_differs_from_run_to_run_has_the_same_name_each_time() -> None:
    def screen(one: str, other: str, at: str) -> str:
        return (
            f"{one} {other} {one} 20261124T000955Z-redrive-568e {at} /some/where/local "
            f"SM{one.replace('-', '')} 123 ms"
        )

    first = Renaming({"/some/where": "/home/ada"}).renamed(screen(ONE, OTHER, "2026-11-24T00:09:55.131Z"))
    again = Renaming({"/some/where": "/home/ada"}).renamed(screen(OTHER, ONE, "2026-12-01T10:00:00.000Z"))
    assert first == again
    assert first.split()[0] == first.split()[2] != first.split()[1]
    assert len(first) == len(screen(ONE, OTHER, "2026-11-24T00:09:55.131Z")) - len("/some/where/") + len(
        "/home/ada/"
    )


def test_readme_shows_every_picture() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in PICTURES if f"docs/pictures/{name}.svg" not in readme] == []
