"""The machine that rows were measured on, and the versions that count."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

PACKAGES = ("boto3", "psycopg", "typer", "ministack", "awscli")
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    processor: str
    cores: int
    gigabytes: int
    system: str
    versions: str

    def __str__(self) -> str:
        return f"{self.processor}, {self.cores} cores, {self.gigabytes} GB; {self.system}; {self.versions}"


def this_machine() -> Machine:
    return Machine(
        processor=_processor(),
        cores=psutil.cpu_count() or 0,
        gigabytes=round(psutil.virtual_memory().total / 2**30),
        system=f"{platform.system()} {platform.release()}",
        versions=", ".join(
            [
                f"Python {platform.python_version()}",
                f"PostgreSQL {_postgres()}",
                *(f"{package} {version(package)}" for package in PACKAGES),
            ]
        ),
    )


def revision() -> str:
    """The commit, and whether there was more than it."""
    found = _output("git", "describe", "--always", "--dirty", "--exclude=*")
    return found or "no repository"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    named = (text.partition(":")[2].strip() for text in lines if text.startswith("model name"))
    return next(named, platform.machine())


def _postgres() -> str:
    from bench.server import program

    return _output(str(program("postgres")), "--version").split()[-1]


def _output(*command: str) -> str:
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT).stdout.strip()
