"""Whether this machine can run the local environment: its packages, and ports on loopback."""

from __future__ import annotations

import socket

from b2bpilot.errors import LocalEnvironmentError
from b2bpilot.local import packages
from b2bpilot.ops.doctor.finding import Findings, fine, warned

HOST = "127.0.0.1"


def installed() -> Findings:
    try:
        packages.require()
    except LocalEnvironmentError as exc:
        yield warned("extra `local`", str(exc), exc.hint or "")
    else:
        yield fine("extra `local`", "installed")


def loopback() -> Findings:
    """It takes whatever ports are free; what it needs is that this machine can reach itself there."""
    try:
        with socket.create_server((HOST, 0)) as server:
            socket.create_connection(server.getsockname(), timeout=2).close()
    except OSError as exc:
        yield warned(
            "ports",
            f"{HOST} cannot be listened on and reached ({exc.strerror or exc})",
            "look at the firewall and at the sandbox that this shell runs in",
        )
    else:
        yield fine("ports", f"free ones on {HOST} can be listened on and reached")
