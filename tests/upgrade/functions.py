"""The functions of two versions: each container asks the process of the code that is deployed for it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import logging
import subprocess
import sys
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import Any

from b2bpilot.local.runtime.configuration import FunctionConfiguration
from tests.upgrade.permissions import Permissions
from tests.upgrade.version import Version, clean_environment

RUNNER = Path(__file__).with_name("function_process.py")
END_SECONDS = 10
POLL_SECONDS = 0.05


class Functions:
    """Loads a function's code from the version that was uploaded last, as Lambda does, and counts who ran."""

    def __init__(self, folder: Path, first: Version) -> None:
        self._folder = folder
        self._uploaded = {"": first}
        self._first = first
        self._lock = threading.Lock()
        self._started = 0
        self._processes: dict[tuple[object, ...], FunctionProcess] = {}
        self._at_work: Counter[str] = Counter()
        self.runs: Counter[tuple[str, str]] = Counter()
        self.permissions: Permissions | None = None
        self.denials: list[str] = []

    def upload(self, client: Any, function: str, version: Version) -> bool:
        """Do what `sam deploy` does with a function's code; return when Lambda says that it is in use, False when it was
        already."""
        package = _package(version)
        checksum = base64.b64encode(hashlib.sha256(package).digest()).decode()
        if client.get_function_configuration(FunctionName=function)["CodeSha256"] == checksum:
            return False
        self._uploaded[checksum] = version
        client.update_function_code(FunctionName=function, ZipFile=package)
        while client.get_function_configuration(FunctionName=function)["LastUpdateStatus"] == "InProgress":
            time.sleep(POLL_SECONDS)
        return True

    def load(self, configuration: FunctionConfiguration) -> RemoteHandler:
        self._require_allowed(configuration)
        version = self._uploaded.get(configuration.code_sha256, self._first)
        key = (version.name, configuration.handler, frozenset(configuration.environment.items()))

        def connect() -> Connection:
            with self._lock:
                if key not in self._processes or self._processes[key].is_dead:
                    self._started += 1
                    address = self._folder / str(self._started)
                    self._processes[key] = FunctionProcess(address, version, configuration)
                process = self._processes[key]
            return process.connect()

        return RemoteHandler(connect, self, (version.name, configuration.handler.split(".")[1]))

    def kill(self, function: str) -> int:
        """kill -9 of the function's processes, if any of its containers is at work; return how many of them were."""
        with self._lock:
            at_work = self._at_work[function]
            for (_, handler, _), process in self._processes.items():
                if at_work and str(handler).split(".")[1] == function:
                    process.kill()
        return at_work

    def at_work(self, function: str, more: int) -> None:
        with self._lock:
            self._at_work[function] += more

    def _require_allowed(self, configuration: FunctionConfiguration) -> None:
        """A container reads its secrets when it starts."""
        denied = self.permissions.denied(configuration.name) if self.permissions else []
        if denied:
            text = f"{configuration.name} may not read the secret that it is told with {', '.join(denied)}"
            self.denials.append(text)
            raise PermissionError(text)

    def ran(self, who: tuple[str, str]) -> None:
        with self._lock:
            self.runs[who] += 1

    def close(self) -> None:
        with self._lock:
            processes = list(self._processes.values())
        for process in processes:
            process.close()


class FunctionProcess:
    """The code of one version with one environment. It ends when its standard input does."""

    def __init__(self, address: Path, version: Version, configuration: FunctionConfiguration) -> None:
        self._address = str(address)
        self._lock = threading.Lock()
        self._is_ready = False
        self._process = subprocess.Popen(
            [sys.executable, str(RUNNER), self._address, configuration.handler, str(version.root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environment(version.root) | dict(configuration.environment),
            cwd=version.root,
        )

    def connect(self) -> Connection:
        assert self._process.stdout
        with self._lock:
            if not self._is_ready and self._process.stdout.readline() != "ready\n":
                raise RuntimeError("the function's process ended before it was ready; its error stands above")
            self._is_ready = True
        return Client(self._address, family="AF_UNIX")

    @property
    def is_dead(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(END_SECONDS)
        self.close()

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(END_SECONDS)
        self._process.stdout.close()


class RemoteHandler:
    """A container's handler, which runs in the process of its version."""

    def __init__(self, connect: Callable[[], Connection], functions: Functions, who: tuple[str, str]) -> None:
        self._connect = connect
        self._connection = connect()
        self._functions = functions
        self._who = who

    def __call__(self, event: Any, context: Any) -> Any:
        request = {"event": event, "context": _facts(context)}
        self._send(json.dumps(request).encode())
        self._functions.ran(self._who)
        self._functions.at_work(self._who[1], 1)
        try:
            return self._answer()
        finally:
            self._functions.at_work(self._who[1], -1)

    def _send(self, request: bytes) -> None:
        """A process that was killed while this container had no event is replaced, as Lambda replaces a container."""
        try:
            self._connection.send_bytes(request)
        except OSError:
            self._connection.close()
            self._connection = self._connect()
            self._connection.send_bytes(request)

    def _answer(self) -> Any:
        while True:
            reply = json.loads(self._connection.recv_bytes())
            if "log" in reply:
                logging.getLogger().handle(logging.makeLogRecord(reply["log"]))
            elif "error" in reply:
                raise _named(reply["error"])
            else:
                return reply["answer"]

    def end(self) -> None:
        self._connection.close()


def _facts(context: Any) -> Mapping[str, Any]:
    names = ("aws_request_id", "function_name", "invoked_function_arn", "memory_limit_in_mb")
    more = ("log_group_name", "log_stream_name", "function_version")
    facts = {name: getattr(context, name) for name in names + more}
    return facts | {"remaining_seconds": context.get_remaining_time_in_millis() / 1000}


def _named(error: Mapping[str, str]) -> Exception:
    """An exception that Lambda would describe as it does the one of the other process."""
    kind: type[Exception] = type(error["type"], (Exception,), {})
    return kind(error["message"])


def _package(version: Version) -> bytes:
    """Stands for the artifact: its checksum tells which version was uploaded."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("version"), version.name)
    return buffer.getvalue()
