"""docs/from-sqs-to-sns.md, typed: each command as it stands there, with the names of what is deployed here."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import psycopg

from b2bpilot.cli.app import main

DOCUMENT = Path(__file__).parents[2] / "docs" / "from-sqs-to-sns.md"
SQL = ("SELECT",)
PROGRAMS = ("aws", "b2bpilot", "make", *SQL)


class GuideFailed(Exception):
    """A command of the guide did not end as the guide says."""


def commands() -> list[str]:
    """Return each command of the guide: in an indented block, in a fence behind `$`, or in a table's first cell."""
    return list(dict.fromkeys(_commands(DOCUMENT.read_text(encoding="utf-8"))))


def _commands(text: str) -> Iterator[str]:
    whole = text.replace("\\\n", " ")
    for indented, fenced, cell in re.findall(
        r"(?m)^ {4}(\S.*(?:\n {4}\S.*)*)$|^\$ (.+)$|^\| `(.+?)` \|", whole
    ):
        block = indented or fenced or cell
        for line in _statements(block):
            if line.split()[0] in PROGRAMS:
                yield " ".join(line.split())


def _statements(block: str) -> list[str]:
    """A statement of SQL may have several lines; a command has one."""
    lines = [line.strip() for line in block.splitlines()]
    return [" ".join(lines)] if lines[0].split()[0] in SQL else lines


@dataclass(slots=True, kw_only=True)
class Guide:
    """`names` replaces the guide's placeholders, `variables` are the AWS CLI's keys."""

    home: Path
    database_url: str
    endpoint_url: str
    names: dict[str, str]
    variables: Mapping[str, str]
    ran: set[str] = field(default_factory=set)

    def run(self, beginning: str, *, accepts: tuple[int, ...] = (0,), more: str = "") -> str:
        """Run the one command that begins so, and return what it printed; what ends with another exit code raises
        GuideFailed. `more` answers what a terminal would be asked."""
        found = self.stand_in_for(beginning)
        command = self._named(found)
        if command.split()[0] in SQL:
            return self._sql(command)
        typed = self._pilot if command.startswith("b2bpilot") else self._shell
        exit_code, printed = typed(f"{command} {more}")
        if exit_code not in accepts:
            raise GuideFailed(f"`{command}` ended with {exit_code}: {printed}")
        return printed

    def stand_in_for(self, beginning: str) -> str:
        """Say that the harness does what this command does."""
        known = commands()
        found = [beginning] if beginning in known else [one for one in known if one.startswith(beginning)]
        if len(found) != 1:
            raise GuideFailed(f"{len(found)} commands of the guide begin with `{beginning}`")
        self.ran.add(found[0])
        return found[0]

    @property
    def left_out(self) -> list[str]:
        return [one for one in commands() if one not in self.ran]

    def _named(self, command: str) -> str:
        for placeholder, name in self.names.items():
            command = re.sub(rf"\b{placeholder}\b", name, command)
        return command

    def _sql(self, statement: str) -> str:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return "\n".join(map(str, cursor.fetchall())) if cursor.description else ""

    def _pilot(self, command: str) -> tuple[int, str]:
        printed = StringIO()
        os.environ["B2BPILOT_HOME"] = str(self.home)
        with redirect_stdout(printed), redirect_stderr(printed):
            exit_code = main(shlex.split(command)[1:])
        return exit_code, printed.getvalue()

    def _shell(self, command: str) -> tuple[int, str]:
        """The AWS CLI 1 asks SQS past AWS_ENDPOINT_URL."""
        here = re.sub(r"(^|\$\()aws ", rf"\1aws --endpoint-url {self.endpoint_url} ", command)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", here],
            env={"PATH": os.environ["PATH"], **self.variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr
