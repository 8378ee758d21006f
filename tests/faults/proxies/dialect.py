"""How AWS and Twilio name a call, and how each says that it failed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from tests.faults.proxies.trouble import CallFault

INVOCATIONS = "/invocations"
HTTP_API = "/_aws/execute-api/"
"""Where the emulator has what API Gateway serves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)


class Dialect(Protocol):
    def operation(self, call: Call) -> str:
        """Return its name, as the vendor's documentation has it."""
        ...

    def failure(self, call: Call, fault: CallFault) -> Answer:
        """Return the answer of a call that was not done, or is said not to be."""
        ...


class Aws:
    """SNS and CloudFormation speak the query protocol, SQS and Secrets Manager JSON, Lambda REST."""

    def operation(self, call: Call) -> str:
        if target := call.headers.get("x-amz-target"):
            return target.rpartition(".")[2]
        if call.path.split("?")[0].endswith(INVOCATIONS):
            return f"Invoke {call.headers.get('x-amz-invocation-type', 'RequestResponse')}"
        if call.path.startswith("/2015-03-31/"):
            return f"Lambda {call.method}"
        if call.path.startswith(HTTP_API):
            return f"{call.method} webhook"
        form = parse_qs(call.body.decode("utf-8", "replace"))
        return form.get("Action", ["other"])[0]

    def failure(self, call: Call, fault: CallFault) -> Answer:
        rest = call.path.startswith("/2015-03-31/")
        status, code = _aws_error(fault, rest=rest)
        if "x-amz-target" in call.headers:
            document = {"__type": f"com.amazonaws#{code}", "message": "injected"}
            more = (("x-amzn-query-error", f"{code};Sender"),)
            return _json(status, document, "application/x-amz-json-1.0", more)
        if rest:
            document = {"Type": "User", "message": "injected", "Message": "injected"}
            return _json(status, document, "application/json", (("x-amzn-ErrorType", code),))
        text = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>injected</Message></Error>"
            "<RequestId>injected</RequestId></ErrorResponse>"
        )
        return Answer(status=status, headers=(("Content-Type", "text/xml"),), body=text.encode())


def _aws_error(fault: CallFault, *, rest: bool) -> tuple[int, str]:
    match fault:
        case CallFault.THROTTLED:
            return (429, "TooManyRequestsException") if rest else (400, "ThrottlingException")
        case CallFault.DENIED:
            return 403, "AccessDeniedException" if rest else "AccessDenied"
        case CallFault.UNAVAILABLE:
            return 503, "ServiceUnavailable"
        case _:
            return 500, "InternalError"


class Twilio:
    def operation(self, call: Call) -> str:
        return f"{call.method} {urlsplit(call.path).path.rpartition('/')[2]}"

    def failure(self, call: Call, fault: CallFault) -> Answer:
        status, code = _twilio_error(fault)
        document = {"code": code, "message": "injected", "status": status}
        return _json(status, document, "application/json")


def _twilio_error(fault: CallFault) -> tuple[int, int]:
    match fault:
        case CallFault.THROTTLED:
            return 429, 20429
        case CallFault.DENIED:
            return 401, 20003
        case CallFault.UNAVAILABLE:
            return 503, 20503
        case _:
            return 500, 20500


def _json(
    status: int, document: Mapping[str, object], content_type: str, more: tuple[tuple[str, str], ...] = ()
) -> Answer:
    headers = (("Content-Type", content_type), *more)
    return Answer(status=status, headers=headers, body=json.dumps(document).encode())
