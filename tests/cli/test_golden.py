"""What each command looks like at 80, 100 and 140 columns, piped, and with NO_COLOR: `make golden` writes it anew.

`cat tests/cli/golden/verify.txt` at a terminal shows it as an operator sees it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from b2bpilot.advice import Place
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.output import Output
from b2bpilot.cli.output.tone import ID
from b2bpilot.cli.text import plain
from tests.cli import golden_changes, golden_scenes
from tests.cli.golden_scenes import MACHINE
from tests.ops.status.readings import reading

SCENES = golden_scenes.SCENES | golden_changes.SCENES
GOLDEN = Path(__file__).parent / "golden"
FORMS: dict[str, dict[str, str]] = {
    "80 columns": {"COLUMNS": "80"},
    "100 columns": {"COLUMNS": "100"},
    "140 columns": {"COLUMNS": "140"},
    "piped": {},
    "80 columns, NO_COLOR": {"COLUMNS": "80", "NO_COLOR": "1"},
}
PAINT = re.compile(r"\x1b\[[0-9;]*m")
WORD = re.compile(r"[^\s]+")
BEFORE_ANOTHER_CELL = re.compile("[\u0590-\u08ff].*  ")
"""A terminal may turn the order of what stands around Hebrew and Arabic: they are the last of their line."""


class Stream(io.StringIO):
    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def shown(scene: Callable[[Pilot], None], environ: dict[str, str]) -> str:
    """Return what a person sees: stdout and stderr are the same terminal, or the same file."""
    stream = Stream(is_terminal=bool(environ))
    output = Output(stdout=stream, stderr=stream, environ=environ, place=Place(environment="prod"))
    pilot = Pilot(environ=environ, output=output, given={"env": "prod"}, machine=lambda: MACHINE)
    pilot.__dict__["environment"] = reading().environment
    scene(pilot)
    return stream.getvalue()


def shown_in_all_forms(name: str) -> dict[str, str]:
    return {form: shown(SCENES[name], environ) for form, environ in FORMS.items()}


def written(forms: dict[str, str]) -> str:
    return "".join(f"=== {form} ===\n{seen}\n" for form, seen in forms.items())


def golden(name: str) -> Path:
    return GOLDEN / f"{name}.txt"


@pytest.mark.parametrize("name", SCENES)
def test_a_command_looks_as_it_is_written_down(name: str) -> None:
    forms = shown_in_all_forms(name)
    assert written(forms) == golden(name).read_text(encoding="utf-8"), "`make golden` writes it anew"

    assert forms["80 columns, NO_COLOR"] == PAINT.sub("", forms["80 columns"])
    assert "\x1b" not in forms["piped"]
    for form, seen in forms.items():
        whole = PAINT.sub("", seen)
        assert set(ID.findall(whole)) == set(ID.findall(forms["piped"])), form
        assert set(WORD.findall(whole)) - {"..."} <= set(WORD.findall(forms["piped"])), form
        assert not BEFORE_ANOTHER_CELL.search(whole), form
        if columns := FORMS[form].get("COLUMNS"):
            wide = [line for line in whole.splitlines() if plain.width(line) > int(columns)]
            assert all(is_one_token(line) for line in wide), wide


def is_one_token(line: str) -> bool:
    """A URL, a command or an option to be pasted, or a line of a diff."""
    return " " not in line.strip() or bool(re.match(r"\s*`?(aws|b2bpilot|--adopt) |[-+]  \"", line))


def test_no_golden_text_is_left_of_a_command_that_is_gone() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(SCENES)


if __name__ == "__main__":
    for scene in SCENES:
        golden(scene).write_text(written(shown_in_all_forms(scene)), encoding="utf-8")
