"""Files that only the operator may read, whatever the umask is and whatever was there before."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from b2bpilot.paths import open_private, private_folder


@pytest.fixture(autouse=True)
def nothing_is_closed_by_itself() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("how", ["w", "a", "x"])
def test_a_new_file_is_the_operators_alone(tmp_path: Path, how: str) -> None:
    with open_private(tmp_path / "report", how) as file:
        assert mode(tmp_path / "report") == 0o600
        file.write("ok")

    assert (tmp_path / "report").read_text() == "ok"


@pytest.mark.parametrize(("how", "left"), [("w", "new"), ("a", "oldnew")])
def test_a_file_that_others_may_read_is_closed_to_them(tmp_path: Path, how: str, left: str) -> None:
    path = tmp_path / "report"
    path.write_text("old")
    path.chmod(0o664)

    with open_private(path, how) as file:
        assert mode(path) == 0o600
        file.write("new")

    assert path.read_text() == left


def test_a_file_that_cannot_be_closed_to_others_keeps_what_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of another user, who let us write: root can't be refused."""

    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    path = tmp_path / "report"
    path.write_text("old")
    path.chmod(0o666)
    monkeypatch.setattr(os, "fchmod", refused)

    with pytest.raises(PermissionError):
        open_private(path, "w")
    assert (path.read_text(), mode(path)) == ("old", 0o666)


def test_a_link_leads_where_it_led_and_what_is_no_file_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "report")
    before = mode(Path("/dev/null"))

    with open_private(tmp_path / "link", "w") as file:
        file.write("ok")
    open_private(Path("/dev/null"), "w").close()

    assert (tmp_path / "link").is_symlink()
    assert (mode(tmp_path / "report"), mode(Path("/dev/null"))) == (0o600, before)


def test_folders_that_are_missing_are_the_operators_alone_and_others_stay(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(0o775)
    shared.chmod(0o775)

    private_folder(shared / "state" / "b2bpilot" / "runs")
    private_folder(shared)

    assert [mode(shared / part) for part in (".", "state", "state/b2bpilot", "state/b2bpilot/runs")] == [
        0o775,
        0o700,
        0o700,
        0o700,
    ]


WRITES = re.compile(r"\.write_(?:text|bytes)\(|\bopen\([^)]*['\"][rb+]*[wax]|\.touch\(|\.mkdir\(")
SOURCES = Path(__file__).parents[1] / "b2bpilot"


def test_commands_write_files_in_no_other_way() -> None:
    """docs/ are written by developers; a shell's files are as private as their owner made them; a subscriber's folder is source
    code that a team shares."""
    found = {
        str(path.relative_to(SOURCES))
        for part in ("cli", "ops")
        for path in (SOURCES / part).rglob("*.py")
        if WRITES.search(re.sub(r"(?:open_private|formatter\.write_text)\(.*", "", path.read_text()))
    }

    assert found == {
        "cli/completion/installed.py",
        "cli/reference.py",
        "ops/subscribers/new_folder.py",
        "ops/verify/documents.py",
    }
