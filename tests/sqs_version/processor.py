"""The polling function of the SQS version: looks whether the message is in the table, and inserts it if it is not."""

from __future__ import annotations

import base64
import functools
import json
import logging
import urllib.parse
import urllib.request
from os import environ
from typing import Any

import psycopg

logger = logging.getLogger(__name__)


def handler(event: dict[str, Any], context: object) -> None:
    """What raises makes the whole batch visible again."""
    for record in event["Records"]:
        process(json.loads(record["body"]))


def process(params: dict[str, str]) -> None:
    message_sid = params["MessageSid"]
    if is_stored(message_sid):
        logger.info("Message %s already processed", message_sid)
        return
    insert(params)
    if environ.get("REPLY_TEXT"):
        reply(params)
    complete(message_sid)


@functools.cache
def warm_connection() -> psycopg.Connection:
    return psycopg.connect(environ["DATABASE_URL"], autocommit=True)


def database() -> psycopg.Connection:
    if warm_connection().closed:
        warm_connection.cache_clear()
    return warm_connection()


def is_stored(message_sid: str) -> bool:
    found = database().execute(
        "SELECT id FROM b2b_pilot_user_submissions WHERE message_sid = %s", (message_sid,)
    )
    return found.fetchone() is not None


def insert(params: dict[str, str]) -> None:
    database().execute(
        "INSERT INTO b2b_pilot_user_submissions (message_sid, from_number, to_number, body, num_media, status)"
        " VALUES (%s, %s, %s, %s, %s, 'pending')",
        (
            params["MessageSid"],
            params.get("From"),
            params.get("To"),
            params.get("Body"),
            int(params.get("NumMedia") or 0),
        ),
    )


def complete(message_sid: str) -> None:
    database().execute(
        "UPDATE b2b_pilot_user_submissions SET status = 'completed', updated_at = now() WHERE message_sid = %s",
        (message_sid,),
    )


def reply(params: dict[str, str]) -> None:
    account, token = environ["TWILIO_ACCOUNT_SID"], environ["TWILIO_AUTH_TOKEN"]
    url = f"{environ['TWILIO_API']}/2010-04-01/Accounts/{account}/Messages.json"
    form = {"To": params["From"], "From": params["To"], "Body": environ["REPLY_TEXT"]}
    key = base64.b64encode(f"{account}:{token}".encode()).decode()
    request = urllib.request.Request(
        url, data=urllib.parse.urlencode(form).encode(), headers={"Authorization": f"Basic {key}"}
    )
    with urllib.request.urlopen(request, timeout=10):
        pass


def end() -> None:
    """Lambda never says when a container ends; the local environment does."""
    if warm_connection.cache_info().currsize:
        warm_connection().close()
