"""boto3's exceptions in our words. Every seam calls AWS inside `translated`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as boto

from b2bpilot.aws import credentials, regions, signature
from b2bpilot.aws.attempts import (
    CREDENTIALS_REFUSED,
    DENIED,
    NO_CREDENTIALS,
    THROTTLED,
    AnswerUnreadable,
    call,
    error_code,
    is_awss,
    is_refused_caller,
    is_unreadable,
    may_be_done,
    was_not_sent,
)
from b2bpilot.errors import (
    AwsDenied,
    AwsError,
    AwsThrottled,
    AwsUnreachable,
    CredentialsMissing,
    PilotError,
    SettingsInvalid,
)

READS = ("Describe", "Filter", "Get", "List", "Simulate")
"""How the actions begin that change nothing."""
ENDPOINT_HINT = "check the network, --region and --endpoint-url"
FOREIGN_HINT = (
    "a proxy or another service may have answered: check the network, --endpoint-url and HTTPS_PROXY"
)
PROXY_HINT = "check the proxy that HTTPS_PROXY or HTTP_PROXY names, or leave the host out with NO_PROXY"
DOUBT = "nobody knows whether AWS did it"


@contextmanager
def translated(action: str, *, otherwise: type[AwsError] = AwsError) -> Iterator[None]:
    """Turn botocore's errors into ours, which say whether AWS may have done it. `action` is the IAM action, such as
    `sns:Publish`.

    `otherwise` is raised for what AWS refused, and where nobody can tell whether AWS did it.
    """
    before, call.is_unclear = call.is_unclear, False
    try:
        yield
    except Exception as exc:
        error = _ours(exc, action, otherwise)
        if error is None:
            raise
        raise _settled(error, action, otherwise) from exc
    finally:
        call.is_unclear = before


def error_message(exc: boto.ClientError) -> str:
    return _one_line(str(exc.response.get("Error", {}).get("Message", "")) or "no reason given")


def _ours(exc: Exception, action: str, otherwise: type[AwsError]) -> PilotError | None:
    """Return our error for one of botocore's; None for what is not its."""
    if isinstance(exc, boto.NoRegionError | boto.ProfileNotFound):
        return _setting(exc)
    if unusable := credentials.unusable_keys(exc) or regions.not_reached(exc):
        return unusable
    if way := credentials.way_of(exc):
        return credentials.refused(exc, way)
    if isinstance(exc, boto.ClientError):
        return _refusal(exc, action, otherwise)
    if isinstance(exc, boto.BotoCoreError | boto.HTTPClientError):
        return _client_side(exc, action, otherwise)
    return _unreadable(exc, action, otherwise) if is_unreadable(exc) else None


def _settled(error: PilotError, action: str, otherwise: type[AwsError]) -> PilotError:
    """After an attempt without a clear answer, no later one makes sure that nothing was done."""
    if not isinstance(error, AwsError) or error.is_unknown or not call.is_unclear or not _changes(action):
        return error
    text = f"{action}: an attempt got no answer, so {DOUBT}; the last one: {error}"
    return otherwise(text, hint=error.hint, is_unknown=True)


def _refusal(exc: boto.ClientError, action: str, otherwise: type[AwsError]) -> AwsError:
    code, message = error_code(exc), error_message(exc)
    if code in DENIED:
        return AwsDenied(
            f"AWS denied {action}: {message}",
            hint=f"let the role or user {action}, or use another --profile",
            action=action,
        )
    if code in THROTTLED:
        return AwsThrottled(f"AWS throttled {action}: {message}", hint="try again later, or more slowly")
    if refused := _refused_caller(exc, action):
        return refused
    text = f"{action} failed: {code}: {message}" if is_awss(exc) else _foreign(exc, action)
    hint = None if is_awss(exc) else FOREIGN_HINT
    if may_be_done(exc) and _changes(action):
        return otherwise(f"{text}; {DOUBT}", hint=hint, is_unknown=True)
    return otherwise(text, hint=hint)


def _refused_caller(exc: boto.ClientError, action: str) -> CredentialsMissing | None:
    code, message = error_code(exc), error_message(exc)
    if wrongly_signed := signature.refusal(exc, code, message):
        return wrongly_signed
    if code in CREDENTIALS_REFUSED:
        return CredentialsMissing(f"AWS refused the credentials ({code}): {message}", hint=credentials.HINT)
    if not is_refused_caller(exc):
        return None
    return CredentialsMissing(
        f"AWS refused the caller of {action} ({code}): {message}",
        hint="see who that is with `aws sts get-caller-identity`, and name other credentials with --profile",
    )


def _foreign(exc: boto.ClientError, action: str) -> str:
    status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return f"{action} failed: HTTP {status}, with no code of AWS's: {error_message(exc)}"


def _client_side(
    exc: boto.BotoCoreError | boto.HTTPClientError, action: str, otherwise: type[AwsError]
) -> PilotError:
    text = _one_line(str(exc)) or type(exc).__name__
    if isinstance(exc, NO_CREDENTIALS):
        return credentials.missing(exc, text)
    if isinstance(exc, boto.ParamValidationError):
        return otherwise(f"{action} failed: {text}")
    if was_not_sent(exc):
        hint = PROXY_HINT if isinstance(exc, boto.ProxyConnectionError) else ENDPOINT_HINT
        return AwsUnreachable(f"{action}: AWS was not reached: {text}", hint=hint)
    if isinstance(exc, boto.ConnectionClosedError | boto.HTTPClientError | boto.SSLError):
        return _unanswered(f"{action}: no answer", text, action, _silent(otherwise))
    if isinstance(exc, AnswerUnreadable):
        return _unreadable(exc, action, otherwise)
    return _unanswered(f"{action} failed", text, action, otherwise)


def _unreadable(exc: Exception, action: str, otherwise: type[AwsError]) -> AwsError:
    """Something answered, and not in the service's form: a proxy, a login page, half an answer."""
    text = _one_line(str(exc)) or type(exc).__name__
    return _unanswered(
        f"{action}: no answer of AWS's", f"it cannot be read ({text})", action, _silent(otherwise)
    )


def _silent(otherwise: type[AwsError]) -> type[AwsError]:
    return AwsUnreachable if otherwise is AwsError else otherwise


def _unanswered(what: str, text: str, action: str, kind: type[AwsError]) -> AwsError:
    is_unknown = _changes(action)
    doubt = f", so {DOUBT}" if is_unknown else ""
    return kind(f"{what}{doubt}: {text}", hint=ENDPOINT_HINT, is_unknown=is_unknown)


def _changes(action: str) -> bool:
    """Tell whether the action does more than read; what has no service's name before it calls nobody."""
    service, _, name = action.partition(":")
    return bool(service and name) and not name.startswith(READS)


def _setting(exc: boto.NoRegionError | boto.ProfileNotFound) -> SettingsInvalid:
    if isinstance(exc, boto.NoRegionError):
        return SettingsInvalid(
            f"no AWS region is set{credentials.unreadable_files()}",
            hint="name one with --region or AWS_REGION",
        )
    return SettingsInvalid(
        f"AWS profile {exc.kwargs['profile']!r} does not exist{credentials.unreadable_files()}",
        hint="`aws configure list-profiles` lists yours",
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
