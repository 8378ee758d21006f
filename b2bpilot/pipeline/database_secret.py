"""The way to the database as a secret tells it: our DATABASE_URL, or the fields of a secret that RDS manages and rotates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from b2bpilot.errors import SettingsInvalid

URL = "DATABASE_URL"
USERNAME, PASSWORD = "username", "password"
TLS = "verify-full"
"""A secret of RDS does not say how the line is protected. libpq asks for none on a socket of this machine."""
PORTS = re.compile(r"[0-9]{1,5}(,[0-9]{1,5})*")
HINT = "write it into the secret, or deploy with what leads to the database: DatabaseUrl, or DatabaseSecretArn and its parameters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """Where the database is, as the template's parameters say it: for a secret that does not, such as RDS's own."""

    host: str = ""
    port: str = ""
    name: str = ""


def has_url(secret: Mapping[str, str]) -> bool:
    """Tell which of the two kinds it is; one without a field of either is taken for ours."""
    return URL in secret or not secret.keys() & {USERNAME, PASSWORD}


def database_url(secret: Mapping[str, str], arn: str, elsewhere: Elsewhere) -> str:
    """Return a connection string. Raises SettingsInvalid."""
    if wrong := problems(secret, elsewhere):
        raise SettingsInvalid(f"secret {arn} has {', '.join(wrong)}", hint=HINT)
    if has_url(secret):
        return secret[URL]
    fields = {
        "user": secret[USERNAME],
        "password": secret[PASSWORD],
        **_place(secret, elsewhere),
        "sslmode": TLS,
    }
    return " ".join(f"{name}={_quoted(value)}" for name, value in fields.items())


def problems(secret: Mapping[str, str], elsewhere: Elsewhere) -> list[str]:
    """Return what is wrong with it: fields by their names, and never what one holds."""
    if has_url(secret):
        return [] if secret.get(URL) else [f"no {URL}"]
    place = _place(secret, elsewhere)
    wrong = [f"no {name}" for name in (USERNAME, PASSWORD) if not secret.get(name)]
    wrong += [f"no {name}, and {PARAMETERS[name]} gives none" for name, value in place.items() if not value]
    if place["port"] and not PORTS.fullmatch(place["port"]):
        wrong.append("a port that is not a number")
    return wrong


PARAMETERS = {"host": "DatabaseHost", "port": "DatabasePort", "dbname": "DatabaseName"}


def _place(secret: Mapping[str, str], elsewhere: Elsewhere) -> dict[str, str]:
    return {
        "host": secret.get("host") or elsewhere.host,
        "port": secret.get("port") or elsewhere.port,
        "dbname": secret.get("dbname") or elsewhere.name,
    }


def _quoted(value: str) -> str:
    """Always in quotes, so that nothing in it is taken for a parameter of its own."""
    return "'" + re.sub(r"(['\\])", r"\\\1", value) + "'"
