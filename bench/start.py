"""What it takes until a command says its first word: whole processes in turns."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.environment import Environments
from bench.row import Turn

BARE = "import typer; app = typer.Typer(); app.command()(lambda: None); app()"
AWS = str(Path(sys.executable).with_name("aws"))
PILOT = (sys.executable, "-m", "b2bpilot")


COMMANDS: Mapping[str, Sequence[str]] = {
    "bare Typer help": (sys.executable, "-c", BARE, "--help"),
    "aws --version": (AWS, "--version"),
    **{
        f"b2bpilot {words}": (*PILOT, *words.split())
        for words in ("--help", "--version", "publish --help", "status --help", "dlq redrive --help")
    },
}


def first_word(_: Environments) -> Iterator[Turn]:
    """Seconds of processor time."""
    while True:
        yield {name: _processor_seconds(command) for name, command in COMMANDS.items()}


def one_command(environments: Environments) -> Iterator[Turn]:
    """Seconds that somebody waits at the prompt."""
    running = environments.one()
    publish = ["sns", "publish", "--topic-arn", running.stack.topic_arn, "--message", "{}"]
    filtered_out = ["--message-attributes", '{"test":{"DataType":"String","StringValue":"bench"}}']
    commands = {
        "aws sns publish": [AWS, "--endpoint-url", running.state.endpoint_url, *publish, *filtered_out],
        "b2bpilot publish": [*PILOT, "publish", "text", "-e", "local"],
        "b2bpilot verify": [*PILOT, "verify", "-e", "local"],
        "b2bpilot status": [*PILOT, "status", "-e", "local"],
        "b2bpilot dlq list": [*PILOT, "dlq", "list", "-e", "local"],
    }
    while True:
        yield {name: _seconds(command, running.environ) for name, command in commands.items()}


def _processor_seconds(command: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _seconds(command: Sequence[str], environ: Mapping[str, str]) -> float:
    started = time.perf_counter()
    done = subprocess.run(command, check=False, env=environ, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return seconds
