"""The same message at both webhooks at the same time."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from b2bpilot.local import control
from b2bpilot.local.state import EnvironmentState
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.pipeline.waiting import wait_until
from b2bpilot.twilio.rest import TwilioAccess
from b2bpilot.twilio.samples import NUMBER, Sample, sample_params
from b2bpilot.twilio.webhook import WebhookClient, WebhookUnreachable

SENDERS = 8
TRIES = 20
SETTLE_SECONDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class AtOnce:
    """`posts`: requests that were answered 200; `rows` by message, of those that were completed; `answered` likewise."""

    messages: int
    posts: int
    rows: int
    lost: int
    twice: int
    answered_twice: int

    @property
    def balances(self) -> bool:
        return self.rows == self.messages and not (self.lost or self.twice or self.answered_twice)


def at_once(home: Path, count: int) -> AtOnce:
    """Post each message to both, side by side, and count the rows and the replies."""
    state = control.running(home)
    assert state is not None
    messages = [_message(state) for _ in range(count)]
    with DatabaseManager(state.database_url) as database:
        began = database.now()
        posts = _posted(state, messages)
        sids = {each["MessageSid"] for each in messages}

        def completed() -> Counter[str]:
            rows = database.list_submissions(since=began, limit=4 * count + 100)
            return Counter(
                row.message_sid
                for row in rows
                if row.message_sid in sids and row.status == SubmissionStatus.COMPLETED
            )

        rows = wait_until(
            completed, enough=lambda found: len(found) >= count, seconds=SETTLE_SECONDS, pause_seconds=0.5
        )
        everything = database.list_submissions(since=began, limit=4 * count + 100)
    stored = Counter(row.message_sid for row in everything if row.message_sid in sids)
    return AtOnce(
        messages=count,
        posts=posts,
        rows=sum(stored.values()),
        lost=count - len(rows),
        twice=sum(each > 1 for each in stored.values()),
        answered_twice=sum(each > 1 for each in _replies(state, messages).values()),
    )


def _message(state: EnvironmentState) -> dict[str, str]:
    sender = f"+1500{uuid.uuid4().int % 10**10:010d}"
    return sample_params(Sample.TEXT, From=sender, To=NUMBER, AccountSid=state.twilio_account_sid)


def _posted(state: EnvironmentState, messages: Sequence[dict[str, str]]) -> int:
    """Each pair of senders meets at a barrier before each message."""

    def send(share: int, url: str, meet: threading.Barrier) -> int:
        taken = 0
        with WebhookClient(url, auth_token=state.twilio_auth_token) as client:
            for params in messages[share::SENDERS]:
                meet.wait()
                taken += _taken(client, params)
        return taken

    with ThreadPoolExecutor(2 * SENDERS) as pool:
        running = []
        for share in range(SENDERS):
            meet = threading.Barrier(len(state.sides))
            running += [pool.submit(send, share, side.webhook_url, meet) for side in state.sides]
        return sum(each.result() for each in running)


def _taken(client: WebhookClient, params: dict[str, str]) -> bool:
    """Again as Twilio does; more often, for a busy machine."""
    for _ in range(TRIES):
        try:
            if client.post(params).status == HTTPStatus.OK:
                return True
        except WebhookUnreachable:
            continue
    return False


def _replies(state: EnvironmentState, messages: Sequence[dict[str, str]]) -> Counter[str]:
    twilio = TwilioAccess(
        account_sid=state.twilio_account_sid, auth_token=state.twilio_auth_token, api_url=state.twilio_api_url
    ).connect()
    senders = {each["From"] for each in messages}
    return Counter(
        reply.to
        for reply in twilio.client.messages.stream(from_=NUMBER, page_size=1000)
        if reply.to in senders
    )
