"""A password that stands on no command line: what others see of a process is without it, and the database gets it all the same."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import Run

ROOT = Path(__file__).parents[2]
PASSWORD = "hunter2/@"
ESCAPED = "hunter2%2F%40"
ASKS_FOR_ENCRYPTION = (80877103, 80877104)
ASK_IN_CLEAR = b"R\x00\x00\x00\x08\x00\x00\x00\x03"
REFUSAL = b"SFATAL\x00VFATAL\x00C28P01\x00Mno\x00\x00"


@contextmanager
def doorkeeper() -> Iterator[tuple[int, list[str]]]:
    """A server that asks for a password, notes it, and lets nobody in."""
    noted: list[str] = []

    def answer(client: socket.socket) -> None:
        size, code = (int.from_bytes(client.recv(4)) for _ in range(2))
        while code in ASKS_FOR_ENCRYPTION:
            client.sendall(b"N")
            size, code = (int.from_bytes(client.recv(4)) for _ in range(2))
        client.recv(size - 8)
        client.sendall(ASK_IN_CLEAR)
        client.recv(1)
        noted.append(client.recv(int.from_bytes(client.recv(4)) - 4).rstrip(b"\x00").decode())
        client.sendall(b"E" + (len(REFUSAL) + 4).to_bytes(4) + REFUSAL)

    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    answer(client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1], noted
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize("place", ["a variable", "a file of settings", "~/.pgpass", "PGPASSFILE"])
def test_the_database_gets_a_password_that_no_argument_holds(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    with doorkeeper() as (port, noted):
        url = f"postgresql://me:{ESCAPED}@127.0.0.1:{port}/pilot"
        bare = ["--database-url", f"postgresql://me@127.0.0.1:{port}/pilot"]
        arguments: list[str] = []
        match place:
            case "a variable":
                monkeypatch.setenv("B2BPILOT_DATABASE_URL", url)
            case "a file of settings":
                path = Path.home() / ".config" / "b2bpilot" / "config.toml"
                path.parent.mkdir(parents=True)
                path.write_text(f'database_url = "{url}"\n')
            case _:
                path = Path.home() / ".pgpass" if place == "~/.pgpass" else tmp_path / "passwords"
                path.parent.mkdir(exist_ok=True)
                path.touch(mode=0o600)
                path.write_text(f"127.0.0.1:{port}:*:me:{PASSWORD}\n")
                arguments = bare
                if place == "PGPASSFILE":
                    monkeypatch.setenv("PGPASSFILE", str(path))
        result = run("migrate", "--status", *arguments)

    assert (result.exit_code, set(noted)) == (1, {PASSWORD})
    assert PASSWORD not in result.stdout + result.stderr


COMMAND_WITH_A_SECRET = re.compile(
    r"(?m)^(?: {4,}|\$ )(?:\w+=\S* )*(?:b2bpilot|sam|aws|psql|make|python3?|export)\b"
    r".*(?:://[^\s:/@]+:[^\s@/]+@|(?:AuthToken|ApiSecret|Password|DatabaseUrl)=)"
)


@pytest.mark.parametrize(
    "text", ["    b2bpilot migrate --database-url postgresql://U:P@h/d", "$ sam deploy TwilioAuthToken=x"]
)
def test_the_check_of_the_next_test_knows_such_a_command(text: str) -> None:
    assert COMMAND_WITH_A_SECRET.search(text)


def test_no_document_puts_a_secret_into_a_commands_arguments() -> None:
    documents = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    found = {
        f"{path.relative_to(ROOT)}: {hit[0].strip()}"
        for path in documents
        for hit in COMMAND_WITH_A_SECRET.finditer(path.read_text(encoding="utf-8"))
    }

    assert found == set()
