"""What it takes until a command says its first word, against a Typer app with nothing in it: whole processes in turns."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence

ROUNDS = 10
BARE = "import typer; app = typer.Typer(); app.command()(lambda: None); app()"
COMMANDS = {
    "a bare Typer app --help": [sys.executable, "-c", BARE, "--help"],
    **{
        f"b2bpilot {words}": [sys.executable, "-m", "b2bpilot", *words.split()]
        for words in ("--version", "--help", "publish --help", "status --help", "dlq redrive --help")
    },
}


def main() -> None:
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, command in COMMANDS.items():
            seconds[name].append(_cpu_seconds(command))
    print(f"processor time of whole processes, median of {ROUNDS} in turns:")
    base = statistics.median(next(iter(seconds.values())))
    for name, found in seconds.items():
        median = statistics.median(found)
        print(f"  {median:5.2f} s  {median / base:5.2f} x bare  {name}")


def _cpu_seconds(command: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
