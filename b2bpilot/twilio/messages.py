"""Messages as Twilio kept them: what came in, and what can be read of each afterwards."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from b2bpilot.twilio.failures import translated
from b2bpilot.twilio.redaction import Content, is_masked
from b2bpilot.twilio.rest import PAGE, Twilio

INBOUND = "inbound"
INBOUND_STATES = ("receiving", "received")
PADDING = timedelta(days=1)
"""Twilio's filter knows whole GMT days only (docs/aws-facts.md#message-dates); one more on each side leaves nothing to
its interpretation."""


CHANGED_AFTER = timedelta(minutes=5)
"""Twilio updates a message itself while it calls the webhook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMessage:
    """`sent_at` is when Twilio called the webhook, to the second (docs/aws-facts.md#message-dates); Twilio need not tell
    (docs/aws-facts.md#message-dates)."""

    sid: str
    sent_at: datetime | None
    to: str = field(repr=False)
    content: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDetails:
    """Everything that the REST API still has of one message; each of it may be null there."""

    sid: str
    account_sid: str | None
    messaging_service_sid: str | None
    """Twilio gives it a default value where no service was used."""
    status: str | None
    from_: str | None = field(repr=False)
    to: str | None = field(repr=False)
    body: str | None = field(repr=False)
    num_media: str | None
    num_segments: str | None
    api_version: str | None
    media: tuple[Media, ...] = ()
    content: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A file of a message, in the account's region; the URL is spelled as in the webhook's MediaUrl parameters. Twilio promises no order of them."""

    url: str
    content_type: str | None


def inbound_pages(
    twilio: Twilio, *, since: datetime, until: datetime, to: str | None = None
) -> Generator[list[InboundMessage]]:
    """Yield what came in, newest first, in pages of at most a thousand; days around the period are not left out.

    The next page is asked for while the caller works on one. Raises TwilioFailed.
    """
    query: dict[str, Any] = {"to": to} if to else {}
    query["date_sent_after"] = _midnight(since - PADDING)
    query["date_sent_before"] = _midnight(until + PADDING)
    with ThreadPoolExecutor(1, thread_name_prefix="twilio-pages") as reader:
        found, page = _read_page(lambda: twilio.client.messages.page(page_size=PAGE, **query))
        while page is not None:
            following = reader.submit(_read_page, page.next_page)
            yield found
            found, page = following.result()


def inbound_message(twilio: Twilio, sid: str) -> InboundMessage | None:
    """Return one message as the list would show it; None when it was sent. Raises TwilioFailed."""
    with translated(f"read message {sid}"):
        found = twilio.client.messages(sid).fetch()
        return _inbound(found) if came_in(found) else None


def message_details(twilio: Twilio, sid: str) -> MessageDetails:
    """Read one message and its list of media. Raises TwilioFailed."""
    with translated(f"read message {sid}"):
        context = twilio.client.messages(sid)
        found = context.fetch()
        media = list(context.media.stream(page_size=PAGE)) if _has_media(found) else []
    return MessageDetails(
        sid=sid,
        account_sid=_text(found.account_sid),
        messaging_service_sid=_text(found.messaging_service_sid),
        status=_text(found.status),
        from_=_text(found.from_),
        to=_text(found.to),
        body=_text(found.body),
        num_media=_text(found.num_media),
        num_segments=_text(found.num_segments),
        api_version=_text(found.api_version),
        media=tuple(_media(twilio, each) for each in media if each.uri),
        content=_content(found),
    )


def _read_page(read: Callable[[], Any]) -> tuple[list[InboundMessage], Any]:
    """Return what came in on a page, and the page, which leads to the next one; no page, no messages."""
    with translated("list messages"):
        page = read()
        return [_inbound(each) for each in page or () if came_in(each)], page


def came_in(found: Any) -> bool:
    """Tell whether a message was not sent. Its direction may be null: then the status tells, and where that is, too, it may
    have come in."""
    if found.direction is not None:
        return bool(found.direction == INBOUND)
    return found.status in (None, *INBOUND_STATES)


def _inbound(found: Any) -> InboundMessage:
    return InboundMessage(
        sid=str(found.sid or ""), sent_at=moment_of(found), to=str(found.to or ""), content=_content(found)
    )


def _content(found: Any) -> Content:
    if is_masked(str(found.from_ or "")) or is_masked(str(found.to or "")):
        return Content.MASKED
    if found.body:
        return Content.TEXT
    return Content.MEDIA_ONLY if _has_media(found) and not _was_changed(found) else Content.BLANK


def _has_media(found: Any) -> bool:
    return found.num_media not in (None, "", "0")


def _was_changed(found: Any) -> bool:
    """Redacting one message is an update of it."""
    updated, sent_at = found.date_updated, moment_of(found)
    return sent_at is None or (isinstance(updated, datetime) and updated - sent_at > CHANGED_AFTER)


def moment_of(found: Any) -> datetime | None:
    """Return when a message was sent, or else created: one that is being received has no time of its webhook call yet.
    Both may be null, and the SDK leaves alone what it cannot read."""
    return next((each for each in (found.date_sent, found.date_created) if isinstance(each, datetime)), None)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _media(twilio: Twilio, found: Any) -> Media:
    url = f"https://api.twilio.com{str(found.uri).removesuffix('.json')}"
    return Media(url=twilio.client.get_hostname(url), content_type=_text(found.content_type))


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
