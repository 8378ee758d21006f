"""`publish --as-curl`: what it prints is pasted into a shell, and curl and the deployed webhook decide whether it was right."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from b2bpilot.cli.app import main
from b2bpilot.pipeline.database import DatabaseManager
from tests.local.conftest import Machine
from tests.local.polling import eventually
from tests.programs import needs

DEAD_PROXY = {"http_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
BODIES = (
    'It\'s "$HOME" `id` $(id) !! \\ # ; | & > * ? ~ %s \\n',
    "two\nlines\r\n\tand a tab\x7f\x1b[31m\x08",
    "Delivered \U0001f69a, danke sch\u00f6n! \u202e\u05e9\u05dc\u05d5\u05dd \u4f60\u597d e\u0301",
    "password=hunter2 postgresql://me:hunter2@db/x",
    "@/etc/passwd",
    "--next",
    "'",
    "",
    "x" * 30_000,
)


@pytest.fixture
def cli(environment: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setenv("B2BPILOT_HOME", str(environment.home))

    def run(*arguments: str) -> str:
        assert main(["publish", "-e", "local", "--via", "webhook", *arguments]) == 0
        return capsys.readouterr().out

    return run


@pytest.fixture
def database(environment: Machine) -> Iterator[DatabaseManager]:
    with DatabaseManager(environment.state.database_url) as manager:
        yield manager


def paste(commands: str) -> list[str]:
    """Give the lines to a shell, as a person does; the status lines that came."""
    done = subprocess.run(
        ["bash", "-e"],
        input=commands,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | DEAD_PROXY,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return re.findall(r"HTTP/1.1 (\d+)", done.stdout)


@needs("bash", "curl")
@pytest.mark.parametrize("kind", [(), ("--real",)], ids=["test", "real"])
def test_a_pasted_command_stores_each_message_once_to_the_letter(
    cli: Any, environment: Machine, database: DatabaseManager, tmp_path: Path, kind: tuple[str, ...]
) -> None:
    lines = [
        json.dumps({"fixture": "text", "params": {"Body": body, "From": "whatsapp:+49 170/'1'"}})
        for body in BODIES
    ]
    (tmp_path / "bodies").write_text("\n".join(lines))
    documents = json.loads(cli("--as-curl", "--file", str(tmp_path / "bodies"), *kind, "-o", "json"))["curl"]
    commands = "\n".join(one["command"] for one in documents)
    assert commands.isascii()
    assert commands.replace("\n", "").isprintable()
    assert environment.state.twilio_auth_token not in commands

    assert paste(f"{commands}\n{commands}\n") == ["200"] * 2 * len(BODIES)
    for one, body in zip(documents, BODIES, strict=True):

        def stored(message_id: str = one["message_id"]) -> list[Any]:
            row = database.get_submission_by_message_id(message_id)
            return [row] if row is not None and row.completed_at else []

        (row,) = eventually(stored, "the row")
        assert (row.params or {}).get("Body") == body
        assert row.test is not bool(kind)


def test_a_printed_command_is_one_line_as_it_is_in_json(cli: Any) -> None:
    """Blanking what looks like a password would break the signature."""
    message_id = "7d0c1c0e-98d5-44d2-8d5c-0d8d4f6e3a11"
    typed = ("--as-curl", "--body", BODIES[3], "--message-id", message_id)
    (in_json,) = json.loads(cli(*typed, "-o", "json"))["curl"]
    assert cli(*typed) == in_json["command"] + "\n"
    assert "hunter2" in in_json["command"]
