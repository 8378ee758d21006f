"""Trouble on the way to credentials, told as that: boto3 gets them on the way to a call, and raises what stopped it as the
call's own end, or as an error of Python's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from botocore import exceptions as boto

from b2bpilot.errors import CredentialsMissing

HINT = "log in (`aws sso login`, `aws configure`), or name other credentials with --profile"
TERMINAL = Path("/dev/tty")
MODULES = frozenset({"botocore.credentials", "botocore.tokens"})
SIGNING = frozenset({"botocore.auth", "botocore.crt.auth"})
UNSENDABLE = (ValueError, UnicodeEncodeError)
"""What Python raises for a header that cannot be sent: of all headers, only those with keys are not written here."""
FILES = (("AWS_CONFIG_FILE", "~/.aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"))
NETWORK = "check the network and the proxy: what provides these credentials was not reached"
NOT_REACHED = (boto.ConnectionError, boto.ConnectTimeoutError, boto.HTTPClientError)
ROLES = ("assume-role", "assume-role-with-web-identity")
LOGINS = {"sso": "aws sso login", "login": "aws login"}
KEYS = "look at aws_access_key_id and aws_secret_access_key, or log in with `aws configure`"
ANY_KEYS = "look at AWS_ACCESS_KEY_ID and its like, and at the keys in ~/.aws: `aws configure` writes them"
SOURCES = {
    "env": ("the variables", "set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither"),
    "shared-credentials-file": ("the credentials file", KEYS),
    "config-file": ("the config file", KEYS),
    "custom-process": (
        "credential_process",
        "run the program of credential_process by hand: it must print JSON with Version, AccessKeyId and SecretAccessKey",
    ),
    "assume-role": ("the role", "look at role_arn, source_profile, credential_source and mfa_serial in ~/.aws/config"),
    "assume-role-with-web-identity": (
        "the web identity",
        "look at AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, or at the profile's web_identity_token_file and role_arn",
    ),
    "container-role": (
        "the container's credentials",
        "look at AWS_CONTAINER_CREDENTIALS_FULL_URI and AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    ),
    "iam-role": ("the instance's metadata", "look at the instance's role, and at the AWS_EC2_METADATA variables"),
}  # fmt: skip
"""By boto3's name of the way: what it is called here, and what to do."""


class MfaWithoutTerminal(boto.BotoCoreError):
    """The role wants a code, and nobody can be asked for it."""

    fmt = "it wants an MFA code, and there is no terminal to ask for it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The way to credentials that failed: boto3's name of it and the profile's, as far as they are known."""

    method: str = ""
    profile: str = ""


def ask_for_mfa_code(prompt: str) -> str:
    """Ask at the terminal. Without one, Python would take the code from stdin, which may hold something else."""
    import getpass

    try:
        TERMINAL.open("rb").close()
    except OSError:
        raise MfaWithoutTerminal from None
    return getpass.getpass(prompt)


def way_of(exc: BaseException) -> Way | None:
    """Return the way to credentials on which this was raised; None where it was raised elsewhere."""
    owners = list(_owners(exc))
    if not owners:
        return None
    methods = (getattr(one, "METHOD", None) or getattr(one, "method", None) for one in reversed(owners))
    profiles = (getattr(one, "_profile_name", None) for one in reversed(owners))
    return Way(
        method=next((str(one) for one in methods if one), ""),
        profile=next((str(one) for one in profiles if one), ""),
    )


def refused(exc: BaseException, way: Way) -> CredentialsMissing:
    """Say why there are no credentials, and what to do."""
    name, hint = _told(way, exc)
    return CredentialsMissing(
        ": ".join(part for part in ("the AWS credentials cannot be used", name, _reason(exc, way)) if part),
        hint=hint,
    )


def unusable_keys(exc: BaseException) -> CredentialsMissing | None:
    """Say so of keys with which no request can be signed or sent; None where it is something else. The error's text may
    hold them."""
    is_unsendable = isinstance(exc, boto.HTTPClientError) and type(exc.kwargs.get("error")) in UNSENDABLE
    is_unsigned = not isinstance(exc, boto.BotoCoreError | boto.ClientError) and SIGNING & set(_modules(exc))
    if not (is_unsendable or is_unsigned):
        return None
    return CredentialsMissing(
        "the AWS credentials cannot be used: no request can be made with them, a key is empty or not one line of plain text",
        hint=ANY_KEYS,
    )


