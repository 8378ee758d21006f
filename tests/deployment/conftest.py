"""The template as data, and the artifacts that `sam build` makes from it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from tests.once import once

ROOT = Path(__file__).parents[2]
VARIABLES = {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1"}


def tool(name: str) -> str:
    """The tool of this interpreter's environment, before one that happens to be on PATH."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name) or pytest.fail(f"{name} is not installed")


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def run() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a development tool in the repository's root, without telemetry, and return what it said."""

    def run(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [tool(name), *arguments],
            cwd=ROOT,
            env=os.environ | VARIABLES | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    """template.yaml with its short intrinsic functions written out (`!Ref X` is `{"Ref": "X"}`)."""
    return yaml_parse((ROOT / "template.yaml").read_text())


@pytest.fixture(scope="session")
def resources(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return template["Resources"]


@pytest.fixture(scope="session")
def of_type(resources: dict[str, dict[str, Any]]) -> Callable[[str], dict[str, dict[str, Any]]]:
    """The properties of all resources of one type, by logical id."""

    def of_type(kind: str) -> dict[str, dict[str, Any]]:
        return {name: each["Properties"] for name, each in resources.items() if each["Type"] == kind}

    return of_type


def built(architecture: str) -> dict[str, Path]:
    """The functions for one architecture, built once in a run, but for the processor's second; the artifacts by logical id."""

    def build(target: Path) -> None:
        command = [tool("sam"), "build", "--build-dir", target, "--exclude", "ExpressProcessorFunction"]
        variables = os.environ | VARIABLES | {"B2BPILOT_ARCH": architecture}
        done = subprocess.run(
            [*command, "--parameter-overrides", f"Architecture={architecture}"],
            cwd=ROOT, env=variables, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    target = once(f"build-{architecture}", build)
    return {path.name: path for path in target.iterdir() if path.is_dir()}


@pytest.fixture(scope="session")
def arm64() -> dict[str, Path]:
    return built("arm64")


@pytest.fixture(scope="session")
def x86_64() -> dict[str, Path]:
    return built("x86_64")


@pytest.fixture(scope="session")
def python_3_13() -> str:
    """An interpreter of Lambda's version; the machine may have none, and the build does not need it."""
    found = shutil.which("python3.13")
    pyenv = sorted(Path.home().glob(".pyenv/versions/3.13.*/bin/python3.13"))
    for candidate in [found, *map(str, pyenv)]:
        if (
            candidate
            and subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0
        ):
            return candidate
    pytest.skip("not installed: python3.13; another cannot import the artifacts' compiled parts")
