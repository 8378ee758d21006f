"""boto3's exceptions in our words. Every seam calls AWS inside `translated`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as boto

from b2bpilot.aws.attempts import (
    CREDENTIALS_REFUSED,
    DENIED,
    NO_CREDENTIALS,
    THROTTLED,
    call,
    error_code,
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
CREDENTIALS_HINT = "log in (`aws sso login`, `aws configure`), or name other credentials with --profile"
ENDPOINT_HINT = "check the network, --region and --endpoint-url"
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
    except boto.ClientError as exc:
        raise _settled(_refusal(exc, action, otherwise), action, otherwise) from exc
    except (boto.BotoCoreError, boto.HTTPClientError) as exc:
        raise _settled(_client_side(exc, action, otherwise), action, otherwise) from exc
    except Exception as exc:
        if not is_unreadable(exc):
            raise
        raise _unclear(exc, action, otherwise) from exc
    finally:
        call.is_unclear = before


def error_message(exc: boto.ClientError) -> str:
    return _one_line(str(exc.response.get("Error", {}).get("Message", "")) or "no reason given")


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
    if code in CREDENTIALS_REFUSED:
        return CredentialsMissing(f"AWS refused the credentials ({code}): {message}", hint=CREDENTIALS_HINT)
    if code in THROTTLED:
        return AwsThrottled(f"AWS throttled {action}: {message}", hint="try again, or more slowly")
    if may_be_done(exc) and _changes(action):
        return otherwise(f"{action} failed: {code}: {message}; {DOUBT}", is_unknown=True)
    return otherwise(f"{action} failed: {code}: {message}")


def _client_side(
    exc: boto.BotoCoreError | boto.HTTPClientError, action: str, otherwise: type[AwsError]
) -> PilotError:
    text = _one_line(str(exc))
    if isinstance(exc, boto.NoRegionError | boto.ProfileNotFound):
        return _setting(exc)
    if isinstance(exc, NO_CREDENTIALS):
        are_none = isinstance(exc, boto.NoCredentialsError)
        said = "no AWS credentials were found" if are_none else f"the AWS credentials cannot be used: {text}"
        return CredentialsMissing(said, hint=CREDENTIALS_HINT)
    if isinstance(exc, boto.ParamValidationError):
        return otherwise(f"{action} failed: {text}")
    if was_not_sent(exc):
        return AwsUnreachable(f"{action}: AWS was not reached: {text}", hint=ENDPOINT_HINT)
    if isinstance(exc, boto.ConnectionClosedError | boto.HTTPClientError | boto.SSLError):
        unclear = AwsUnreachable if otherwise is AwsError else otherwise
        return _unanswered(f"{action}: no answer", text, action, unclear)
    return _unclear(exc, action, otherwise)


def _unclear(exc: Exception, action: str, otherwise: type[AwsError]) -> AwsError:
    return _unanswered(f"{action} failed", _one_line(str(exc)) or type(exc).__name__, action, otherwise)


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
        return SettingsInvalid("no AWS region is set", hint="name one with --region or AWS_REGION")
    return SettingsInvalid(
        f"AWS profile {exc.kwargs['profile']!r} does not exist",
        hint="`aws configure list-profiles` names yours",
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
