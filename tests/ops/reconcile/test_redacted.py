"""What Twilio redacted, or may have: named as lost, and published only when a part of it will do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest

from b2bpilot.local.twilio import resources
from b2bpilot.local.twilio.faults import Fault, Planned
from b2bpilot.ops.reconcile.queues import Queues
from b2bpilot.ops.reconcile.verdict import Verdict
from b2bpilot.pipeline.message import message_id_for
from b2bpilot.twilio.samples import Sample, sample_params
from tests.ops.reconcile.world import DAY, OURS, THEIRS, WEBHOOK, World
from tests.twilio.double import ACCOUNT_SID

MASKED = "+1500555XXXX"


def receive(world: World, kind: Sample = Sample.TEXT, **changes: str) -> dict[str, str]:
    """Let a message come in that no webhook ever gets."""
    params = sample_params(kind, **{"AccountSid": ACCOUNT_SID, "From": THEIRS, "To": OURS, **changes})
    world.double.receive(params, at=world.now - DAY / 2, deliver=False)
    return params


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"Body": "", "From": MASKED}, "redacted at Twilio: a number is masked"),
        ({"Body": "two pallets", "From": MASKED}, "redacted at Twilio: a number is masked"),
        ({"Body": "", "From": f"whatsapp:{MASKED}"}, "redacted at Twilio: a number is masked"),
        ({"Body": ""}, "no text at Twilio: it may have been redacted"),
    ],
)
def test_a_redacted_message_is_lost_and_not_missing(
    world: World, tmp_path: Path, changes: dict[str, str], why: str
) -> None:
    receive(world)
    sid = receive(world, **changes)["MessageSid"]

    (finding,) = world.findings(Verdict.LOST_AT_TWILIO).values()
    recovered = world.recover(tmp_path)

    assert (finding.sid, finding.why) == (sid, why)
    assert sid not in world.published
    assert recovered.counts() == {"published": 1, "stored": 1, "stored_meanwhile": 0, "not_proven": 0}


def test_what_is_left_is_published_only_when_a_part_will_do_and_nobody_masked_is_answered(
    world: World, tmp_path: Path
) -> None:
    sid = receive(world, Body="", From=MASKED)["MessageSid"]

    recovered = world.recover(tmp_path, allow_partial=True)

    assert (recovered.published, recovered.partial, recovered.whole) == (1, 1, 0)
    assert {"From", "Body"} <= recovered.lost.keys()
    stored = world.params_of(sid)
    assert (stored["From"], stored["Body"], stored["To"]) == ("", "", OURS)


def test_a_redacted_alert_is_not_all_parameters(world: World, tmp_path: Path) -> None:
    """The message was redacted after the comparison, or only in the debugger."""
    params = receive(world)
    sid = params["MessageSid"]
    world.alert(sid, variables=urlencode({**params, "Body": "", "From": MASKED, "WaId": "1500555XXXX"}))

    refused = world.recover(tmp_path / "first")
    (problem,) = refused.problems
    assert (world.published, "WaId" in problem.reason) == ({}, True)

    recovered = world.recover(tmp_path / "second", allow_partial=True)
    assert (recovered.whole, recovered.partial, recovered.lost) == (0, 1, {"WaId": 1})
    stored = world.params_of(sid)
    assert (stored["From"], stored["Body"], stored["WaId"]) == (THEIRS, params["Body"], "")


def test_media_without_a_text_is_whole_where_the_account_keeps_texts(world: World, tmp_path: Path) -> None:
    sid = receive(world, Sample.MEDIA)["MessageSid"]
    assert set(world.findings(Verdict.LOST_AT_TWILIO)) == {sid}

    receive(world)

    assert sid in world.findings(Verdict.MISSING)
    assert world.recover(tmp_path).published == 2


@pytest.mark.parametrize("evidence", [{"Body": ""}, {"From": MASKED}])
def test_media_without_a_text_is_not_whole_where_others_are_redacted(
    world: World, tmp_path: Path, evidence: dict[str, str]
) -> None:
    """Its text may have been taken away too, and the full copy that comes later would be skipped."""
    sid = receive(world, Sample.MEDIA)["MessageSid"]
    other = receive(world)["MessageSid"]
    receive(world, **evidence)

    found = world.findings(Verdict.LOST_AT_TWILIO)
    recovered = world.recover(tmp_path / "first")

    assert (
        found[sid].why == "no text at Twilio, and others of the time are redacted, or may be: so may this one"
    )
    assert (recovered.published, set(world.published)) == (1, {other})
    again = world.recover(tmp_path / "second", allow_partial=True)
    assert sid in world.published
    assert again.whole == 0


def test_a_stored_message_that_is_redacted_speaks_against_media_too(world: World) -> None:
    sid = receive(world, Sample.MEDIA)["MessageSid"]
    receive(world)
    world.store([receive(world, From=MASKED)["MessageSid"]])

    assert set(world.findings(Verdict.LOST_AT_TWILIO)) == {sid}


def test_media_whose_message_was_changed_since_may_have_had_a_text(world: World) -> None:
    receive(world)
    sid = receive(world, Sample.MEDIA)["MessageSid"]
    world.double.redact(sid)

    assert set(world.findings(Verdict.LOST_AT_TWILIO)) == {sid}


def test_a_place_has_no_text_to_be_redacted(world: World, tmp_path: Path) -> None:
    receive(world)
    params = receive(world, Sample.LOCATION)
    world.alert(params["MessageSid"], variables=urlencode(params))

    recovered = world.recover(tmp_path, allow_partial=True)

    assert (recovered.published, recovered.whole, recovered.partial) == (2, 1, 0)
    assert world.params_of(params["MessageSid"])["Latitude"] == params["Latitude"]


def test_a_full_copy_that_arrives_later_is_skipped_as_the_plan_says(world: World, tmp_path: Path) -> None:
    sid = receive(world, Body="")["MessageSid"]
    world.recover(tmp_path, allow_partial=True)

    world.process(sid, To=OURS, Body="the whole text")

    assert world.params_of(sid)["Body"] == ""


def test_what_is_in_the_dead_letter_queue_is_not_lost_though_it_is_redacted(world: World) -> None:
    sid = receive(world, Body="", From=MASKED)["MessageSid"]
    world.queues = Queues(dead_letters=frozenset({message_id_for(sid)}))

    assert world.counts() == {Verdict.DEAD_LETTER: 1}


def test_what_is_stored_is_stored_though_it_is_redacted(world: World) -> None:
    sid = receive(world, Body="", From=MASKED)["MessageSid"]
    world.store([sid], took=timedelta(seconds=1))

    assert world.counts() == {Verdict.STORED: 1}


@pytest.mark.parametrize("url", [WEBHOOK, "https://crm.example/sms"])
def test_a_message_that_was_deleted_is_lost_where_an_alert_says_that_its_webhook_failed_here(
    world: World, tmp_path: Path, url: str
) -> None:
    params = receive(world, Body="two pallets")
    sid = params["MessageSid"]
    world.alert(sid, variables=urlencode(params), url=url)
    world.double.book.remove("message", sid)

    found = world.findings(Verdict.LOST_AT_TWILIO)
    refused = world.recover(tmp_path / "first")

    assert (set(found), refused.published) == ({sid} if url == WEBHOOK else set(), 0)
    assert {each.why for each in found.values()} <= {"deleted at Twilio; its webhook had failed"}
    recovered = world.recover(tmp_path / "second", allow_partial=True)
    assert (recovered.partial, recovered.whole) == (int(url == WEBHOOK), 0)


def test_a_message_that_twilio_lists_late_is_missing_where_an_alert_knows_it(world: World) -> None:
    """The list can lag by hours (facts K2); the message itself can be read."""
    params = receive(world)
    sid = params["MessageSid"]
    world.alert(sid, variables=urlencode(params), url=WEBHOOK)
    listed = world.double.book.get("message", sid)
    assert listed is not None
    world.double.book.remove("message", sid)
    late = resources.message(
        ACCOUNT_SID, params, direction="inbound", at=world.now - DAY / 2, status="received"
    )
    world.double.book.put([replace(late, at=0)])

    assert world.findings(Verdict.MISSING)[sid].error_code == "11200"


def test_of_more_messages_that_only_alerts_know_than_are_asked_for_the_rest_is_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b2bpilot.ops.reconcile.unlisted.MOST_ASKED", 2)
    sids = world.receive(5)
    for sid in sids:
        world.alert(sid, variables=urlencode({"MessageSid": sid, "From": THEIRS, "To": OURS}), url=WEBHOOK)
    world.double.faults.plan(Planned(fault=Fault.LAG, seconds=13 * 3600, times=1))

    with world.compared() as notes:
        assert (notes.counts()[Verdict.MISSING], notes.alerts_not_followed) == (2, 3)


def test_an_alert_about_a_status_callback_is_no_message(world: World) -> None:
    sent = "SM" + "4" * 32
    variables = {"MessageSid": sent, "From": OURS, "To": THEIRS, "MessageStatus": "delivered"}
    world.alert(sent, variables=urlencode(variables), url=WEBHOOK)

    assert world.counts() == {}


def test_a_deleted_message_that_is_stored_is_stored(world: World) -> None:
    params = receive(world)
    world.alert(params["MessageSid"], variables=urlencode(params), url=WEBHOOK)
    world.store([params["MessageSid"]])
    world.double.book.remove("message", params["MessageSid"])

    assert world.counts() == {Verdict.STORED: 1}
