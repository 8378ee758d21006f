"""The wheel: what an installed b2bpilot needs beside its code."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.terminal import a_process_at_a_terminal
from tests.programs import needs
from tests.wheel import installed_wheel

ROOT = Path(__file__).parents[2]
NO_AWS = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture(scope="module")
def environment() -> Path:
    return installed_wheel()


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A home with nothing in it: no checkout, no settings."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def settings(environment: Path, home: Path) -> dict[str, str]:
    """The variables of a shell that has nothing but this b2bpilot, an ordinary one's programs, a terminal, and no network."""
    path = f"{environment / 'bin'}{os.pathsep}{os.defpath}"
    return {"HOME": str(home), "PATH": path, "TERM": "dumb", "LC_ALL": "C.UTF-8", **NO_AWS}


def typed(environment: Path, home: Path, *arguments: str) -> str:
    command = [environment / "bin" / "b2bpilot", *arguments]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=home, env=settings(environment, home)
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def in_the_wheel(environment: Path, statement: str) -> str:
    """What the statement prints when the checkout is out of reach."""
    command = [environment / "bin" / "python", "-I", "-c", statement]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=environment).stdout


def test_the_template_and_the_migrations_are_found(environment: Path) -> None:
    printed = in_the_wheel(
        environment,
        "from b2bpilot import resources;"
        "from b2bpilot.ops.migrations import DELIVERIES;"
        "from b2bpilot.ops.migrations.files import read_migrations;"
        "print(resources.template().read_text().count('AWS::Serverless::Function'),"
        " len(read_migrations(resources.migrations())), len(read_migrations(resources.migrations(), DELIVERIES)))",
    )

    files = [len(list((ROOT / folder).glob("*.sql"))) for folder in ("migrations", "migrations/deliveries")]
    assert printed.split() == ["5", *map(str, files)]


def test_a_subscribers_folder_is_written(environment: Path, empty: Path) -> None:
    typed(environment, empty, "subscribers", "new", "analytics", "--protocol", "queue")

    assert "analytics-b2b-pilot-" in (empty / "analytics/template.yaml").read_text()
    assert '@once("analytics")' in (empty / "analytics/handler.py").read_text()
    assert {path.name for path in (empty / "analytics").iterdir()} >= {
        ".gitignore",
        "Makefile",
        "once.py",
        "rds.pem",
    }


def test_the_cas_of_rds_are_there(environment: Path) -> None:
    printed = in_the_wheel(
        environment,
        "from b2bpilot.pipeline.authorities import BLOCK, OF_RDS;"
        "print(OF_RDS, len(BLOCK.findall(OF_RDS.read_text())))",
    )
    path, count = printed.split()

    assert path.startswith(str(environment))
    assert int(count) == (ROOT / "b2bpilot/pipeline/rds.pem").read_text().count("BEGIN CERTIFICATE")


@pytest.mark.parametrize(
    "function",
    ["webhook_handler", "background_processor", "stale_message_processor", "dead_letter_redriver"],
)
def test_the_functions_are_there(environment: Path, function: str) -> None:
    printed = in_the_wheel(environment, f"import lambdas.{function}.handler as h; print(h.__file__)")

    assert printed.strip().startswith(str(environment))


def test_the_commands_that_need_nothing_answer(environment: Path, empty: Path) -> None:
    assert typed(environment, empty, "--version").startswith("b2bpilot ")
    assert "demo" in typed(environment, empty, "-h")
    assert "B2B079" in typed(environment, empty, "explain", "B2B079")
    examined = json.loads(typed(environment, empty, "doctor", "--timeout", "1s", "-o", "json"))
    assert examined["summary"].get("failed", 0) == 0
    assert {"program", "extra `local`", "database client"} <= {one["subject"] for one in examined["findings"]}


@pytest.mark.parametrize(
    "shell", [pytest.param(name, marks=needs(name, path=os.defpath)) for name in ("bash", "zsh")]
)
def test_completion_is_installed_and_tab_completes(environment: Path, empty: Path, shell: str) -> None:
    typed(environment, empty, "completion", "install", shell)
    with a_process_at_a_terminal([shell, "-i"], environment=settings(environment, empty)) as session:
        session.type("b2bpilot expl\t")
        session.wait_for("explain")
