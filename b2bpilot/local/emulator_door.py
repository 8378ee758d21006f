"""The emulator's front door. ministack answers every host, every web page (CORS `*`) and every access key."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from xml.sax.saxutils import escape

from b2bpilot.advice import our_command
from b2bpilot.local.door import holds_key, refusal

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

HEALTH = "/_ministack/health"
HTTP_API = "/_aws/execute-api/"
"""What the outside world calls: without a key, as on AWS. The webhook asks for Twilio's signature."""

ACCESS_KEY = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/,\s]+)/")


class Door:
    """`access_key_id` is the key: only the environment's own file holds it, and a request names it in clear. What is
    signed with it is not checked."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], access_key_id: str) -> None:
        self._app = app
        self._access_key_id = access_key_id

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an ASGI request, or refuse it."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        if scope["type"] == "http":
            headers = _headers(scope)
            if refused := self._refusal(scope["path"], headers):
                await _refuse(send, refused, as_json="json" in headers.get("content-type", ""))
                return
            send = _without_cors(send)
        await self._app(scope, receive, send)

    def _refusal(self, path: str, headers: Mapping[str, str]) -> str | None:
        if refused := refusal(headers.get):
            return refused
        if path == HEALTH or path.startswith(HTTP_API):
            return None
        named = ACCESS_KEY.match(headers.get("authorization", ""))
        if named and holds_key(self._access_key_id, named[1]):
            return None
        return "the access key is not this local environment's; it is in " + str(
            our_command("local", "status")
        )


def _headers(scope: Scope) -> dict[str, str]:
    """Of a name that comes twice, the first is what the checks see; only a browser's own headers matter to them."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return found


def _without_cors(send: Send) -> Send:
    async def without(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [
                (name, value)
                for name, value in message.get("headers", ())
                if not name.lower().startswith(b"access-control-")
            ]
            message = {**message, "headers": kept}
        await send(message)

    return without


async def _refuse(send: Send, reason: str, *, as_json: bool) -> None:
    """In the words of AWS, so that every client shows the reason."""
    code = "InvalidClientTokenId"
    if as_json:
        content_type, body = "application/x-amz-json-1.1", json.dumps({"__type": code, "message": reason})
    else:
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(reason)}</Message></Error>"
        content_type, body = "text/xml", f"<ErrorResponse>{error}</ErrorResponse>"
    data = body.encode()
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(data)).encode()),
        (b"x-amzn-errortype", code.encode()),
    ]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": data})
