"""Without credentials a command ends with 2, and says which of the ways to them failed and what to do."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from botocore.credentials import SSOProvider
from botocore.tokens import SSOTokenProvider

from b2bpilot.aws import credentials
from tests.cli.conftest import Result, Run
from tests.cli.credentials.refusing_aws import answering, json_refusal, refusal

P = "[profile p]\nregion = eu-west-1\n"
KEYS = "aws_access_key_id = a\naws_secret_access_key = b\n"
SSO = (
    f"{P}sso_session = corp\nsso_account_id = 123456789012\nsso_role_name = r\n"
    "[sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://corp.example.com/start\n"
)
OLD_SSO = (
    f"{P}sso_region = eu-west-1\nsso_start_url = https://corp.example.com/start\n"
    "sso_account_id = 123456789012\nsso_role_name = r\n"
)
ROLE = f"{P}role_arn = arn:aws:iam::123456789012:role/x\nsource_profile = q\n[profile q]\n{KEYS}"
WEB = {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/x"}
PROCESS, LOGIN, MACHINE = "credential_process: ", "the login: ", "the container's credentials: "
WEB_IDENTITY, THE_ROLE = "the web identity: ", "the role: "
RUN_IT, LOG_IN = "run the program of credential_process by hand", "log in again: aws sso login"
LOOK_AT_KEYS, LOOK_AT_BUNDLE = (
    "look at AWS_ACCESS_KEY_ID and its like",
    "look at AWS_CA_BUNDLE, REQUESTS_CA_BUNDLE",
)
UNSIGNED = "the AWS credentials cannot be used: no request can be made with them"
LOOK_AT_ROLE, LOOK_AT_WEB = "look at role_arn, source_profile", "look at AWS_WEB_IDENTITY_TOKEN_FILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What the machine has, and what is said of it. `sso` is the text of the token that a login left."""

    config: str = P
    said: str
    hint: str
    environ: Mapping[str, str] = field(default_factory=dict)
    credentials: str = ""
    sso: str | None = None
    profile: str | None = "p"


def process(command: str, said: str) -> Case:
    return Case(config=f"{P}credential_process = {command}\n", said=PROCESS + said, hint=RUN_IT)


def sso(token: str | None, said: str, *, config: str = SSO) -> Case:
    return Case(config=config, sso=token, said=LOGIN + said, hint=LOG_IN)


def variables(said: str, hint: str, **environ: str) -> Case:
    return Case(said=said, hint=hint, environ={"AWS_REGION": "eu-west-1", **environ}, profile=None)


def process_without_a_key() -> Case:
    given = '{"Version":1,"AccessKeyId":null,"SecretAccessKey":"b"}'
    return Case(config=f"{P}credential_process = echo '{given}'\n", said=UNSIGNED, hint=LOOK_AT_KEYS)


