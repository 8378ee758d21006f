"""The double as a server on a loopback port, and its back door: `POST /_double/...` is for whoever plays the outside world."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, assert_never
from urllib.parse import parse_qsl, urlsplit

from b2bpilot.local.door import refusal
from b2bpilot.local.twilio import resources
from b2bpilot.local.twilio.api import answer
from b2bpilot.local.twilio.delivery import DoubleDelivery
from b2bpilot.local.twilio.faults import Fault, Faults, PlannedFault
from b2bpilot.local.twilio.request import DoubleAccount, DoubleRequest, Refusal
from b2bpilot.local.twilio.sending import OPTED_OUT
from b2bpilot.local.twilio.store import UNLISTED, Resource, ResourceStore, StoredResource
from b2bpilot.pipeline.several_values import parameters

BACK_DOOR = "/_double/"
POLL_SECONDS = 0.05
PAGE = b"<html><body><h1>Bad Gateway</h1></body></html>"


def _now() -> datetime:
    return datetime.now(UTC)


class TwilioDouble(ThreadingHTTPServer):
    """One account. Its state is in `store`; `stop` leaves the file for the next one."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        account: DoubleAccount,
        *,
        path: Path | None = None,
        clock: Callable[[], datetime] = _now,
        port: int = 0,
    ) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.account = account
        self.store = ResourceStore(path or ":memory:")
        self.faults = Faults()
        self.clock = clock
        self.redacts = False
        self.service_first = False
        self.late: list[threading.Timer] = []
        self.requests: list[str] = []
        """Every `METHOD /product/path` that was asked for, without queries: those hold numbers."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def start(self) -> None:
        threading.Thread(
            target=self.serve_forever,
            name="twilio double",
            kwargs={"poll_interval": POLL_SECONDS},
            daemon=True,
        ).start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        for each in self.late:
            each.cancel()
            each.join()
        self.store.close()

    def do_what_is_late(self) -> None:
        """Do at once what was answered by nothing and is to be done later."""
        for each in self.late:
            if not each.finished.is_set():
                each.cancel()
                each.function(*each.args)

    def receive(
        self,
        params: Mapping[str, str],
        *,
        at: datetime | None = None,
        deliver: bool = True,
        is_receiving: bool = False,
    ) -> bool:
        """Let a message come in from the outside; returns whether a webhook took it."""
        return self._delivery().receive(
            params, at=at or self.clock(), deliver=deliver, is_receiving=is_receiving
        )

    def report(self, message_sid: str, state: str, url: str) -> bool:
        """Tell a status callback what became of a message that was sent; returns whether it was taken."""
        return self._delivery().report(message_sid, state, url, at=self.clock())

    def _delivery(self) -> DoubleDelivery:
        return DoubleDelivery(
            store=self.store,
            account_sid=self.account.sid,
            auth_token=self.account.auth_token,
            redacts=self.redacts,
            service_first=self.service_first,
        )

    def redact(self, message_sid: str) -> None:
        """Take the text of one message away, as an empty `Body` written to it does, a while after it came."""
        now = resources.rfc2822(self.clock())
        self.store.change("message", message_sid, {"body": "", "date_updated": now})

    def decide_by_service(self, *, first: bool) -> None:
        """Let a Messaging Service decide before an application, or after it."""
        self.service_first = first

    def hide(self, sid: str) -> None:
        """Leave it out of every list; by its SID it is there."""
        self.store.put([StoredResource(kind=UNLISTED, sid=sid, at=0, document={})])

    def set_status(self, status: str) -> None:
        """Make the account active, suspended or closed."""
        self.account = replace(self.account, status=status)

    def add_number(self, phone_number: str, sms_url: str) -> str:
        """Buy a number; returns its SID."""
        entry = resources.number(self.account.sid, phone_number, at=self.clock(), sms_url=sms_url)
        self.store.put([entry])
        return entry.sid

    def redact_from_now_on(self, *, on: bool) -> None:
        """Redact what comes in from now on, in messages and in alerts, or do so no more."""
        self.redacts = on

    def opt_out(self, number: str) -> None:
        """Let a number have answered STOP."""
        self.store.put([StoredResource(kind=OPTED_OUT, sid=number, at=0, document={})])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent about clients that have gone."""


