"""The emulator as a child process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import urllib3

from b2bpilot.errors import LocalEnvironmentError
from b2bpilot.local.emulator import ACCESS_KEY_ID, EVENTS_PATH, RUNTIME_KEY, RUNTIME_URL, TIME_SCALE
from b2bpilot.local.shell import for_a_child
from b2bpilot.local.state import Identity
from b2bpilot.pipeline.waiting import wait_until

HOST = "127.0.0.1"
READY_SECONDS = 120
POLL_SECONDS = 0.02
STOP_SECONDS = 60


class EmulatorProcess:
    """Starts at once; `wait_until_ready` before the first call. It saves its state when it ends, however we end."""

    def __init__(
        self,
        directory: Path,
        *,
        identity: Identity,
        region: str,
        runtime_url: str,
        runtime_key: str,
        events: Path,
        time_scale: float,
        lock: int,
    ) -> None:
        port = free_port(identity.port)
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.endpoint_url = f"http://{HOST}:{port}"
        self._log = directory / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  # nosec B603  # our own module
                [sys.executable, "-m", "b2bpilot.local.emulator", str(directory)],
                env=_settings(directory, port, identity.account_id, region)
                | {
                    ACCESS_KEY_ID: identity.keys.access_key_id,
                    RUNTIME_URL: runtime_url,
                    RUNTIME_KEY: runtime_key,
                    EVENTS_PATH: str(events),
                    TIME_SCALE: str(time_scale),
                },
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(lock,),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_ready(self) -> None:
        """Ask until it answers: another process says in no other way that it listens."""
        with urllib3.PoolManager(retries=False) as http:
            if not wait_until(lambda: self._answers(http), seconds=READY_SECONDS, pause_seconds=POLL_SECONDS):
                raise LocalEnvironmentError(f"the AWS emulator was not ready after {READY_SECONDS} s")

    def wait(self) -> None:
        """Return when the emulator has ended."""
        self._process.wait()

    def resume(self) -> None:
        """Let it go on where somebody has stopped it: what is stopped neither answers nor ends."""
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Close its standard input, which is the same signal as our death, and wait until its state is saved."""
        self.resume()
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(STOP_SECONDS)

    def _answers(self, http: urllib3.PoolManager) -> bool:
        try:
            return http.request("GET", f"{self.endpoint_url}/_ministack/health", timeout=1).status == 200  # noqa: PLR2004
        except urllib3.exceptions.HTTPError:
            if self._process.poll() is not None:
                raise LocalEnvironmentError(
                    "the AWS emulator did not start", hint=f"see {self._log}"
                ) from None
            return False


def free_port(preferred: int) -> int:
    """Return the preferred port when nobody listens there, else another one."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise LocalEnvironmentError("no free port on this machine")


def _settings(directory: Path, port: int, account_id: str, region: str) -> dict[str, str]:
    """ministack's own variables; the user's must not reach it, least of all credentials."""
    return for_a_child(os.environ) | {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": HOST,
        "MINISTACK_HOST": HOST,
        "IOT_MTLS_ENABLED": "0",
        "MINISTACK_ACCOUNT_ID": account_id,
        "MINISTACK_REGION": region,
        "PERSIST_STATE": "1",
        "STATE_DIR": str(directory / "state"),
        "S3_DATA_DIR": str(directory / "s3"),
        "LOG_LEVEL": "WARNING",
    }
