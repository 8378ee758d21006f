"""Dead letters with something odd in them: any JSON, and more than JSON, at any place of every shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from b2bpilot.pipeline.document import SURROGATE
from b2bpilot.pipeline.message import encode
from tests.events import message, notification, received, sns_event

SENT = message()
MARK = "the place of something odd"

RAW = [
    "5",
    "-1",
    "1.5",
    "true",
    "null",
    '""',
    "[]",
    "{}",
    '["a"]',
    '[["a"]]',
    '{"Value": null}',
    "1e999",
    "-1e999",
    "NaN",
    "-Infinity",
    "1" + "0" * 400,
    "9" * 4_300,
    "9" * 5_000,
    r'"\ud800"',
    '"\ud800"',
    r'"\udc00 and text"',
    r'"\u0000"',
    r'"\u001b[2J\u009b1m\u202e\n"',
    '"+15005550006, please call"',
    '"0001-01-01T00:00:00+05:00"',
    '"9999-12-31T23:59:59-05:00"',
    '"0001-01-01T00:00:00Z"',
    '"2026-10-01T12:45:07,5+23:59:59"',
    '"' + "x" * 250_000 + '"',
    '"' + "+15005550006 " * 19_000 + '"',
    "[" * 50 + "]" * 50,
    '{"a":' * 95 + "1" + "}" * 95,
    "[" * 900 + "]" * 900,
    "[" * 100_000 + "]" * 100_000,
    "[" * 100_000,
]
"""As it stands in a body. Python's own encoder writes much of it in another way, or not at all."""

TEXT = st.text(st.characters(exclude_categories=()))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)
ODD = st.sampled_from(RAW) | JSON.map(json.dumps)

ENVELOPE = {
    {"SigningCertUrl": "SigningCertURL", "UnsubscribeUrl": "UnsubscribeURL"}.get(name, name): value
    for name, value in notification(SENT).items()
}
DESTINATION = {
    "version": "1.0",
    "timestamp": "2026-10-01T12:48:16.568Z",
    "requestContext": {
        "requestId": "e4b4",
        "functionArn": "arn:aws:lambda:eu-west-1:123456789012:function:b2b-pilot-background-processor-staging:$LATEST",
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 3,
    },
    "requestPayload": sns_event(SENT),
    "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
    "responsePayload": {"errorMessage": "boom", "errorType": "RuntimeError", "stackTrace": ["..."]},
}
REDRIVEN = sns_event(SENT, redrive={"run_id": "run-0", "attempt": 1})
BODIES: list[dict[str, Any]] = [
    sns_event(SENT),
    REDRIVEN,
    DESTINATION,
    ENVELOPE,
    json.loads(encode(SENT).body),
]

Path = tuple[str | int, ...]


def places(document: Any) -> Iterator[Path]:
    """Yield every place in a body, those within the message that travels as text among them."""
    inner = json.loads(document) if isinstance(document, str) and document.startswith("{") else document
    if inner is not document:
        yield ()
    if isinstance(inner, dict | list):
        for key, value in inner.items() if isinstance(inner, dict) else enumerate(inner):
            yield from ((key, *rest) for rest in places(value))
    yield ()


def with_odd(document: Any, place: Path, odd: str) -> str:
    """Return the JSON text of a body in which `odd` stands at a place. UTF-8 can hold it: so much SQS sees to."""
    return SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", _with_odd(document, place, odd))


def _with_odd(document: Any, place: Path, odd: str) -> str:
    if not place:
        return odd
    key, *rest = place
    is_text = isinstance(document, str)
    inner = json.loads(document) if is_text else document
    marked: Any = inner.copy()
    marked[key] = MARK
    text = json.dumps(marked).replace(json.dumps(MARK), _with_odd(inner[key], tuple(rest), odd))
    return json.dumps(text) if is_text else text


ADDED = [
    ({**body, "redrive": {"run_id": "run-0", "attempt": 0}}, ("redrive", name))
    for body in BODIES
    for name in ("run_id", "attempt")
] + [({**body, name: 0}, (name,)) for body in BODIES for name in ("Records", "Type", "requestPayload")]
PLACES: list[tuple[Any, Path]] = [
    *((body, place) for body in BODIES for place in dict.fromkeys(places(body))),
    *ADDED,
]
IN_MESSAGE = ("Records", 0, "Sns", "Message")
KNOWN = {
    "an error that is a number": with_odd(DESTINATION, ("responsePayload", "errorMessage"), "5"),
    "an error that is a list": with_odd(DESTINATION, ("responsePayload", "errorMessage"), '["a"]'),
    "a request id that is a list": with_odd(DESTINATION, ("requestContext", "requestId"), '["a"]'),
    "a time before all times": with_odd(
        BODIES[0], (*IN_MESSAGE, "received_at"), '"0001-01-01T00:00:00+05:00"'
    ),
    "a number without end": with_odd(REDRIVEN, ("redrive", "attempt"), "1e999"),
    "half of a dead letter": with_odd(BODIES[0], (*IN_MESSAGE, "params", "Body"), '"\ud800"'),
}
"""Dead letters that stopped a run, or its neighbours with it, by their names."""

FAILURE = st.fixed_dictionaries(
    {},
    optional={
        "RequestID": st.tuples(st.just("String"), TEXT),
        "ErrorCode": st.tuples(st.just("Number"), TEXT | st.just("429")),
        "ErrorMessage": st.tuples(st.just("String"), TEXT),
    },
)


@st.composite
def odd_dead_letters(draw: st.DrawFn) -> dict[str, Any]:
    """A message as SQS gives it, of any shape, odd at one place."""
    body, place = draw(st.sampled_from(PLACES))
    return received(with_odd(body, place, draw(ODD)), **draw(FAILURE))
