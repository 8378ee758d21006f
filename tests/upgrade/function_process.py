"""A function's code of one version, in a process of its own: each connection to its socket is a container.

Run by its path with the version's root in PYTHONPATH. It imports nothing of this repository except the handler that it is told
to run: the module names of two versions are the same.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import Any

Handler = Callable[[Any, Any], Any]

KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
current = threading.local()
instances = itertools.count(1)


def main() -> None:
    """Arguments: the socket, the handler as `package.module.function`, and the root that its code must come from."""
    address, setting, root = sys.argv[1:]
    must_come_from(Path(root))
    threading.Thread(target=end_with_the_parent, daemon=True).start()
    logging.getLogger().addHandler(SentLog())
    logging.getLogger().setLevel(logging.INFO)
    with Listener(address, family="AF_UNIX", backlog=64) as listener:
        print("ready", flush=True)
        while True:
            container = threading.Thread(target=serve, args=(listener.accept(), setting), daemon=True)
            container.start()


def must_come_from(root: Path) -> None:
    """The installed package may be another version's: what ran it would prove nothing."""
    for package in ("b2bpilot", "lambdas"):
        spec = importlib.util.find_spec(package)
        if (
            spec is None
            or spec.origin is None
            or not Path(spec.origin).resolve().is_relative_to(root.resolve())
        ):
            found = spec.origin if spec else "nowhere"
            raise SystemExit(f"{package} comes from {found}, not from {root}")


def serve(connection: Connection, setting: str) -> None:
    """Run one event after the other until the other side closes."""
    current.connection = connection
    handler: Handler | None = None
    while (request := received(connection)) is not None:
        try:
            handler = handler or load(setting)
            reply = {"answer": handler(request["event"], Context(request["context"]))}
            sent = json.dumps(reply)
        except BaseException as error:  # noqa: BLE001  # a SystemExit in a handler is an answer, too
            sent = json.dumps({"error": described(error)})
        connection.send_bytes(sent.encode())
    end = getattr(sys.modules.get(getattr(handler, "__module__", "")), "end", None)
    if end is not None:
        end()


def received(connection: Connection) -> dict[str, Any] | None:
    try:
        return dict(json.loads(connection.recv_bytes()))
    except (EOFError, OSError):
        return None


def load(setting: str) -> Handler:
    """Execute the handler's file as a module of this container's own."""
    module_name, _, function_name = setting.rpartition(".")
    spec = importlib.util.find_spec(module_name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"Unable to import module '{module_name}'")
    name = f"{module_name}#{next(instances)}"
    fresh = importlib.util.spec_from_file_location(name, spec.origin)
    assert fresh is not None
    assert fresh.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(fresh)
    fresh.loader.exec_module(module)
    return getattr(module, function_name)  # type: ignore[no-any-return]


def described(error: BaseException) -> dict[str, Any]:
    return {
        "type": type(error).__name__,
        "message": str(error),
        "trace": traceback.format_tb(error.__traceback__),
    }


class Context:
    """Lambda's context, from what the other process says of it."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self._ends_at = time.monotonic() + facts.pop("remaining_seconds")
        vars(self).update(facts)

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._ends_at - time.monotonic()) * 1000))


class SentLog(logging.Handler):
    """What a container logs goes to the other process while it runs."""

    def emit(self, record: logging.LogRecord) -> None:
        connection = getattr(current, "connection", None)
        if connection is None:
            return
        facts = {name: value for name, value in vars(record).items() if name not in KNOWN}
        facts |= {"name": record.name, "levelno": record.levelno, "levelname": record.levelname}
        facts |= {"created": record.created, "msg": record.getMessage()}
        if record.exc_info and record.exc_info[1]:
            facts |= {f"error_{name}": value for name, value in described(record.exc_info[1]).items()}
        connection.send_bytes(json.dumps({"log": facts}, default=str).encode())


def end_with_the_parent() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