class Handler(BaseHTTPRequestHandler):
    server: TwilioDouble
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def do_DELETE(self) -> None:
        self._handle("DELETE")

    def _handle(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        path = urlsplit(self.path).path
        if refused := refusal(self.headers.get):
            self._send(HTTPStatus.FORBIDDEN, {"message": refused})
            return
        if path.startswith(BACK_DOOR):
            self._send(*self._back_door(path.removeprefix(BACK_DOOR), body))
            return
        self.server.requests.append(f"{method} {path}")
        planned = self.server.faults.next(method, path)
        request = self._request(method, path, body)
        if planned is None:
            self._send(*self._answer(request))
            return
        self._fail(planned, request)

    def _fail(self, planned: PlannedFault, request: DoubleRequest) -> None:
        match planned.fault:
            case Fault.REFUSE:
                refusal = Refusal(planned.status, planned.code, HTTPStatus(planned.status).phrase)
                self._send(planned.status, refusal.document())
            case Fault.PAGE:
                self._write(planned.status, PAGE, "text/html")
            case Fault.LATE:
                self.close_connection = True
                timer = threading.Timer(planned.seconds, self._answer, [request])
                self.server.late.append(timer)
                timer.start()
            case Fault.STALE:
                status, document = self._answer(request)
                self._send(status, self.server.store.as_before(document))
            case Fault.LAG:
                self._send(*self._answer(replace(request, lag=timedelta(seconds=planned.seconds))))
            case Fault.CUT | Fault.GARBAGE | Fault.DROP:
                self._send(*self._answer(request), fault=planned.fault)
            case _:
                assert_never(planned.fault)

    def _request(self, method: str, path: str, body: str) -> DoubleRequest:
        return DoubleRequest(
            method=method,
            path=path,
            query=dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True)),
            form=dict(parse_qsl(body, keep_blank_values=True)),
            credentials=_credentials(self.headers.get("Authorization", "")),
        )

    def _answer(self, request: DoubleRequest) -> tuple[int, Resource]:
        server = self.server
        try:
            return answer(server.store, server.account, request, now=server.clock(), redacts=server.redacts)
        except Refusal as refusal:
            return refusal.status, refusal.document()

    def _back_door(self, name: str, body: str) -> tuple[int, Resource]:
        account = self.server.account
        if _credentials(self.headers.get("Authorization", "")) != (account.sid, account.auth_token):
            return HTTPStatus.UNAUTHORIZED, {"message": "the back door asks for the account, too"}
        orders: dict[str, Callable[[Any], Resource | None]] = {
            "inbound": lambda order: {"taken": [self._receive(each) for each in order["messages"]]},
            "faults": lambda order: self.server.faults.plan(
                PlannedFault(**{**order, "fault": Fault(order["fault"])})
            ),
            "opt_out": lambda order: self.server.opt_out(order["number"]),
            "report": lambda order: {"taken": self.server.report(**order)},
            "redaction": lambda order: self.server.redact_from_now_on(on=order["on"]),
            "number": lambda order: {"sid": self.server.add_number(**order)},
            "no_number": lambda order: self.server.store.remove("number", order["sid"]),
            "change": lambda order: self.server.store.change(**order),
            "hide": lambda order: self.server.hide(order["sid"]),
            "order": lambda order: self.server.decide_by_service(first=order["service_first"]),
        }
        if name not in orders:
            return 404, {}
        return 200, orders[name](json.loads(body or "{}")) or {}

    def _receive(self, message: Mapping[str, Any]) -> bool:
        at = datetime.fromisoformat(message["at"]) if message.get("at") else None
        params = parameters((name, value) for name, value in message["pairs"]) if "pairs" in message else None
        return self.server.receive(
            params or message["params"],
            at=at,
            deliver=message.get("deliver", True),
            is_receiving=message.get("is_receiving", False),
        )

    def _send(self, status: int, document: Resource, *, fault: Fault | None = None) -> None:
        data = json.dumps(document).encode()
        self.close_connection = fault is not None
        if fault is Fault.DROP:
            return
        if fault is Fault.GARBAGE:
            data = data[: len(data) // 2]
        self._write(status, data, "application/json", cut=fault is Fault.CUT)

    def _write(self, status: int, data: bytes, content_type: str, *, cut: bool = False) -> None:
        """A 204 has no body."""
        if status == HTTPStatus.NO_CONTENT:
            data = b""
        self.send_response(status)
        if data:
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        with contextlib.suppress(OSError):
            self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # named by http.server
        """Stay silent: URLs hold phone numbers."""


def _credentials(header: str) -> tuple[str, str]:
    try:
        user, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return user, password
