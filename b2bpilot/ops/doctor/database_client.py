"""What PostgreSQL is asked with."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from b2bpilot.ops.doctor.finding import Findings, fine, wrong

FILES = ("PGSSLROOTCERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE")
"""Variables that name certificates: a file that is not there turns up as trouble with the network."""
SYSTEM = "system"


def psycopg_found() -> Findings:
    try:
        import psycopg
    except ImportError as exc:
        yield wrong(
            "database client", str(exc).splitlines()[0], "install psycopg[binary], or PostgreSQL's libpq"
        )
        return
    libpq = psycopg.pq.version()
    yield fine(
        "database client",
        f"psycopg {psycopg.__version__} ({psycopg.pq.__impl__}), libpq {libpq // 10_000}.{libpq % 10_000}",
    )


def certificates(environ: Mapping[str, str] = os.environ) -> Findings:
    named = {name: environ[name] for name in FILES if environ.get(name) and environ[name] != SYSTEM}
    broken = {name: reason for name, path in named.items() if (reason := _unusable(path))}
    for name, reason in broken.items():
        yield wrong("certificates", f"{name}: {named[name]} {reason}", f"correct {name}, or unset it")
    if not broken:
        yield fine(
            "certificates",
            ", ".join(f"{name}={path}" for name, path in named.items()) or "those of this version",
        )


def _unusable(path: str) -> str | None:
    if Path(path).is_dir():
        return None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        return "holds no certificate that can be read"
    except OSError as exc:
        return f"cannot be read: {exc.strerror}"
    return None
