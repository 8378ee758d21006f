"""The endpoints of messages and their media: lists, single ones, sending, redacting, deleting."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus

from b2bpilot.local.twilio.pages import old_page
from b2bpilot.local.twilio.redacting import redacted
from b2bpilot.local.twilio.request import Call, Refusal
from b2bpilot.local.twilio.sending import send
from b2bpilot.local.twilio.store import Resource, ResourceFilter

TO = ("To",)


def messages(call: Call) -> tuple[int, Resource]:
    """DateSent counts in whole GMT days, both ends included, whatever time of day it names
    (docs/aws-facts.md#message-dates)."""
    query = call.request.query
    equal = {column: query[name] for name, column in (("To", "to_"), ("From", "from_")) if query.get(name)}
    since, until = call.day("DateSent>"), call.day("DateSent<")
    if exact := call.day("DateSent"):
        since = until = exact
    wanted = ResourceFilter(
        kind="message",
        equal=equal,
        since=since.timestamp() if since else None,
        until=(until + timedelta(days=1)).timestamp() if until else None,
    )
    return HTTPStatus.OK, old_page(call.store, call.listing("messages", wanted))


def create_message(call: Call) -> tuple[int, Resource]:
    entry, refusal = send(call.store, call.account.sid, call.request.form, now=call.now)
    if entry is None:
        raise Refusal(HTTPStatus.BAD_REQUEST, *refusal)
    if call.redacts:
        shown = redacted({"Body": "", "To": entry.document["to"]}, TO)
        entry.document.update({"body": shown["Body"], "to": shown["To"]})
    call.store.put([entry])
    return HTTPStatus.CREATED, {**entry.document, "status": "queued", "date_sent": None}


def redact_message(call: Call) -> tuple[int, Resource]:
    """Only an empty body may be written: it takes the text away."""
    if call.request.form.get("Body", "") != "":
        raise Refusal(HTTPStatus.BAD_REQUEST, 20001, "Body must be empty: a message can only be redacted")
    return HTTPStatus.OK, call.changed("message", {"body": ""})


def delete_message(call: Call) -> tuple[int, Resource]:
    sid = call.sids["sid"]
    if call.store.get("message", sid) is None:
        raise call.missing
    for each in call.store.all(ResourceFilter(kind="media", equal={"parent": sid})):
        call.store.remove("media", each["sid"])
    call.store.remove("message", sid)
    return HTTPStatus.NO_CONTENT, {}


def media(call: Call) -> tuple[int, Resource]:
    wanted = ResourceFilter(kind="media", equal={"parent": call.sids["sid"]})
    return HTTPStatus.OK, old_page(call.store, call.listing("media_list", wanted))


def delete_media(call: Call) -> tuple[int, Resource]:
    if call.store.get("media", call.sids["media"]) is None:
        raise call.missing
    call.store.remove("media", call.sids["media"])
    return HTTPStatus.NO_CONTENT, {}
