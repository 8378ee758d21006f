"""What is not ours and looks like it: another subscriber's dead letters in our queue, and a copy of the database in which
everything is completed."""

from __future__ import annotations

import json
from collections.abc import Iterable

from psycopg import sql
from psycopg.conninfo import make_conninfo

from b2bpilot.ops import migrations
from tests.faults.books import Book, Evidence
from tests.faults.deployment import COPY, Deployment
from tests.faults.evidence import message_id_of
from tests.faults.traffic import Kind, Sent
from tests.local.conftest import empty_zip

NAME = "somebody-else"
THEIRS = "location"
"""The messages that the other subscriber asked for, by their `message_type`."""


def subscribe(deployment: Deployment) -> str:
    """Add a subscriber that SNS cannot deliver to, whose dead letters land in our queue; return its subscription's ARN."""
    machine = deployment.machine
    functions, sns = machine.client("lambda"), machine.client("sns")
    function = functions.create_function(
        FunctionName=NAME,
        Runtime="python3.13",
        Role=f"arn:aws:iam::{machine.state.account_id}:role/any",
        Handler="any.handler",
        Code={"ZipFile": empty_zip()},
    )
    attributes = {
        "FilterPolicy": json.dumps({"message_type": [THEIRS]}),
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": machine.stack_output("DeadLetterQueueArn")}),
    }
    subscription = sns.subscribe(
        TopicArn=machine.stack_output("TopicArn"),
        Protocol="lambda",
        Endpoint=function["FunctionArn"],
        Attributes=attributes,
        ReturnSubscriptionArn=True,
    )
    return str(subscription["SubscriptionArn"])


def copy_database(deployment: Deployment, sids: Iterable[str]) -> None:
    """Make a database that says of every message, also of those to come, that it is completed: a restored copy at its worst."""
    with deployment.connect() as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(COPY)))
    migrations.apply(make_conninfo(deployment.machine.state.database_url, dbname=COPY))
    columns = "message_id, message_sid, status, source, test, attempts, completed_at"
    statement = f"COPY b2b_pilot_user_submissions ({columns}) FROM STDIN"
    with (
        deployment.connect(COPY) as connection,
        connection.cursor() as cursor,
        cursor.copy(statement) as rows,
    ):
        for sid in sids:
            rows.write_row((message_id_of(sid), sid, "completed", "twilio", False, 1, "now"))


def theirs_book(sent: Iterable[Sent], evidence: Evidence) -> Book:
    """Each message that they asked for lies in our queue for them, whatever the commands did meanwhile."""
    wanted = {message_id_of(each.sid) for each in sent if each.is_accepted and each.kind is Kind.LOCATION}
    missing = sorted(wanted - evidence.dead_letters.strangers)
    return Book(
        promise="nobody else's dead letter is taken",
        looked_at=f"{len(wanted)} messages that another subscriber waits for",
        broken=[f"{message_id}: the other subscriber's dead letter is gone" for message_id in missing],
    )
