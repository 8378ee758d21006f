"""Batches of which one entry is not done: SQS's in JSON, SNS's in the query protocol."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from tests.faults.proxies.dialect import Answer, Call

MEMBER = re.compile(r"(PublishBatchRequestEntries\.member\.)(\d+)(\..*)")
FAILED_LIST = re.compile("<Failed ?/>|<Failed></Failed>")


def without_one(call: Call) -> tuple[Call | None, str] | None:
    """Return the call without the entry in its middle, None for what is left when that was all, and the entry's id.

    None for a call that is no batch.
    """
    if "x-amz-target" in call.headers:
        return _json_without_one(call)
    return _form_without_one(call)


def with_failure(call: Call, answer: Answer | None, entry_id: str) -> Answer:
    """Return the answer to the rest of a batch, with the entry said to have failed."""
    if answer is not None and answer.status != 200:
        return answer
    if "x-amz-target" in call.headers:
        said = json.loads(answer.body) if answer else {"Successful": []}
        document = {**said, "Failed": [*said.get("Failed", []), _json_failure(entry_id)]}
        headers = (("Content-Type", "application/x-amz-json-1.0"),)
        return Answer(status=200, headers=headers, body=json.dumps(document).encode())
    return Answer(
        status=200,
        headers=(("Content-Type", "text/xml"),),
        body=_xml_with_failure(answer.body.decode() if answer else None, entry_id).encode(),
    )


def _json_without_one(call: Call) -> tuple[Call | None, str] | None:
    document: dict[str, Any] = json.loads(call.body or b"{}")
    entries = document.get("Entries")
    if not entries:
        return None
    entry_id = str(entries.pop(len(entries) // 2)["Id"])
    return (replace(call, body=json.dumps(document).encode()) if entries else None), entry_id


def _form_without_one(call: Call) -> tuple[Call | None, str] | None:
    form = parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True)
    numbers = sorted({int(found[2]) for name, _ in form if (found := MEMBER.fullmatch(name))})
    if not numbers:
        return None
    left_out = numbers[len(numbers) // 2]
    entry_id = dict(form)[f"PublishBatchRequestEntries.member.{left_out}.Id"]
    kept = [(_renumbered(name, left_out), value) for name, value in form if not _is_of(name, left_out)]
    rest = replace(call, body=urlencode(kept).encode()) if len(numbers) > 1 else None
    return rest, entry_id


def _is_of(name: str, number: int) -> bool:
    found = MEMBER.fullmatch(name)
    return found is not None and int(found[2]) == number


def _renumbered(name: str, left_out: int) -> str:
    found = MEMBER.fullmatch(name)
    if found is None or int(found[2]) < left_out:
        return name
    return f"{found[1]}{int(found[2]) - 1}{found[3]}"


def _json_failure(entry_id: str) -> Mapping[str, object]:
    return {"Id": entry_id, "Code": "InternalError", "Message": "injected", "SenderFault": False}


def _xml_with_failure(body: str | None, entry_id: str) -> str:
    member = (
        f"<member><Id>{entry_id}</Id><Code>InternalError</Code><Message>injected</Message>"
        "<SenderFault>false</SenderFault></member>"
    )
    empty = (
        '<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishBatchResult><Successful/>'
        "<Failed/></PublishBatchResult><ResponseMetadata><RequestId>injected</RequestId></ResponseMetadata>"
        "</PublishBatchResponse>"
    )
    text = FAILED_LIST.sub("<Failed></Failed>", body or empty)
    return text.replace("</Failed>", f"{member}</Failed>")