EXPIRED = '{"accessToken": "x", "expiresAt": "2020-01-01T00:00:00Z"}'
OLD_KEYS = '{"Version":1,"AccessKeyId":"a","SecretAccessKey":"b","Expiration":"2020-01-01T00:00:00Z"}'
UNREADABLE = "its token in ~/.aws cannot be read"
CASES = {
    "nothing at all": Case(said="no AWS credentials were found", hint="log in (`aws sso login`"),
    "a program that prints no JSON": process("/bin/echo not json", "what it gives cannot be read"),
    "a program that prints a list": process("/bin/echo []", "what it gives cannot be read"),
    "a program that is not there": process("/no/such/program", "/no/such/program: No such file"),
    "a program that is a folder": process("/etc", "/etc: Permission denied"),
    "a program that lacks keys": process('/bin/echo {"Version": 1}', "what it gives cannot be read"),
    "a program that fails": process("sh -c 'echo log in first >&2; exit 3'", "log in first"),
    "a program that fails without a word": process("false", "it failed and gave no reason"),
    "a program with an open quote": process("sh -c 'x", "what it gives cannot be read (No closing quotation)"),
    "a program that gives old keys": process(f"echo '{OLD_KEYS}'", "Credentials were refreshed, but"),
    "no login yet": sso(None, "Error loading SSO Token"),
    "no login yet, the old form": sso(None, "Error loading SSO Token", config=OLD_SSO),
    "an expired login": sso(EXPIRED, "Token has expired"),
    "an expired login, the old form": sso(EXPIRED, "The SSO session", config=OLD_SSO),
    "half a token": sso('{"accessToken', UNREADABLE),
    "half a token, the old form": sso('{"accessToken', UNREADABLE, config=OLD_SSO),
    "an empty token": sso("", UNREADABLE),
    "a token that is null": sso("null", UNREADABLE),
    "a token that is a list": sso("[]", "Error loading SSO Token"),
    "a token of numbers": sso('{"accessToken": 1, "expiresAt": 5}', UNREADABLE),
    "a token with no date": sso('{"accessToken": "x", "expiresAt": "soon"}', UNREADABLE),
    "an sso-session that is not there": Case(
        config=SSO.partition("[sso-session")[0], said=LOGIN, hint="look at the sso_ settings of the profile"
    ),
    "half of the sso settings": Case(
        config=OLD_SSO.partition("sso_role_name")[0], said=LOGIN, hint="look at the sso_ settings of the profile"
    ),
    "no login of aws login": Case(
        config=f"{P}login_session = arn:aws:iam::1:user/me\n", said=LOGIN, hint="log in again: aws login --profile p"
    ),
    "a code that nobody can type": Case(
        config=ROLE.replace("[profile q]", "mfa_serial = arn:aws:iam::123456789012:mfa/me\n[profile q]"),
        said=f"{THE_ROLE}it wants an MFA code, and there is no terminal to ask for it",
        hint="run it at a terminal",
    ),
    "a source profile that is not there": Case(
        config=ROLE.partition("[profile q]")[0], said=THE_ROLE, hint=LOOK_AT_ROLE
    ),
    "a role of itself": Case(
        config=ROLE.replace(KEYS, "role_arn = arn:aws:iam::1:role/y\nsource_profile = p\n"),
        said=f"{THE_ROLE}Infinite loop",
        hint=LOOK_AT_ROLE,
    ),
    "a source that is none": Case(
        config=f"{P}role_arn = arn:aws:iam::1:role/x\ncredential_source = Moon\n", said=THE_ROLE, hint=LOOK_AT_ROLE
    ),
    "a web identity's file that is not there": variables(
        f"{WEB_IDENTITY}/no/such/token: No such file", LOOK_AT_WEB, **WEB, AWS_WEB_IDENTITY_TOKEN_FILE="/no/such/token"
    ),
    "a web identity's file that is empty": variables(
        WEB_IDENTITY, LOOK_AT_WEB, **WEB, AWS_WEB_IDENTITY_TOKEN_FILE="/dev/null"
    ),
    "a web identity without a role": variables(WEB_IDENTITY, LOOK_AT_WEB, AWS_WEB_IDENTITY_TOKEN_FILE="/etc/hostname"),
    "a container's address elsewhere": variables(
        MACHINE, "look at AWS_CONTAINER", AWS_CONTAINER_CREDENTIALS_FULL_URI="http://example.com/x"
    ),
    "a container's token that is not there": variables(
        f"{MACHINE}/no/such: No such file",
        "look at AWS_CONTAINER",
        AWS_CONTAINER_CREDENTIALS_FULL_URI="http://127.0.0.1:9/x",
        AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="/no/such",
    ),
    "an address of the metadata that is none": variables(
        "boto3 cannot use its settings",
        "check the AWS_ variables",
        AWS_EC2_METADATA_DISABLED="false",
        AWS_EC2_METADATA_SERVICE_ENDPOINT="nonsense",
    ),
    "half a pair of keys": variables(
        "missing: AWS_SECRET_ACCESS_KEY", "set both AWS_ACCESS_KEY_ID and", AWS_ACCESS_KEY_ID="a"
    ),
    "the other half of a pair of keys": variables(
        "no AWS credentials were found; AWS_SECRET_ACCESS_KEY is set and AWS_ACCESS_KEY_ID is not",
        "log in",
        AWS_SECRET_ACCESS_KEY="b",
    ),
    "half a pair of keys in the config": Case(
        config=f"{P}aws_access_key_id = a\n", said="missing: aws_secret_access_key", hint="look at aws_access_key_id"
    ),
    "half a pair of keys in the credentials": Case(
        credentials="[p]\naws_access_key_id = a\n",
        said="missing: aws_secret_access_key",
        hint="look at aws_access_key_id",
    ),
    "a profile that is not there": Case(
        said="AWS profile 'nobody' does not exist", hint="`aws configure list-profiles`", profile="nobody"
    ),
    "a comment behind the region": Case(
        config=f"[profile p]\nregion = eu-west-1 # Ireland\n{KEYS}",
        said="region 'eu-west-1 # Ireland' is not a region's name",
        hint="the name must stand alone",
    ),
    "a comment behind the variable's region": Case(
        said="region 'eu-west-1 # Ireland' is not a region's name",
        hint="the name must stand alone",
        environ={"AWS_REGION": "eu-west-1 # Ireland"},
    ),
    "no region": Case(config=f"[profile p]\n{KEYS}", said="no AWS region is set", hint="--region or AWS_REGION"),
    "a config file that is none": Case(
        config="[profile p\n", said="boto3 cannot use its settings: Unable to parse", hint="~/.aws/config"
    ),
    "services that are not there": Case(
        config=f"{P}{KEYS}services = nope\n", said='"nope" services configuration does not exist', hint="~/.aws/config"
    ),
    "an endpoint in the config that is none": Case(
        config=f"{P}{KEYS}endpoint_url = here\n", said="Invalid endpoint: here", hint="AWS_ENDPOINT_URL"
    ),
    "a config file that a variable names in vain": variables(
        "no AWS credentials were found; /no/such/config (AWS_CONFIG_FILE) cannot be read (No such file",
        "log in",
        AWS_CONFIG_FILE="/no/such/config",
    ),
    "credentials that a variable names in vain": variables(
        "no AWS credentials were found; no/such (AWS_SHARED_CREDENTIALS_FILE) cannot be read (No such file",
        "log in",
        AWS_SHARED_CREDENTIALS_FILE="no/such",
    ),
    "a region that boto3 does not know": Case(
        config=f"{P.replace('eu-west-1', 'eu-wset-1')}{KEYS}",
        said="region 'eu-wset-1' is none that boto3 knows, and nothing was reached at https://cloudformation.eu-wset-1.",
        hint="check --region",
    ),
    "empty keys": Case(config=f"{P}{KEYS.replace('= a', '=').replace('= b', '=')}", said=UNSIGNED, hint=LOOK_AT_KEYS),
    "a program that gives no key": process_without_a_key(),
    "a CA bundle that is not there": Case(
        config=f"{P}{KEYS}ca_bundle = /no/such/bundle\n",
        said="the CA bundle /no/such/bundle cannot be read: No such file",
        hint=LOOK_AT_BUNDLE,
    ),
    "a CA bundle in a variable that is not there": Case(
        config=f"{P}{KEYS}",
        said="the CA bundle no/bundle cannot be read: No such file",
        hint=LOOK_AT_BUNDLE,
        environ={"AWS_CA_BUNDLE": "no/bundle"},
    ),
    "a CA bundle that holds none": Case(
        config=f"{P}{KEYS}",
        said="the CA bundle /etc/passwd holds no certificate",
        hint=LOOK_AT_BUNDLE,
        environ={"REQUESTS_CA_BUNDLE": "/etc/passwd"},
    ),
    "a mode that is none": Case(config=f"{P}{KEYS}defaults_mode = x\n", said="defaults mode: x", hint="~/.aws/config"),
}  # fmt: skip


