"""Whether AWS may have done a call that failed: judged for every attempt, since boto3 raises the last one's end alone."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import urllib3
from botocore import exceptions as boto

if TYPE_CHECKING:
    from botocore.client import BaseClient

CREDENTIALS_REFUSED = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "InvalidSignature",
        "InvalidSignatureException",
        "InvalidToken",
        "InvalidTokenException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotSignedUp",
        "OptInRequired",
        "RequestExpired",
        "RequestInTheFuture",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
        "UnauthorizedException",
        "UnrecognizedClientException",
    }
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
CERTAIN = CREDENTIALS_REFUSED | DENIED | THROTTLED
"""Refusals that come before anything is done, whatever HTTP status they have."""
FULL = ("LimitExceeded", "OverLimit")
"""How codes end that SNS and SQS send with 403, too: they are about a limit, not about who asks."""
TIMED_OUT = frozenset({"RequestTimeout", "RequestTimeoutException"})
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
NOT_SENT: tuple[type[Exception], ...] = (
    boto.EndpointConnectionError,
    boto.ConnectTimeoutError,
    boto.ProxyConnectionError,
    boto.ParamValidationError,
    boto.NoRegionError,
    boto.ProfileNotFound,
    *NO_CREDENTIALS,
)
REFUSED_CALLER = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
JSON = ("json", "rest-json")
BEGINNING = 500
PARSERS = "botocore.parsers"


class AnswerUnreadable(boto.BotoCoreError):
    """A success that the service did not write. Of one that is not JSON, botocore would make an empty answer."""

    fmt = "the answer cannot be read: {answer!r}"


class _Call(threading.local):
    """What a thread's call came to so far."""

    is_unclear = False


call = _Call()


def hear_attempts(client: BaseClient) -> None:
    """Note in `call` how each attempt of this client ends, and raise AnswerUnreadable for what is no answer."""
    events, model = client.meta.events, client.meta.service_model
    events.register("response-received", _note)
    protocol = getattr(model, "resolved_protocol", model.protocol)
    if protocol in JSON:
        events.register("response-received", _require_json)
    if protocol == "query":
        events.register("response-received", _require_its_xml)


def may_be_done(exc: BaseException) -> bool:
    """Tell whether AWS may have done what failed with this: only a refusal, or a request that never left, is certain."""
    if not isinstance(exc, boto.ClientError):
        return not was_not_sent(exc)
    code, status = error_code(exc), _status(exc.response)
    is_refusal = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    is_timeout = status == HTTPStatus.REQUEST_TIMEOUT or code in TIMED_OUT
    return code not in CERTAIN and (is_timeout or not is_refusal)


def is_refused_caller(exc: boto.ClientError) -> bool:
    """Tell whether AWS refused who asks, by a code that nobody listed: HTTP has statuses for that."""
    return _status(exc.response) in REFUSED_CALLER and is_awss(exc) and not error_code(exc).endswith(FULL)


def is_awss(exc: boto.ClientError) -> bool:
    """Tell whether the refusal has a code of AWS's: what stands between has a status at most, which botocore takes for one."""
    code = error_code(exc)
    return code != "Unknown" and not code.isdigit()


def may_be_done_in_batch(failed: Mapping[str, Any]) -> bool:
    """Tell the same of one entry that a batch's answer calls failed."""
    return not failed.get("SenderFault") and failed.get("Code") not in CERTAIN


def was_not_sent(exc: BaseException) -> bool:
    """Tell whether no request left: of TLS failures, only a distrusted certificate is certain to come before it."""
    if isinstance(exc, boto.SSLError):
        return any(isinstance(one, ssl.SSLCertVerificationError) for one in _causes(exc))
    return isinstance(exc, NOT_SENT)


def is_unreadable(exc: BaseException) -> bool:
    """Tell whether botocore failed to read an answer: its parsers raise errors of their own, and Python's; urllib3's come
    through where the error of a streaming operation is cut short."""
    if isinstance(exc, urllib3.exceptions.HTTPError):
        return True
    frame = exc.__traceback__
    while frame is not None:
        if frame.tb_frame.f_globals.get("__name__") == PARSERS:
            return True
        frame = frame.tb_next
    return False


def error_code(exc: boto.ClientError) -> str:
    return str(exc.response.get("Error", {}).get("Code", "Unknown"))


def _note(
    *, exception: Exception | None = None, parsed_response: Mapping[str, Any] | None = None, **_: object
) -> None:
    is_answer = parsed_response is not None and _status(parsed_response) < HTTPStatus.MULTIPLE_CHOICES
    if exception is not None or not is_answer:
        ended = exception or boto.ClientError(parsed_response or {}, "")  # type: ignore[arg-type]  # a TypedDict
        call.is_unclear |= may_be_done(ended)


def _require_json(
    *,
    parsed_response: Mapping[str, Any] | None = None,
    response_dict: Mapping[str, Any] | None = None,
    **_: object,
) -> None:
    body = (response_dict or {}).get("body")
    if not isinstance(body, bytes) or not body or set(parsed_response or {}) != {"ResponseMetadata"}:
        return
    try:
        json.loads(body)
    except ValueError:
        raise AnswerUnreadable(answer=body[:60].decode("utf-8", "replace")) from None


def _require_its_xml(
    *,
    event_name: str = "",
    parsed_response: Mapping[str, Any] | None = None,
    response_dict: Mapping[str, Any] | None = None,
    **_: object,
) -> None:
    """Where an operation gives nothing, botocore takes any XML for its answer, a login page's too."""
    body = (response_dict or {}).get("body")
    is_empty = set(parsed_response or {}) == {"ResponseMetadata"}
    wanted = f"<{event_name.rpartition('.')[2]}Response".encode()
    if is_empty and isinstance(body, bytes) and wanted not in body[:BEGINNING]:
        raise AnswerUnreadable(answer=body[:60].decode("utf-8", "replace"))


def _status(response: Mapping[str, Any]) -> int:
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


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
