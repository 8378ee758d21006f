"""The program itself: its Python, its libraries, its folder, the variables that lead its requests elsewhere."""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # it has no types

from b2bpilot import __version__
from b2bpilot.ops.doctor.finding import Findings, fine, warned, wrong
from b2bpilot.paths import why

OLDEST_PYTHON = (3, 11)
LEAST_FREE = 200 * 1024 * 1024
HERE = ("localhost", "127.0.0.1")
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def python() -> Findings:
    seen = f"b2bpilot {__version__}, Python {platform.python_version()} at {sys.executable}, {platform.system()} {platform.machine()}"
    if sys.version_info < OLDEST_PYTHON:
        yield wrong("program", seen, "install it with Python 3.11 or newer")
    elif platform.system() not in ("Linux", "Darwin"):
        yield wrong("program", seen, "it runs on Linux and macOS: on Windows use WSL")
    else:
        yield fine("program", seen)


def folder(home: Path) -> Findings:
    """Journals and the local environment are kept there; it is made when something is."""
    there = next(one for one in (home, *home.parents) if one.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
        free = shutil.disk_usage(there).free
    except OSError as exc:
        yield wrong(
            "folder",
            f"{home}: nothing can be written to {there} ({why(exc)})",
            "set B2BPILOT_HOME to a folder of yours: changing commands need it for their journals",
        )
        return
    seen = f"{home}, {free // 1024**3:,} GB free"
    if free < LEAST_FREE:
        yield warned(
            "folder",
            f"{home}: {free // 1024**2} MB free",
            "make room: a journal that cannot be written stops a run",
        )
    else:
        yield fine("folder", seen if there == home else f"{seen}; not made yet")


def proxies(environ: Mapping[str, str]) -> Findings:
    """What leads to this machine must not go through a proxy, which would look on its own."""
    named = {
        variable: environ[spelled]
        for variable in PROXY_VARIABLES
        for spelled in (variable.lower(), variable)
        if environ.get(spelled)
    }
    if not named:
        yield fine("proxy", "none is set")
        return
    shown = ", ".join(f"{name}={_place(url)}" for name, url in named.items())
    if unusable := [name for name, url in named.items() if not _place(url)]:
        yield wrong("proxy", f"{', '.join(unusable)} is no URL", "write it as http://HOST:PORT")
    elif caught := [host for host in HERE if not _is_left_out(host, environ)]:
        yield warned(
            "proxy",
            f"{shown}; NO_PROXY does not name {' and '.join(caught)}, so other programs ask the proxy for the local environment",
            "export NO_PROXY=localhost,127.0.0.1, and what NO_PROXY has now behind it",
        )
    else:
        yield fine("proxy", f"{shown}; NO_PROXY leaves this machine out")


def _is_left_out(host: str, environ: Mapping[str, str]) -> bool:
    settings = {"no": environ.get("no_proxy") or environ.get("NO_PROXY") or ""}
    return bool(proxy_bypass_environment(host, settings))


def _place(url: str) -> str:
    """Without the password that may stand in it."""
    try:
        parts = urlsplit(url)
        return (
            f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
            if parts.hostname
            else ""
        )
    except ValueError:
        return ""