@pytest.fixture
def set_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without a terminal; return its folder .aws."""
    monkeypatch.setattr(credentials, "TERMINAL", tmp_path / "no terminal")
    folder = tmp_path / "home" / ".aws"
    cache = folder / "sso" / "cache"
    cache.mkdir(parents=True)
    for provider in (SSOProvider, SSOTokenProvider):  # botocore asks for HOME when it is imported
        monkeypatch.setattr(provider, "_SSO_TOKEN_CACHE_DIR", str(cache))
    return folder


def write(case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "config").write_text(case.config)
    (folder / "credentials").write_text(case.credentials)
    if case.sso is not None:
        for key in ("corp", "https://corp.example.com/start"):
            name = hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest()
            (folder / "sso" / "cache" / f"{name}.json").write_text(case.sso)
    for name, value in case.environ.items():
        monkeypatch.setenv(name, value)
    if case.profile:
        monkeypatch.setenv("AWS_PROFILE", case.profile)


def require_told(result: Result, said: str, hint: str) -> None:
    error, _, advice = result.stderr.rpartition("hint: ")
    assert (result.exit_code, error.count("\n"), advice.count("\n")) == (2, 1, 1), result.stderr
    assert said in error
    assert hint in advice
    assert "unexpected" not in error
    assert "hush" not in error


@pytest.fixture
def no_name_resolves(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for the endpoint of a region that does not exist, also where the machine has a network."""

    def refuse(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("no_name_resolves")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_way_that_failed_is_told(
    case: Case, set_up: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(case, set_up, monkeypatch)

    require_told(run("dlq", "list", "-e", "staging"), case.said, case.hint)


NETWORK = "check the network and the proxy"
TOKEN = sso('{"accessToken": "x", "expiresAt": "2099-01-01T00:00:00Z"}', "", config=OLD_SSO)
REFUSING = {
    "a role that is denied": (
        Case(config=ROLE, said=f"{THE_ROLE}AssumeRole: AccessDenied: because", hint=LOOK_AT_ROLE),
        (403, refusal("AccessDenied")),
    ),
    "a token that is refused": (TOKEN, (401, json_refusal("UnauthorizedException"))),
    "a page in place of credentials": (
        Case(config=ROLE, said=THE_ROLE, hint=LOOK_AT_ROLE),
        (200, b"<html>log in</html>"),
    ),
}


@pytest.mark.parametrize(("case", "answer"), REFUSING.values(), ids=REFUSING)
def test_who_gives_credentials_and_refuses_is_told(
    case: Case, answer: tuple[int, bytes], set_up: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(case, set_up, monkeypatch)
    with answering(*answer) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)

        require_told(run("dlq", "list", "-e", "staging"), case.said, case.hint)


ID = "7d1eea89-294a-5d6f-8bdc-73898d8ce9cc"
COMMANDS = [
    "publish", "publish --wait", "load", f"inspect {ID}", "logs", "submissions list", "submissions stuck",
    f"submissions show {ID}", "submissions republish --abandoned --yes", "subscribers", "subscribers test",
    "subscribers backfill analytics --since 1d --yes",
    "dlq list", f"dlq show {ID}", "dlq export letters.jsonl", "dlq export --scheduled folder", "dlq redrive --yes",
    "dlq redrive --engine lambda --yes", "dlq replay --yes", "dlq discard --yes", f"dlq edit {ID}", "status", "verify",
    "verify --wait 1s", "diagnose not-processed", "diagnose errors", "diagnose duplicates", "diagnose cost",
    "migrate --yes", "migrate --status", "deploy --yes", "twilio reconcile", "twilio route", "twilio cutover --to stack",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_ends_so(command: str, set_up: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES["a code that nobody can type"]
    write(case, set_up, monkeypatch)

    result = run(*command.split(), "-e", "staging")

    assert result.exit_code == 2
    assert case.said in result.stderr
    assert case.hint in result.stderr.splitlines()[-1]
    assert "unexpected" not in result.stderr
    assert "not confirmed" not in result.stderr


@pytest.mark.parametrize("name", ["config", "credentials"])
def test_a_file_that_is_there_and_cannot_be_read_is_named(
    name: str, set_up: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """boto3 takes it for an empty one."""
    (set_up / name).mkdir()
    monkeypatch.setenv("AWS_PROFILE", "p")

    result = run("dlq", "list", "-e", "staging")

    assert result.exit_code == 2
    assert f"~/.aws/{name} cannot be read" in result.stderr


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
def test_keys_that_no_header_takes_are_told_and_not_printed(
    variable: str, set_up: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", variable: "hush\n"}
    write(Case(said="", hint="", environ=keys, profile=None), set_up, monkeypatch)
    with answering(200, b"") as url:
        result = run("dlq", "list", "-e", "staging", "--endpoint-url", url, "--region", "eu-west-1")

    require_told(result, UNSIGNED, LOOK_AT_KEYS)


@pytest.mark.usefixtures("no_name_resolves")
@pytest.mark.parametrize(
    "case", [Case(config=ROLE, said=THE_ROLE, hint=NETWORK), replace(TOKEN, hint=NETWORK)]
)
def test_who_gives_credentials_and_is_not_reached_is_no_wrong_setting(
    case: Case, set_up: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(case, set_up, monkeypatch)

    require_told(run("dlq", "list", "-e", "staging"), case.said, case.hint)


def test_a_region_that_boto3_knows_is_not_blamed_for_the_network(
    set_up: Path, run: Run, monkeypatch: pytest.MonkeyPatch, no_name_resolves: None
) -> None:
    write(Case(config=f"{P}{KEYS}", said="", hint=""), set_up, monkeypatch)

    result = run("dlq", "list", "-e", "staging")

    assert result.exit_code == 1
    assert "AWS was not reached" in result.stderr


def test_a_login_that_ran_out_names_its_profile(
    set_up: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(CASES["half a token"], set_up, monkeypatch)

    result = run("dlq", "list", "-e", "staging")

    assert result.stderr.endswith("hint: log in again: aws sso login --profile p\n")
