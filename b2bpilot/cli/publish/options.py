"""The options of `publish` that no other command has."""

from __future__ import annotations

from typing import Annotated

import typer

from b2bpilot.cli.frame import values
from b2bpilot.pipeline.message import Priority

MOST = 1_000_000


FixtureName = Annotated[
    str | None,
    typer.Argument(
        help="Named message: text, media, button, location, emoji, long, empty, poison, or one you saved.",
        metavar="[FIXTURE]",
        autocompletion=values.fixtures,
    ),
]
Body = Annotated[str | None, typer.Option("--body", help="Text of the message.", metavar="TEXT")]
FromNumber = Annotated[str | None, typer.Option("--from", help="Sender's number.", metavar="NUMBER")]
ToNumber = Annotated[str | None, typer.Option("--to", help="Recipient's number.", metavar="NUMBER")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", "--param", help="Twilio parameter; repeatable.", metavar="KEY=VALUE"),
]
MessageFile = Annotated[
    str | None,
    typer.Option(
        "--file",
        help="Messages as JSON, one per line: Twilio's parameters, or {fixture, params, message_id, priority}. - reads stdin.",
        metavar="FILE",
    ),
]
MessageId = Annotated[
    str | None,
    typer.Option(
        "--message-id",
        help="Id to use instead of a new one. Published twice, it is stored once.",
        metavar="UUID",
    ),
]
PriorityOption = Annotated[
    Priority | None, typer.Option("--priority", help="SNS attribute: normal or high.", metavar="PRIORITY")
]
Count = Annotated[int, typer.Option("--count", min=1, max=MOST, help="Number of copies.", metavar="N")]
Duplicate = Annotated[
    int,
    typer.Option(
        "--duplicate",
        min=0,
        max=100,
        help="Number of extra deliveries of each message, under the same id.",
        metavar="N",
    ),
]
Real = Annotated[bool, typer.Option("--real", help="Publish real messages: a configured reply is sent.")]
Save = Annotated[
    str | None,
    typer.Option("--save", help="Save the message as a fixture called NAME; send nothing.", metavar="NAME"),
]
AsCurl = Annotated[
    bool,
    typer.Option(
        "--as-curl",
        help="With --via webhook: print the signed request as a curl command; send nothing.",
    ),
]