def missing(exc: Exception, text: str) -> CredentialsMissing:
    """Say what boto3 found missing once it had looked everywhere."""
    if isinstance(exc, boto.NoCredentialsError):
        found = f"{_half_a_pair()}{unreadable_files()}"
        return CredentialsMissing(f"no AWS credentials were found{found}", hint=HINT)
    return CredentialsMissing(f"the AWS credentials cannot be used: {text}", hint=HINT)


def _half_a_pair() -> str:
    """boto3 looks at no other variable where the first one is not set."""
    key, secret = (os.environ.get(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    return "; AWS_SECRET_ACCESS_KEY is set and AWS_ACCESS_KEY_ID is not" if secret and not key else ""


def unreadable_files() -> str:
    """Name the files of boto3's that cannot be read, or that a variable names in vain: it takes them for empty."""
    found = [
        f"{path}{f' ({variable})' if named else ''} cannot be read ({why})"
        for variable, usual in FILES
        for named in (os.environ.get(variable),)
        for path in (Path(named or usual),)
        for why in (_unreadable(path, is_named=bool(named)),)
        if why
    ]
    return f"; {', '.join(found)}" if found else ""


def _unreadable(path: Path, *, is_named: bool) -> str | None:
    """Nobody needs the usual files to be there."""
    try:
        path.expanduser().open("rb").close()
    except FileNotFoundError as exc:
        return exc.strerror if is_named else None
    except (OSError, RuntimeError) as exc:
        return exc.strerror if isinstance(exc, OSError) else None
    return None


def _owners(exc: BaseException) -> Iterator[object]:
    """Yield the objects whose methods the exception came through, the outermost first; None for a plain function."""
    frame = exc.__traceback__
    while frame is not None:
        if frame.tb_frame.f_globals.get("__name__") in MODULES:
            yield frame.tb_frame.f_locals.get("self")
        frame = frame.tb_next


def _modules(exc: BaseException) -> Iterator[str]:
    frame = exc.__traceback__
    while frame is not None:
        yield str(frame.tb_frame.f_globals.get("__name__"))
        frame = frame.tb_next


def _told(way: Way, exc: BaseException) -> tuple[str, str]:
    name, hint = _named(way, exc)
    is_network = isinstance(exc, NOT_REACHED) and way.method in {*LOGINS, *ROLES}
    return name, NETWORK if is_network else hint


def _named(way: Way, exc: BaseException) -> tuple[str, str]:
    if login := LOGINS.get(way.method):
        profile = f" --profile {way.profile}" if way.profile not in ("", "default") else ""
        if isinstance(exc, boto.InvalidConfigError):
            return (
                "the login",
                "look at the sso_ settings of the profile in ~/.aws/config, or run `aws configure sso`",
            )
        if not way.profile:
            profile = ", with --profile where the profile is not the default one"
        return "the login", f"log in again: {login}{profile}"
    if isinstance(exc, MfaWithoutTerminal | EOFError):
        return "the role", "run it at a terminal, or name a profile with credentials that need no code"
    return SOURCES.get(way.method, ("", "check the AWS_ variables and ~/.aws/config"))


def _reason(exc: BaseException, way: Way) -> str:
    match exc:
        case boto.ClientError():
            error = exc.response.get("Error", {})
            text = f"{exc.operation_name}: {error.get('Code', 'Unknown')}: {error.get('Message', '')}"
        case boto.CredentialRetrievalError() | boto.TokenRetrievalError():
            text = str(exc.kwargs.get("error_msg", exc)).strip() or "it failed and gave no reason"
        case boto.BotoCoreError() | boto.HTTPClientError() | RuntimeError():
            text = str(exc)
        case OSError() if exc.filename:
            text = f"{exc.filename}: {exc.strerror}"
        case EOFError():
            text = "no MFA code was typed"
        case _ if way.method in LOGINS:
            text = "its token in ~/.aws cannot be read"
        case _:
            text = f"what it gives cannot be read ({exc or type(exc).__name__})"
    return _one_line(text)


def _one_line(text: str) -> str:
    return " ".join(text.split())
