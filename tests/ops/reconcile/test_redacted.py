"""What Twilio redacted, or may have: named as lost, and published only when a part of it will do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest

from b2bpilot.local.twilio import resources
from b2bpilot.local.twilio.faults import Fault, PlannedFault
from b2bpilot.ops.reconcile.message_finding import ComparisonResult
from b2bpilot.ops.reconcile.queues import Queues
from b2bpilot.pipeline.message import message_id_for
from b2bpilot.twilio.samples import Sample, sample_params
from tests.ops.reconcile.deployment import DAY, OURS, THEIRS, WEBHOOK, Deployment
from tests.twilio.double import ACCOUNT_SID

MASKED = "+1500555XXXX"


def receive(deployment: Deployment, kind: Sample = Sample.TEXT, **changes: str) -> dict[str, str]:
    """Let a message come in that no webhook ever gets."""
    params = sample_params(kind, **{"AccountSid": ACCOUNT_SID, "From": THEIRS, "To": OURS, **changes})
    deployment.double.receive(params, at=deployment.now - DAY / 2, deliver=False)
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
    deployment: Deployment, tmp_path: Path, changes: dict[str, str], why: str
) -> None:
    receive(deployment)
    sid = receive(deployment, **changes)["MessageSid"]

    (finding,) = deployment.findings(ComparisonResult.LOST_AT_TWILIO).values()
    recovered = deployment.recover(tmp_path)

    assert (finding.sid, finding.why) == (sid, why)
    assert sid not in deployment.published
    assert recovered.counts() == {"published": 1, "stored": 1, "stored_meanwhile": 0, "not_proven": 0}


def test_what_is_left_is_published_only_when_a_part_will_do_and_nobody_masked_is_answered(
    deployment: Deployment, tmp_path: Path
) -> None:
    sid = receive(deployment, Body="", From=MASKED)["MessageSid"]

    recovered = deployment.recover(tmp_path, allow_partial=True)

    assert (recovered.published, recovered.partial, recovered.whole) == (1, 1, 0)
    assert {"From", "Body"} <= recovered.lost.keys()
    stored = deployment.params_of(sid)
    assert (stored["From"], stored["Body"], stored["To"]) == ("", "", OURS)


def test_a_redacted_alert_is_not_all_parameters(deployment: Deployment, tmp_path: Path) -> None:
    """The message was redacted after the comparison, or only in the debugger."""
    params = receive(deployment)
    sid = params["MessageSid"]
    deployment.alert(sid, variables=urlencode({**params, "Body": "", "From": MASKED, "WaId": "1500555XXXX"}))

    refused = deployment.recover(tmp_path / "first")
    (problem,) = refused.problems
    assert (deployment.published, "WaId" in problem.reason) == ({}, True)

    recovered = deployment.recover(tmp_path / "second", allow_partial=True)
    assert (recovered.whole, recovered.partial, recovered.lost) == (0, 1, {"WaId": 1})
    stored = deployment.params_of(sid)
    assert (stored["From"], stored["Body"], stored["WaId"]) == (THEIRS, params["Body"], "")


def test_media_without_a_text_is_whole_where_the_account_keeps_texts(
    deployment: Deployment, tmp_path: Path
) -> None:
    sid = receive(deployment, Sample.MEDIA)["MessageSid"]
    assert set(deployment.findings(ComparisonResult.LOST_AT_TWILIO)) == {sid}

    receive(deployment)

    assert sid in deployment.findings(ComparisonResult.MISSING)
    assert deployment.recover(tmp_path).published == 2


@pytest.mark.parametrize("evidence", [{"Body": ""}, {"From": MASKED}])
def test_media_without_a_text_is_not_whole_where_others_are_redacted(
    deployment: Deployment, tmp_path: Path, evidence: dict[str, str]
) -> None:
    """Its text may have been taken away too, and the full copy that comes later would be skipped."""
    sid = receive(deployment, Sample.MEDIA)["MessageSid"]
    other = receive(deployment)["MessageSid"]
    receive(deployment, **evidence)

    found = deployment.findings(ComparisonResult.LOST_AT_TWILIO)
    recovered = deployment.recover(tmp_path / "first")

    assert (
        found[sid].why == "no text at Twilio, and others of the time are redacted, or may be: so may this one"
    )
    assert (recovered.published, set(deployment.published)) == (1, {other})
    again = deployment.recover(tmp_path / "second", allow_partial=True)
    assert sid in deployment.published
    assert again.whole == 0


def test_a_stored_message_that_is_redacted_speaks_against_media_too(deployment: Deployment) -> None:
    sid = receive(deployment, Sample.MEDIA)["MessageSid"]
    receive(deployment)
    deployment.store([receive(deployment, From=MASKED)["MessageSid"]])

    assert set(deployment.findings(ComparisonResult.LOST_AT_TWILIO)) == {sid}


def test_media_whose_message_was_changed_since_may_have_had_a_text(deployment: Deployment) -> None:
    receive(deployment)
    sid = receive(deployment, Sample.MEDIA)["MessageSid"]
    deployment.double.redact(sid)

    assert set(deployment.findings(ComparisonResult.LOST_AT_TWILIO)) == {sid}


def test_a_place_has_no_text_to_be_redacted(deployment: Deployment, tmp_path: Path) -> None:
    receive(deployment)
    params = receive(deployment, Sample.LOCATION)
    deployment.alert(params["MessageSid"], variables=urlencode(params))

    recovered = deployment.recover(tmp_path, allow_partial=True)

    assert (recovered.published, recovered.whole, recovered.partial) == (2, 1, 0)
    assert deployment.params_of(params["MessageSid"])["Latitude"] == params["Latitude"]


def test_a_full_copy_that_arrives_later_is_skipped_as_the_plan_says(
    deployment: Deployment, tmp_path: Path
) -> None:
    sid = receive(deployment, Body="")["MessageSid"]
    deployment.recover(tmp_path, allow_partial=True)

    deployment.process(sid, To=OURS, Body="the whole text")

    assert deployment.params_of(sid)["Body"] == ""


def test_what_is_in_the_dead_letter_queue_is_not_lost_though_it_is_redacted(deployment: Deployment) -> None:
    sid = receive(deployment, Body="", From=MASKED)["MessageSid"]
    deployment.queues = Queues(dead_letters=frozenset({message_id_for(sid)}))

    assert deployment.counts() == {ComparisonResult.DEAD_LETTER: 1}


def test_what_is_stored_is_stored_though_it_is_redacted(deployment: Deployment) -> None:
    sid = receive(deployment, Body="", From=MASKED)["MessageSid"]
    deployment.store([sid], took=timedelta(seconds=1))

    assert deployment.counts() == {ComparisonResult.STORED: 1}


@pytest.mark.parametrize("url", [WEBHOOK, "https://crm.example/sms"])
def test_a_message_that_was_deleted_is_lost_where_an_alert_says_that_its_webhook_failed_here(
    deployment: Deployment, tmp_path: Path, url: str
) -> None:
    params = receive(deployment, Body="two pallets")
    sid = params["MessageSid"]
    deployment.alert(sid, variables=urlencode(params), url=url)
    deployment.double.store.remove("message", sid)

    found = deployment.findings(ComparisonResult.LOST_AT_TWILIO)
    refused = deployment.recover(tmp_path / "first")

    assert (set(found), refused.published) == ({sid} if url == WEBHOOK else set(), 0)
    assert {each.why for each in found.values()} <= {"deleted at Twilio; its webhook had failed"}
    recovered = deployment.recover(tmp_path / "second", allow_partial=True)
    assert (recovered.partial, recovered.whole) == (int(url == WEBHOOK), 0)


def test_a_message_that_twilio_lists_late_is_missing_where_an_alert_knows_it(deployment: Deployment) -> None:
    """The list can lag by hours (docs/aws-facts.md#message-lists); the message itself can be read."""
    params = receive(deployment)
    sid = params["MessageSid"]
    deployment.alert(sid, variables=urlencode(params), url=WEBHOOK)
    listed = deployment.double.store.get("message", sid)
    assert listed is not None
    deployment.double.store.remove("message", sid)
    late = resources.message(
        ACCOUNT_SID, params, direction="inbound", at=deployment.now - DAY / 2, status="received"
    )
    deployment.double.store.put([replace(late, at=0)])

    assert deployment.findings(ComparisonResult.MISSING)[sid].error_code == "11200"


def test_of_more_messages_that_only_alerts_know_than_are_asked_for_the_rest_is_counted(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b2bpilot.ops.reconcile.unlisted.MOST_ASKED", 2)
    sids = deployment.receive(5)
    for sid in sids:
        deployment.alert(
            sid, variables=urlencode({"MessageSid": sid, "From": THEIRS, "To": OURS}), url=WEBHOOK
        )
    deployment.double.faults.plan(PlannedFault(fault=Fault.LAG, seconds=13 * 3600, times=1))

    with deployment.compared() as notes:
        assert (notes.counts()[ComparisonResult.MISSING], notes.alerts_not_followed) == (2, 3)


def test_an_alert_about_a_status_callback_is_no_message(deployment: Deployment) -> None:
    sent = "SM" + "4" * 32
    variables = {"MessageSid": sent, "From": OURS, "To": THEIRS, "MessageStatus": "delivered"}
    deployment.alert(sent, variables=urlencode(variables), url=WEBHOOK)

    assert deployment.counts() == {}


def test_a_deleted_message_that_is_stored_is_stored(deployment: Deployment) -> None:
    params = receive(deployment)
    deployment.alert(params["MessageSid"], variables=urlencode(params), url=WEBHOOK)
    deployment.store([params["MessageSid"]])
    deployment.double.store.remove("message", params["MessageSid"])

    assert deployment.counts() == {ComparisonResult.STORED: 1}
