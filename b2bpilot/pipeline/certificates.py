"""Certificates in PEM: which text holds some that can be used, and a file of them, because libpq takes nothing else."""

from __future__ import annotations

import atexit
import functools
import hashlib
import os
import re
import shutil
import ssl
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from b2bpilot.errors import SettingsInvalid

CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----")
LINE = 64


def certificates_in(text: str) -> str:
    """Return the certificates of `text` and nothing else of it, such as a private key. Lines may be gone, as from a form
    that takes one line, or be written as `\\n`."""
    found = CERTIFICATE.findall(text.replace("\\n", "\n"))
    return "".join(_block("".join(each.split())) for each in found)


def usable(text: str, name: str, *, now: datetime) -> str:
    """Return the certificates of a CA. Raises SettingsInvalid, which names it and repeats nothing of it."""
    pem = certificates_in(text)
    try:
        last = last_day(pem)
    except (ssl.SSLError, ValueError):
        raise SettingsInvalid(
            f"{name} holds no certificate that can be read",
            hint="it is PEM: -----BEGIN CERTIFICATE-----, lines of letters and digits, -----END CERTIFICATE-----",
        ) from None
    if last and last <= now:
        raise SettingsInvalid(
            f"{name} expired on {last:%Y-%m-%d}",
            hint="replace it with the CA that signs the server's certificate now",
        )
    return pem


def last_day(pem: str) -> datetime | None:
    """Return when the last of these CAs expires; None when no certificate says that it is a CA. Raises SSLError, ValueError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem)
    days = [ssl.cert_time_to_seconds(str(found["notAfter"])) for found in context.get_ca_certs()]
    return datetime.fromtimestamp(max(days), UTC) if days else None


def written(pem: str, name: str) -> Path:
    """Return a file of this process alone that holds it, whose name begins with `name`. Lambda lets nobody write but into
    its temporary folder."""
    try:
        path = _folder() / f"{name}-{hashlib.sha256(pem.encode()).hexdigest()}.pem"
        if not path.exists():
            _write(path, pem)
    except OSError as exc:
        raise SettingsInvalid(f"the database's CA cannot be written into a file: {exc.strerror}") from exc
    return path


def name_of(path: Path) -> str | None:
    """Return the name with which a file was `written`; None for one of somebody else."""
    return path.name.rpartition("-")[0] if path.parent == _folder() else None


def _write(path: Path, pem: str) -> None:
    """Whole or not at all: another thread may read it meanwhile. A folder that a cleaner took away is made again."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w") as file:
        file.write(pem)
    Path(name).replace(path)


@functools.cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="b2bpilot-ca-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _block(base64: str) -> str:
    lines = "\n".join(base64[start : start + LINE] for start in range(0, len(base64), LINE))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"
