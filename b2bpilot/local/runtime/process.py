"""A container that is a process of its own: for functions of other teams, which get their own variables and none of ours."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from b2bpilot.local.runtime.configuration import FunctionConfiguration
from b2bpilot.local.runtime.invocation import DescribedError, LambdaContext
from b2bpilot.local.runtime.logs import current
from b2bpilot.local.shell import for_a_child

STOP_SECONDS = 5


class HandlerProcess:
    """A handler (`runtime/code.py`, Load) that runs elsewhere. The process starts with the first event, and again with the
    next one after it died: of that, the event that it ran is told, as on AWS."""

    def __init__(
        self, configuration: FunctionConfiguration, code: Path, *, packages: Path | None = None
    ) -> None:
        """`packages` is a folder that goes before what this process has installed."""
        self._configuration = configuration
        self._code = code
        self._path = [code, packages] if packages else [code]
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: TextIO | None = None

    def __call__(self, event: object, context: LambdaContext) -> Any:
        """Raises DescribedError."""
        process, lines = self._running()
        with suppress(OSError):  # the other end is gone: said below
            lines.write(json.dumps({"event": event, "context": dataclasses.asdict(context)}) + "\n")
            lines.flush()
            for line in lines:
                report = json.loads(line)
                match report["kind"]:
                    case "answer":
                        return json.loads(report["payload"])
                    case "error":
                        raise DescribedError(report["description"])
                    case _:
                        _log(report)
        raise self._died(process, context.aws_request_id)

    def kill(self) -> None:
        """End it in the middle of what it runs."""
        if self._process is not None:
            self._process.kill()

    def end(self) -> None:
        """End it between two events."""
        process, self._process = self._process, None
        if process is None:
            return
        if self._lines is not None:
            with suppress(OSError):  # it flushes what a dead process did not take
                self._lines.close()
        assert process.stdin is not None  # noqa: S101  # nosec B101  # for the type checker: it was asked for
        process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _running(self) -> tuple[subprocess.Popen[bytes], TextIO]:
        if self._process is not None and self._lines is not None and self._process.poll() is None:
            return self._process, self._lines
        self.end()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self._lines = ours.makefile("rw", encoding="utf-8")
            self._process = subprocess.Popen(  # noqa: S603  # nosec B603  # our own module
                [
                    sys.executable,
                    "-m",
                    "b2bpilot.local.runtime.process_main",
                    str(theirs.fileno()),
                    self._configuration.name,
                    self._configuration.handler,
                ],
                env=variables(self._configuration, self._path),
                cwd=self._code,
                stdin=subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        return self._process, self._lines

    def _died(self, process: subprocess.Popen[bytes], request_id: str) -> DescribedError:
        """In Lambda's words for a process that ended under its event."""
        self.kill()
        code = process.wait()
        how = (
            f"signal: {(signal.strsignal(-code) or str(-code)).lower()}"
            if code < 0
            else f"exit status {code}"
        )
        return DescribedError({
            "errorType": "Runtime.ExitError",
            "errorMessage": f"RequestId: {request_id} Error: Runtime exited with error: {how}",
        })  # fmt: skip


def variables(configuration: FunctionConfiguration, path: Sequence[Path]) -> dict[str, str]:
    """What the process finds in its environment: the function's own variables, and those that Lambda adds."""
    ours = for_a_child(os.environ)
    folders = [*map(str, path), ours.get("PYTHONPATH")]
    return ours | {
        "AWS_LAMBDA_FUNCTION_NAME": configuration.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(configuration.memory_mb),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "LAMBDA_TASK_ROOT": str(path[0]),
        "TZ": "UTC",
        "PYTHONPATH": os.pathsep.join(filter(None, folders)),
        **configuration.environment,
    }  # fmt: skip


def _log(report: Mapping[str, Any]) -> None:
    sink = current.sink
    if sink is None:
        return
    if report["kind"] == "printed":
        sink.printed(report["line"])
    elif report["level"] >= sink.level:
        sink.write(report["line"])
