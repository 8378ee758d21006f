"""A server's certificate, as a function and a command look at it: the same URL does the same from both."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from traceback import format_exception
from urllib.parse import unquote

import certifi
import psycopg
import pytest
from moto import mock_aws
from psycopg.conninfo import conninfo_to_dict

from b2bpilot.errors import DatabaseUnreachable, SettingsInvalid
from b2bpilot.pipeline.database import DatabaseManager
from lambdas.background_processor import handler as processor
from lambdas.stale_message_processor import handler as stale
from tests.aws_clients import client
from tests.cli.conftest import ACCOUNT, OUTPUTS, REGION, Run, create_stack
from tests.events import message, sns_event
from tests.tls_database import HOST, Authority, authority, speaking_tls

RIGHT, WRONG_NAME, EXPIRED, FOREIGN = "right", "wrong name", "expired", "foreign CA"
NOT_BELIEVED = {
    "verify-full": (WRONG_NAME, EXPIRED, FOREIGN),
    "verify-ca": (EXPIRED, FOREIGN),
    "require": (),
}
CELLS = [
    (mode, certificate) for mode in NOT_BELIEVED for certificate in (RIGHT, WRONG_NAME, EXPIRED, FOREIGN)
]
SAID_OF = {
    WRONG_NAME: "does not match host name",
    EXPIRED: "certificate verify failed",
    FOREIGN: "certificate verify failed",
}
HINT_OF = {
    WRONG_NAME: "write a name that the server's certificate holds",
    EXPIRED: "DATABASE_CA did not sign the server's certificate, or it is expired",
    FOREIGN: "DATABASE_CA did not sign the server's certificate, or it is expired",
}


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 300_000


@pytest.fixture(scope="session")
def ca() -> Authority:
    return authority("the database's CA")


@pytest.fixture(scope="session")
def ports(
    postgres_server: str, ca: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, int]]:
    """An endpoint for each certificate."""
    folder = tmp_path_factory.mktemp("certificates")
    certificates = {
        RIGHT: ca.certify(HOST, folder / "right"),
        WRONG_NAME: ca.certify("db.example.com", folder / "name"),
        EXPIRED: ca.certify(HOST, folder / "expired", days=-1),
        FOREIGN: authority("another CA").certify(HOST, folder / "foreign"),
    }
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(speaking_tls(postgres_server, path))
            for name, path in certificates.items()
        }


Url = Callable[..., str]
Write = Callable[..., None]


@pytest.fixture(scope="module")
def migrated(postgres_server: str, template_database: str) -> Iterator[str]:
    """One database for the whole file: its tests look at connections."""
    name = f"test_tls_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template_database}".encode())
        yield name
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def url(ports: dict[str, int], postgres_server: str, migrated: str) -> Url:
    """Return the URL of the database behind one of the endpoints."""
    user = conninfo_to_dict(postgres_server)["user"]

    def url(certificate: str = RIGHT, **parameters: str) -> str:
        query = "&".join(f"{name}={value}" for name, value in {"hostaddr": "127.0.0.1", **parameters}.items())
        return f"postgresql://{user}:s3cret-word@{HOST}:{ports[certificate]}/{migrated}?{query}"

    return url


@pytest.fixture(scope="module")
def deployed() -> Iterator[str]:
    """The ARN of the secret of an environment `staging`, for the whole file."""
    with mock_aws(), pytest.MonkeyPatch.context() as shell:
        shell.setenv("AWS_DEFAULT_REGION", REGION)
        arn = client("secretsmanager").create_secret(Name="b2b-pilot-staging", SecretString="{}")["ARN"]
        topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:b2b-pilot-messages-staging"
        create_stack("staging", {**OUTPUTS, "TopicArn": topic, "SecretArn": arn})
        yield arn


@pytest.fixture
def secret(deployed: str, ca: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write the secret that functions and commands read; `ca` None leaves its field out."""
    shell = {"AWS_DEFAULT_REGION": REGION, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    for name, value in {**shell, "SECRET_ARN": deployed}.items():
        monkeypatch.setenv(name, value)

    def secret(url: str, *, ca: str | None = ca.pem) -> None:
        fields = {"DATABASE_URL": url, **({"DATABASE_CA": ca} if ca is not None else {})}
        client("secretsmanager").put_secret_value(SecretId=deployed, SecretString=json.dumps(fields))

    yield secret
    processor.end()
    stale.end()


def runs() -> list[str]:
    return processor.handler(sns_event(message()), Context())["outcomes"]


@pytest.mark.parametrize(("mode", "certificate"), CELLS)
def test_a_function_believes(secret: Write, url: Url, mode: str, certificate: str) -> None:
    secret(url(certificate, sslmode=mode))

    if certificate not in NOT_BELIEVED[mode]:
        assert runs() == ["stored"]
        return
    with pytest.raises(DatabaseUnreachable, match=SAID_OF[certificate]) as raised:
        runs()
    assert HINT_OF[certificate] in str(raised.value.hint)


@pytest.mark.parametrize(("mode", "certificate"), CELLS)
def test_a_command_believes(secret: Write, run: Run, url: Url, mode: str, certificate: str) -> None:
    secret(url(certificate, sslmode=mode))

    result = run("submissions", "list", "-e", "staging")

    if certificate not in NOT_BELIEVED[mode]:
        assert result.exit_code == 0, result.stderr
        return
    assert result.exit_code == 1
    assert SAID_OF[certificate] in result.stderr
    assert HINT_OF[certificate] in result.stderr
    assert "security group" not in result.stderr


@pytest.fixture
def public_ca(ca: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For once the CA of the tests is one of them."""
    (public := tmp_path / "public.pem").write_text(ca.pem)
    monkeypatch.setattr(certifi, "where", lambda: str(public))


@pytest.mark.usefixtures("public_ca")
def test_a_url_without_a_ca_believes_the_public_ones_in_both(secret: Write, run: Run, url: Url) -> None:
    for query in ({"sslmode": "verify-full"}, {"sslrootcert": "system"}):
        secret(url(**query), ca=None)

        assert runs() == ["stored"]
        assert run("submissions", "list", "-e", "staging").exit_code == 0
        processor.end()


@pytest.mark.usefixtures("public_ca")
@pytest.mark.parametrize("with_its_own", [True, False])
def test_the_shell_does_not_say_whom_the_secrets_url_believes(
    secret: Write, run: Run, url: Url, monkeypatch: pytest.MonkeyPatch, *, with_its_own: bool
) -> None:
    monkeypatch.setenv("PGSSLROOTCERT", "/nowhere/ca.pem")
    monkeypatch.setenv("PGSSLMODE", "disable")
    secret(url(sslmode="verify-full"), **({} if with_its_own else {"ca": None}))

    assert runs() == ["stored"]
    assert run("submissions", "list", "-e", "staging").exit_code == 0


def test_the_stale_processor_and_migrate_believe_the_secrets_ca_too(
    secret: Write, run: Run, url: Url
) -> None:
    secret(url(sslmode="verify-full"))

    assert stale._database().now()
    assert run("migrate", "--status", "-e", "staging").exit_code == 0


def test_a_file_that_the_url_names_goes_before_the_secrets_ca(
    secret: Write, run: Run, url: Url, ca: Authority, tmp_path: Path
) -> None:
    (there := tmp_path / "ca.pem").write_text(ca.pem)
    secret(url(sslmode="verify-full", sslrootcert=str(there)), ca="no CA at all")

    assert runs() == ["stored"]
    assert run("submissions", "list", "-e", "staging").exit_code == 0


def test_tls_from_the_first_byte_is_spoken_too(secret: Write, url: Url) -> None:
    secret(url(sslmode="verify-full", sslnegotiation="direct"))

    assert runs() == ["stored"]


BAD = {
    "no PEM": ("hunter2-hunter2", "DATABASE_CA of the secret holds no certificate"),
    "cut off": (authority("x").pem[:300], "DATABASE_CA of the secret holds no certificate"),
    "expired": (authority("x", days=-1).pem, "DATABASE_CA of the secret expired on 20"),
}


@pytest.mark.parametrize(("pem", "said"), BAD.values(), ids=BAD)
def test_a_ca_that_cannot_be_used_is_named_and_not_repeated(
    secret: Write, run: Run, url: Url, pem: str, said: str
) -> None:
    secret(url(sslmode="verify-full"), ca=pem)

    result = run("submissions", "list", "-e", "staging")

    assert result.exit_code == 2
    assert said in result.stderr.splitlines()[0]
    assert pem.splitlines()[-1] not in result.stderr
    with pytest.raises(SettingsInvalid, match=said):
        runs()


NAMED = {
    "not here": (None, "cannot be read here: No such file"),
    "no PEM": ("hunter2-hunter2", "holds no certificate"),
    "expired": (authority("x", days=-1).pem, "expired on 20"),
}


@pytest.mark.parametrize(("text", "said"), NAMED.values(), ids=NAMED)
def test_a_file_that_cannot_be_used_is_named_by_its_parameter(
    run: Run, url: Url, tmp_path: Path, text: str | None, said: str
) -> None:
    path = tmp_path / "hunter2.pem"
    if text:
        path.write_text(text)

    dsn = url(sslmode="verify-full", sslrootcert=str(path))
    result = run("submissions", "list", "--database-url", dsn)

    assert result.exit_code == 2
    assert f"the file of sslrootcert in the database URL {said}" in result.stderr.splitlines()[0]
    assert "hunter2" not in result.stderr


def test_a_ca_that_is_not_the_servers_is_named_as_whose_it_is(secret: Write, run: Run, url: Url) -> None:
    secret(url(sslmode="verify-full"), ca=authority("another one").pem)

    result = run("submissions", "list", "-e", "staging")

    assert result.exit_code == 1
    assert "the CA in the secret's field DATABASE_CA did not sign the server's certificate" in result.stderr


def test_what_is_shipped_is_named_as_that_where_it_does_not_do(secret: Write, run: Run, url: Url) -> None:
    secret(url(sslmode="verify-full"), ca=None)

    of_secret = run("submissions", "list", "-e", "staging")
    given = run("submissions", "list", "--database-url", url(sslmode="verify-full"))

    for result in (of_secret, given):
        assert result.exit_code == 1
        assert (
            "hint: the one that this version knows for such a host, RDS's or a public CA, did not sign"
            in result.stderr
        )


def test_system_with_less_than_verify_full_is_refused_as_libpq_says_it(run: Run, url: Url) -> None:
    result = run("submissions", "list", "--database-url", url(sslmode="require", sslrootcert="system"))

    assert result.exit_code == 2
    assert 'weak sslmode "require"' in result.stderr


@pytest.mark.parametrize("content", [None, "junk"])
@pytest.mark.parametrize("name", ["sslcert", "ssl%6Bey"])
def test_a_file_of_the_clients_that_cannot_be_used_is_named_by_its_parameter(
    run: Run, url: Url, tmp_path: Path, name: str, content: str | None
) -> None:
    """libpq passes over a certificate that is not there; there is one, then."""
    certificate = authority("x").certify("x", tmp_path / "client.pem")
    certificate.chmod(0o600)
    odd = tmp_path / "hunter2.pem"
    odd.write_text(content or "")
    odd.chmod(0o600)
    files = {"sslcert": str(certificate), "ssl%6Bey": str(certificate), name: str(odd)}

    dsn = url(sslmode="require", **files)
    result = run("submissions", "list", "--database-url", dsn)

    assert result.exit_code == 2
    assert f"{unquote(name)} of the database URL cannot be used" in result.stderr.splitlines()[0]
    assert "hunter2" not in result.stderr
    with pytest.raises(SettingsInvalid) as raised:
        DatabaseManager(dsn).now()
    assert "hunter2" not in "".join(format_exception(raised.value))


def test_a_url_of_another_client_is_refused_with_an_example_that_can_be_read(run: Run) -> None:
    result = run("submissions", "list", "--database-url", "mysql://me:hunter2@db/pilot")

    assert result.exit_code == 2
    assert "write it as postgresql://USER:PASSWORD@HOST:5432/DATABASE\n" in result.stderr
    assert "hunter2" not in result.stderr


def test_inspect_says_what_to_do_about_a_database_that_cannot_be_reached(run: Run) -> None:
    url = "postgresql://me:hunter2@127.0.0.1:1/pilot?sslmode=disable"
    result = run("inspect", "SM" + "0" * 32, "--database-url", url)

    assert result.exit_code == 1
    assert "hint: nothing listens there: check that the database runs, the host and the port" in result.stderr
