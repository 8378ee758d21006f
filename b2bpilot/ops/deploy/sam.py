"""`sam build` and `sam deploy`, as a plan says. Secret values never stand in a process's arguments."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from b2bpilot.errors import PilotError, SettingsInvalid
from b2bpilot.ops.deploy.checkout import Checkout
from b2bpilot.ops.deploy.plan import ARCHITECTURE, DeployPlan
from b2bpilot.paths import open_private

STDERR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sam:
    """The program, and the checkout it works in. Its words go to stderr: they are progress, not the result."""

    program: str
    checkout: Checkout
    environ: Mapping[str, str]
    profile: str | None = None
    endpoint_url: str | None = None

    def build(self, plan: DeployPlan) -> None:
        """Raises PilotError."""
        self._run(
            "build", "--config-env", plan.environment, "--build-in-source", "--parallel",
            "--parameter-overrides", f"{ARCHITECTURE}={plan.architecture}",
            more={"B2BPILOT_ARCH": plan.architecture},
        )  # fmt: skip

    def deploy(self, plan: DeployPlan, *, asks: bool) -> None:
        """Raises PilotError. sam itself `asks` where samconfig.toml says so (confirm_changeset)."""
        with _file_of(plan.values) as values:
            self._run(
                "deploy",
                *("--config-env", plan.environment, "--stack-name", plan.stack_name),
                *("--region", plan.caller.region, *(("--profile", self.profile) if self.profile else ())),
                *("--parameter-overrides", f"file://{values}"),
                *(() if plan.config.has_section else _defaults(plan.environment)),
                *(() if asks else ("--no-confirm-changeset",)),
            )

    def _run(self, *arguments: str, more: Mapping[str, str] | None = None) -> None:
        path = os.pathsep.join([str(Path(sys.executable).parent), self.environ.get("PATH", os.defpath)])
        environ = {**self.environ, "PATH": path, "SAM_CLI_TELEMETRY": "0", **(more or {})}
        if self.endpoint_url:
            environ["AWS_ENDPOINT_URL"] = self.endpoint_url
        done = subprocess.run(  # noqa: S603  # nosec B603  # our own arguments
            [self.program, *arguments],
            cwd=self.checkout.root,
            env=environ,
            stdout=STDERR,
            check=False,
        )
        if done.returncode:
            raise PilotError(f"`sam {arguments[0]}` ended with {done.returncode}; its output is above")


def sam_program() -> str:
    """Return the path of the AWS SAM CLI: this environment's, before one on the PATH. Raises SettingsInvalid."""
    beside = Path(sys.executable).parent / "sam"
    if found := str(beside) if beside.exists() else shutil.which("sam"):
        return found
    raise SettingsInvalid("the AWS SAM CLI is not installed", hint="`make deploy` installs it into .venv")


def _defaults(environment: str) -> Sequence[str]:
    """What samconfig.toml says of the environments that have a section in it."""
    return (
        *("--capabilities", "CAPABILITY_IAM", "--resolve-s3", "--no-fail-on-empty-changeset"),
        *("--tags", f"Project=b2b-pilot Environment={environment}"),
    )


@contextmanager
def _file_of(values: Mapping[str, str]) -> Iterator[Path]:
    """For the owner alone, and for as long as sam runs."""
    with tempfile.TemporaryDirectory(prefix="b2bpilot-") as folder:
        path = Path(folder) / "parameters.yaml"
        with open_private(path, "x") as file:
            file.write(yaml.safe_dump(dict(values)))
        yield path
