"""Whom a connection believes that verifies the server's certificate, where its DSN names no CA (decision 28).

libpq looks for a file in the home folder, which no Lambda has; `sslrootcert=system` looks where psycopg's OpenSSL was built.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from b2bpilot.errors import SettingsInvalid
from b2bpilot.pipeline.certificates import name_of, usable, written
from b2bpilot.pipeline.clock import Machine, machine_time
from b2bpilot.pipeline.dsn import check_dsn
from b2bpilot.pipeline.settings import Settings, required

OF_RDS = Path(__file__).with_name("rds.pem")
PUBLIC = "public"
"""What the file has in a region's place for Amazon's public roots."""
BLOCK = re.compile(
    r"^# (?P<region>\S+): .*\n(?P<pem>-----BEGIN CERTIFICATE-----\n[^-]+-----END CERTIFICATE-----\n)",
    re.MULTILINE,
)
ENDPOINT = re.compile(
    r"\.([a-z]+(?:-[a-z]+)+-\d)\.rds\.amazonaws\.com$|\.rds\.(cn-[a-z]+-\d)\.amazonaws\.com\.cn$",
    re.IGNORECASE,
)
"""AWS's forms: NAME.ID.REGION.rds.amazonaws.com, and NAME.ID.rds.REGION.amazonaws.com.cn."""
PROXY = re.compile(r"\.proxy-[^.]+\.", re.IGNORECASE)

FIELD = "DATABASE_CA"
KNOWN = "known"
SYSTEM = "system"
FULL = "verify-full"
VERIFYING = frozenset({FULL, "verify-ca"})
NAMED_FILE = "the file of sslrootcert in the database URL"
WHOM = {
    FIELD: f"the CA in the secret's field {FIELD}",
    KNOWN: "the one that this version knows for such a host, RDS's or a public CA,",
}
LEAVE_IT_OUT = f"leave sslrootcert out: RDS's CAs and public ones are known here; another goes into the secret's field {FIELD} (PEM)"


def dsn_of(settings: Settings) -> str:
    """Return the database of a function's settings, with the CA that its connections believe. Raises SettingsInvalid."""
    return with_own_ca(required(settings.database_url, "DATABASE_URL"), settings.database_ca)


def with_own_ca(dsn: str, ca: str | None, *, machine: Machine = machine_time) -> str:
    """Return the `dsn` of a secret with the CA (PEM) that stands beside it, else with a known one, if it verifies and names
    no file that is here. The shell's variables are not asked: the same happens wherever it is read.

    Raises SettingsInvalid for a DSN that is none, and for a CA that cannot be used.
    """
    check_dsn(dsn)
    if not ca:
        return with_ca(dsn, {})
    said = _said(dsn, {})
    if not _verifies(said) or Path(_file(said) or "").is_file():
        return dsn
    pem = usable(ca, f"{FIELD} of the secret", now=machine())
    return make_conninfo(dsn, sslmode=said.get("sslmode", FULL), sslrootcert=str(written(pem, FIELD)))


def with_ca(dsn: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return `dsn` with a CA, if it verifies and names none; a service file may name its own. Raises SettingsInvalid."""
    said = _said(dsn, environ)
    if not _verifies(said) or _file(said) or "service" in said:
        return dsn
    mode = said.get("sslmode", FULL)
    return make_conninfo(dsn, sslmode=mode, sslrootcert=str(written(known_to(dsn), KNOWN)))


def known_to(dsn: str) -> str:
    """Return what is shipped for the server's name. Raises SettingsInvalid for a region of RDS that is not."""
    said = _said(dsn, os.environ)
    hosts = [host for host in said.get("host", "").split(",") if host]
    is_name_checked = said.get("sslmode", FULL) == FULL
    return "".join(_known(hosts) if is_name_checked else _known_to_rds(hosts))


def require_usable_file(dsn: str, *, machine: Machine = machine_time) -> None:
    """Raise SettingsInvalid when the file that `dsn` names as its CA is not here, is none, or has expired."""
    said = _said(dsn, os.environ)
    if not _verifies(said) or not (root := _file(said)):
        return
    try:
        text = Path(root).read_text(errors="replace")
    except OSError as exc:
        raise SettingsInvalid(
            f"{NAMED_FILE} cannot be read here: {exc.strerror}", hint=LEAVE_IT_OUT
        ) from None
    usable(text, NAMED_FILE, now=machine())


def whom(dsn: str) -> str:
    """Return in words which CA is believed."""
    root = _file(_said(dsn, os.environ))
    name = name_of(Path(root)) if root else KNOWN
    return WHOM.get(name or "", NAMED_FILE)


def verifies(dsn: str, environ: Mapping[str, str]) -> bool:
    """Tell whether the server's certificate is looked at, by what the DSN says and `environ` completes."""
    return _verifies(_said(dsn, environ))


def mode_of(dsn: str, environ: Mapping[str, str]) -> str | None:
    """Return its sslmode, as far as anybody says one."""
    return _said(dsn, environ).get("sslmode")


def _said(dsn: str, environ: Mapping[str, str]) -> dict[str, str]:
    of_shell = {"sslmode": environ.get("PGSSLMODE"), "sslrootcert": environ.get("PGSSLROOTCERT")}
    return {name: str(value) for name, value in {**of_shell, **conninfo_to_dict(dsn)}.items() if value}


def _verifies(said: Mapping[str, str]) -> bool:
    """libpq takes `system` for verify-full, and refuses it with less."""
    if said.get("sslrootcert") == SYSTEM:
        return said.get("sslmode", FULL) == FULL
    return said.get("sslmode") in VERIFYING


def _file(said: Mapping[str, str]) -> str | None:
    root = said.get("sslrootcert")
    return None if root == SYSTEM else root


def _known(hosts: Sequence[str]) -> Iterator[str]:
    """The name is checked, and tells which CA can have signed it: RDS's sign no others."""
    if regions := {region for host in hosts if (region := _region(host))}:
        yield _of_rds(regions | {PUBLIC})
    if not hosts or not all(map(_region, hosts)):
        import certifi

        yield Path(certifi.where()).read_text()


def _known_to_rds(hosts: Sequence[str]) -> Iterator[str]:
    """The name is not checked: a public CA gives anybody a certificate, of some other name."""
    regions = {region for host in hosts if (region := _region(host))} - {PUBLIC}
    yield _of_rds(regions if len(hosts) == 1 else None)


def _of_rds(regions: set[str] | None) -> str:
    """Return the CAs of these regions; without any, those of all, without the public ones. Raises SettingsInvalid."""
    known = [(found["region"], found["pem"]) for found in BLOCK.finditer(OF_RDS.read_text())]
    wanted = regions or {region for region, _ in known} - {PUBLIC}
    if unknown := wanted - {region for region, _ in known}:
        raise SettingsInvalid(
            f"this version has no CA of RDS in {', '.join(sorted(unknown))}",
            hint=f"put AWS's bundle of that region (PEM) into the secret's field {FIELD}, or name its file with sslrootcert",
        )
    return "".join(pem for region, pem in known if region in wanted)


def _region(host: str) -> str | None:
    """Return the region in an endpoint's name of RDS. The certificate of a proxy is Amazon's own, in any region."""
    found = ENDPOINT.search(host)
    if found and PROXY.search(host):
        return PUBLIC
    return (found[1] or found[2]).lower() if found else None
