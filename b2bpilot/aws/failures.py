"""boto3's exceptions in our words. Every seam calls AWS inside `translated`."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as boto

from b2bpilot.errors import (
    AwsDenied,
    AwsError,
    AwsThrottled,
    AwsUnreachable,
    CredentialsMissing,
    PilotError,
    SettingsInvalid,
)

DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        "UnauthorizedOperation",
    }
)
CREDENTIALS_REFUSED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
READS = ("Describe", "Filter", "Get", "List", "Simulate")
"""How the actions begin that change nothing."""
THROTTLED = frozenset(
    {
        "RequestLimitExceeded",
        "RequestThrottled",
        "Throttled",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
NO_CREDENTIALS: tuple[type[Exception], ...] = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    *(
        getattr(boto, name)
        for name in ("TokenRetrievalError", "SSOError", "LoginError")
        if hasattr(boto, name)
    ),
)
"""Lambda brings a botocore of AWS's choice: an older one lacks the last ones, and the functions must start all the same."""
NOT_SENT = (boto.EndpointConnectionError, boto.ConnectTimeoutError, boto.ProxyConnectionError)
CREDENTIALS_HINT = "log in (`aws sso login`, `aws configure`), or name other credentials with --profile"
ENDPOINT_HINT = "check the network, --region and --endpoint-url"


@contextmanager
def translated(action: str, *, otherwise: type[AwsError] = AwsError) -> Iterator[None]:
    """Turn botocore's errors into ours. `action` is the IAM action, such as `sns:Publish`.

    `otherwise` is raised for what AWS refused, and where nobody can tell whether AWS did it.
    """
    try:
        yield
    except boto.ClientError as exc:
        raise _refusal(exc, action, otherwise) from exc
    except (boto.BotoCoreError, boto.HTTPClientError) as exc:
        raise _client_side(exc, action, otherwise) from exc


def error_code(exc: boto.ClientError) -> str:
    return str(exc.response.get("Error", {}).get("Code", "Unknown"))


def error_message(exc: boto.ClientError) -> str:
    return _one_line(str(exc.response.get("Error", {}).get("Message", "")) or "no reason given")


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
    return otherwise(f"{action} failed: {code}: {message}")


def _client_side(
    exc: boto.BotoCoreError | boto.HTTPClientError, action: str, otherwise: type[AwsError]
) -> PilotError:
    text = _one_line(str(exc))
    if isinstance(exc, boto.NoRegionError | boto.ProfileNotFound):
        return _setting(exc)
    if isinstance(exc, boto.NoCredentialsError):
        return CredentialsMissing("no AWS credentials were found", hint=CREDENTIALS_HINT)
    if isinstance(exc, NO_CREDENTIALS):
        return CredentialsMissing(f"the AWS credentials cannot be used: {text}", hint=CREDENTIALS_HINT)
    if was_not_sent(exc):
        return AwsUnreachable(f"{action}: AWS was not reached: {text}", hint=ENDPOINT_HINT)
    if isinstance(exc, boto.ConnectionClosedError | boto.HTTPClientError | boto.SSLError):
        unclear = AwsUnreachable if otherwise is AwsError else otherwise
        doubt = "" if _only_reads(action) else ", so nobody knows whether AWS did it"
        return unclear(f"{action}: no answer{doubt}: {text}", hint=ENDPOINT_HINT)
    return otherwise(f"{action} failed: {text}")


def was_not_sent(exc: BaseException | None) -> bool:
    """Tell whether no request left: of TLS failures, only a distrusted certificate is certain to come before it."""
    if isinstance(exc, boto.SSLError):
        return any(isinstance(one, ssl.SSLCertVerificationError) for one in _causes(exc))
    return isinstance(exc, NOT_SENT)


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what it came from; botocore and urllib3 keep it in an argument, too."""
    waiting: list[object] = [exc]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            kept = getattr(one, "kwargs", {}).get("error")
            waiting += [one.__cause__, one.__context__, kept, getattr(one, "reason", None), *one.args]


def _only_reads(action: str) -> bool:
    return action.partition(":")[2].startswith(READS)


def _setting(exc: boto.NoRegionError | boto.ProfileNotFound) -> SettingsInvalid:
    if isinstance(exc, boto.NoRegionError):
        return SettingsInvalid("no AWS region is set", hint="name one with --region or AWS_REGION")
    return SettingsInvalid(
        f"AWS profile {exc.kwargs['profile']!r} does not exist",
        hint="`aws configure list-profiles` names yours",
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
