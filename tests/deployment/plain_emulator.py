"""The AWS emulator as it is published, without the changes that the local environment makes to it.

It runs the artifacts as Lambda does, in a process of the functions' own Python; beside their code that has what Lambda's has.
"""

from __future__ import annotations

import contextlib
import os
import site
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from b2bpilot.local.emulator_process import free_port
from tests.deployment.test_artifacts import LAMBDA_HAS
from tests.local.polling import eventually, is_healthy

ACCOUNT, REGION = "000000000000", "us-east-1"
START = """
import os, runpy, sys, threading

def end_with_the_parent():
    sys.stdin.read()
    os._exit(0)

threading.Thread(target=end_with_the_parent, daemon=True).start()
sys.executable = sys.argv.pop()
runpy.run_module("ministack", run_name="__main__")
"""
"""The emulator starts functions with the interpreter that `sys.executable` names."""
START_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainEmulator:
    port: int

    @property
    def variables(self) -> dict[str, str]:
        """What leads AWS's tools to it."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def webhook_url(self, api_id: str) -> str:
        """By path: a host name of the API's own needs DNS."""
        return f"http://127.0.0.1:{self.port}/_aws/execute-api/{api_id}/webhook"


@contextlib.contextmanager
def plain_emulator(folder: Path, python: str) -> Iterator[PlainEmulator]:
    """Run it until the block ends; `python` runs the functions."""
    emulator = PlainEmulator(port=free_port(0))
    variables = os.environ | {
        "GATEWAY_PORT": str(emulator.port),
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "LOG_LEVEL": "WARNING",
        "TMPDIR": str(folder),
        "PYTHONPATH": str(_what_lambda_has(folder / "lambda-has")),
    }
    with (
        (folder / "emulator.log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-c", START, python],
            cwd=folder, env=variables, stdin=subprocess.PIPE, stdout=log, stderr=log,
        ) as process,
    ):  # fmt: skip
        assert process.stdin is not None
        try:
            log_file = folder / "emulator.log"
            eventually(
                lambda: _is_up(emulator, process, log_file), f"an answer ({log_file})", within=START_SECONDS
            )
            yield emulator
        finally:
            process.stdin.close()
            process.wait(START_SECONDS)


def _what_lambda_has(folder: Path) -> Path:
    folder.mkdir()
    for package in LAMBDA_HAS:
        found = next(
            Path(each) / package for each in site.getsitepackages() if (Path(each) / package).exists()
        )
        (folder / package).symlink_to(found)
    return folder


def _is_up(emulator: PlainEmulator, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    return is_healthy(f"http://127.0.0.1:{emulator.port}")
