"""Publishing what is missing: all of it, once, proven; the same end wherever it was killed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from urllib.parse import urlencode

import pytest

from b2bpilot.aws.topic import Published
from b2bpilot.errors import PartlyFailed, PublishFailed, UsageError
from b2bpilot.local.twilio.faults import Fault, PlannedFault
from b2bpilot.ops.reconcile.message_finding import ComparisonResult
from b2bpilot.ops.reconcile.rebuild import RebuiltFrom
from b2bpilot.ops.reconcile.recovered import Contents, Recovered, summary
from b2bpilot.ops.reconcile.run import finish, require_everything_stored, require_plan, resume, write_plan
from b2bpilot.ops.runs.journal import Journal
from b2bpilot.ops.runs.record import read
from b2bpilot.pipeline.message import Encoded
from b2bpilot.pipeline.several_values import values_of
from b2bpilot.twilio.failures import TwilioDenied
from b2bpilot.twilio.samples import Sample, sample_params
from tests.ops.reconcile.deployment import DAY, OURS, THEIRS, Deployment
from tests.twilio.double import ACCOUNT_SID, add_service


class Killed(BaseException):
    """No `except Exception` sees it."""


def test_everything_missing_is_published_and_proven_and_a_second_run_finds_nothing(
    deployment: Deployment, tmp_path: Path
) -> None:
    sids = deployment.receive(10_000)
    deployment.store(sids[137:])

    recovered = deployment.recover(tmp_path)
    again = deployment.recover(tmp_path)

    assert recovered.counts() == {"published": 137, "stored": 137, "stored_meanwhile": 0, "not_proven": 0}
    assert again.counts() == {"published": 0, "stored": 0, "stored_meanwhile": 0, "not_proven": 0}
    assert deployment.published == dict.fromkeys(sids[:137], 1)


def test_a_message_whose_id_a_test_has_is_named_and_never_published(
    deployment: Deployment, tmp_path: Path
) -> None:
    """The first round found it published all the same: the processor refuses it, so it became a dead letter."""
    before, meanwhile, missing = deployment.receive(3)
    deployment.store([before])
    _make_tests(deployment)
    with deployment.compared() as notes, deployment.journal(tmp_path) as journal:
        assert deployment.findings(ComparisonResult.ID_TAKEN).keys() == {before}
        deployment.store([meanwhile])
        _make_tests(deployment)

        recovered = deployment.recovery(journal).run(notes.findings(ComparisonResult.MISSING), Recovered())

    assert deployment.published == {missing: 1}
    assert recovered.counts() == {"published": 1, "stored": 1, "stored_meanwhile": 0, "not_proven": 1}
    (problem,) = recovered.problems
    assert (problem.sid, "not published: a test's row has its message_id" in problem.reason) == (
        meanwhile,
        True,
    )


def _make_tests(deployment: Deployment) -> None:
    with deployment.database.connection.use() as connection:
        connection.execute("UPDATE b2b_pilot_user_submissions SET test = true")


@pytest.mark.parametrize("seed", range(6))
def test_killed_anywhere_and_resumed_it_comes_to_the_same_end(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Killed at a random write to the journal or publication, again and again, until a run survives."""
    monkeypatch.setattr("b2bpilot.ops.reconcile.recovery.WINDOW", 4)
    monkeypatch.setattr("b2bpilot.twilio.transport.PAUSES_SECONDS", (0.0, 0.0))
    chance = random.Random(seed)
    missing = deployment.receive(20)
    with deployment.compared() as notes, deployment.journal(tmp_path) as journal:
        write_plan(journal, notes)
        path = journal.path
        _killed(
            deployment,
            journal,
            chance,
            lambda recovery: recovery.run(notes.findings(ComparisonResult.MISSING), Recovered()),
        )
    for _ in range(30):
        record = read(path)
        with Journal.reopen(path, operator="ana") as journal:
            ended = _killed(
                deployment, journal, chance, lambda recovery, record=record: resume(recovery, record)
            )
            if ended is not None:
                finish(journal, ended)
                break

    assert deployment.findings(ComparisonResult.MISSING) == {}
    assert {each.fate for each in read(path).messages.values()} == {"completed"}
    assert set(deployment.published) == set(missing)
    with deployment.database.connection.use() as connection:
        rows = connection.execute(
            "SELECT count(*), count(DISTINCT message_id) FROM b2b_pilot_user_submissions"
        )
        assert rows.fetchone() == (20, 20)


def _killed(
    deployment: Deployment, journal: Journal, chance: random.Random, work: Callable[..., Recovered]
) -> Recovered | None:
    """Run until the moment that chance chose; None when that came before the end."""
    remaining = chance.randint(1, 9)

    def tick() -> None:
        nonlocal remaining
        remaining -= 1
        if remaining < 0:
            raise Killed

    class Mortal:
        def write(self, *entries: Mapping[str, object], durable: bool = True) -> None:
            tick()
            journal.write(*entries, durable=durable)
            tick()

        def publish_batch(self, messages: Sequence[Encoded]) -> list[Published]:
            tick()
            some = chance.randint(0, len(messages))
            deployment.publish_batch(messages[:some])
            tick()
            return deployment.publish_batch(messages)

    mortal = Mortal()
    recovery = deployment.recovery(mortal)  # type: ignore[arg-type]  # only `write` is used
    object.__setattr__(recovery, "publisher", mortal)
    try:
        return work(recovery)
    except Killed:
        return None


def test_a_run_that_was_killed_before_its_plan_was_complete_is_not_resumed(
    deployment: Deployment, tmp_path: Path
) -> None:
    with deployment.journal(tmp_path) as journal:
        journal.write({"event": "planned", "queue_message_id": "SM1", "sent_at": "2026-11-20T00:00:00Z"})

    with pytest.raises(UsageError, match="nothing was published"):
        require_plan(read(journal.path))


def test_the_failed_webhook_request_gives_all_parameters_back_to_the_dead_letter(
    deployment: Deployment, tmp_path: Path
) -> None:
    params = sample_params(Sample.BUTTON, AccountSid=ACCOUNT_SID, To=OURS, Body="50 % & mehr+ü", FromCity="")
    deployment.double.receive(params, at=deployment.now - DAY / 2, deliver=False)
    added = {**params, "ErrorCode": "11200", "ErrorUrl": "https://hooks.example/"}
    deployment.alert(params["MessageSid"], variables=urlencode(added))

    recovered = deployment.recover(tmp_path)

    assert deployment.params_of(params["MessageSid"]) == params
    assert recovered.lost == {}
    assert recovered.origins == {"alert": 1}
    assert (recovered.whole, recovered.partial) == (1, 0)


def test_the_failed_webhook_request_gives_all_values_of_a_parameter_back(
    deployment: Deployment, tmp_path: Path
) -> None:
    pairs = [*sample_params(Sample.TEXT, AccountSid=ACCOUNT_SID, To=OURS).items(), ("Tag", "b"), ("Tag", "a")]
    sid = dict(pairs)["MessageSid"]
    deployment.double.receive(dict(pairs), at=deployment.now - DAY / 2, deliver=False)
    deployment.alert(sid, variables=urlencode(pairs))

    deployment.recover(tmp_path)

    assert values_of(deployment.params_of(sid), "Tag") == ["b", "a"]


def test_without_an_alert_the_rest_resource_gives_what_it_has_and_the_rest_is_named(
    deployment: Deployment, tmp_path: Path
) -> None:
    service = add_service(deployment.double)
    whatsapp = sample_params(Sample.MEDIA, AccountSid=ACCOUNT_SID, To=OURS, MessagingServiceSid=service)
    sms = sample_params(Sample.TEXT, AccountSid=ACCOUNT_SID, From="+15005550006", To=OURS)
    for params in (whatsapp, sms):
        deployment.double.receive(params, at=deployment.now - DAY / 2, deliver=False)

    recovered = deployment.recover(tmp_path)

    found = deployment.params_of(whatsapp["MessageSid"])
    kept = {"MessageSid", "From", "To", "Body", "NumMedia", "MessagingServiceSid", "MediaContentType0"}
    assert {name: found[name] for name in kept} == {name: whatsapp[name] for name in kept}
    assert found["MediaUrl0"].endswith(f"/Messages/{whatsapp['MessageSid']}/Media/ME1")
    assert {"ProfileName", "WaId", "FromCity", "ToZip"} <= set(recovered.lost)
    assert recovered.origins == {"rest": 2}


def test_a_messaging_service_is_rebuilt_only_where_the_account_has_one(
    deployment: Deployment, tmp_path: Path
) -> None:
    """Twilio's REST API gives a default value where no service was used."""
    params = sample_params(Sample.TEXT, AccountSid=ACCOUNT_SID, To=OURS, MessagingServiceSid="MG" + "1" * 32)
    deployment.double.receive(params, at=deployment.now - DAY / 2, deliver=False)

    recovered = deployment.recover(tmp_path)

    assert "MessagingServiceSid" not in deployment.params_of(params["MessageSid"])
    assert recovered.lost["MessagingServiceSid"] == 1


def test_what_the_rest_resource_does_not_say_is_left_out_and_named(
    deployment: Deployment, tmp_path: Path
) -> None:
    (sid,) = deployment.receive(1)
    nulls = dict.fromkeys(("num_segments", "num_media", "api_version", "account_sid"))
    deployment.double.store.change("message", sid, {**nulls, "status": "receiving"})

    recovered = deployment.recover(tmp_path)

    untold = {"NumSegments", "NumMedia", "ApiVersion", "AccountSid", "SmsStatus"}
    assert untold.isdisjoint(deployment.params_of(sid))
    assert untold <= set(recovered.lost)


def test_of_several_files_the_order_is_said_to_be_unknown(deployment: Deployment, tmp_path: Path) -> None:
    files = {f"MediaUrl{n}": f"https://api.twilio.com/x/Media/ME{n}" for n in range(2)}
    params = sample_params(Sample.MEDIA, AccountSid=ACCOUNT_SID, To=OURS, NumMedia="2", Body="plans", **files)
    deployment.double.receive(params, at=deployment.now - DAY / 2, deliver=False)

    recovered = deployment.recover(tmp_path)

    assert {"MediaUrl0", "MediaUrl1"} <= set(deployment.params_of(params["MessageSid"]))
    assert recovered.lost["MediaUrl*'s order"] == 1


def test_a_message_whose_file_twilio_deleted_is_named_and_published_only_when_a_part_will_do(
    deployment: Deployment, tmp_path: Path
) -> None:
    params = sample_params(Sample.MEDIA, AccountSid=ACCOUNT_SID, To=OURS, Body="the plan")
    deployment.double.receive(params, at=deployment.now - DAY / 2, deliver=False)
    deployment.double.store.remove("media", "ME1")

    refused = deployment.recover(tmp_path / "first")
    (problem,) = refused.problems
    assert (deployment.published, problem.sid) == ({}, params["MessageSid"])
    assert problem.reason == (
        "not published: redacted or deleted at Twilio, or it may have been: MediaUrl0; --allow-partial publishes the rest"
    )

    recovered = deployment.recover(tmp_path / "second", allow_partial=True)
    assert (recovered.lost["MediaUrl0"], recovered.partial) == (1, 1)
    assert "MediaUrl0" not in deployment.params_of(params["MessageSid"])


def test_a_file_that_was_deleted_since_makes_a_part_of_what_an_alert_holds(
    deployment: Deployment, tmp_path: Path
) -> None:
    """The alert has its URL, which leads to nothing."""
    params = sample_params(Sample.MEDIA, AccountSid=ACCOUNT_SID, To=OURS, Body="the plan")
    deployment.double.receive(params, at=deployment.now - DAY / 2, deliver=False)
    deployment.double.store.remove("media", "ME1")
    deployment.alert(params["MessageSid"], variables=urlencode(params))

    assert "MediaUrl0" in deployment.recover(tmp_path / "first").problems[0].reason
    recovered = deployment.recover(tmp_path / "second", allow_partial=True)
    assert (recovered.whole, recovered.partial, recovered.lost) == (0, 1, {"MediaUrl0": 1})


@pytest.mark.parametrize(
    "variables",
    [
        "",
        "CallSid=CA1&From=%2B15005550006",
        "MessageSid={sid}&From=%2B15005550009&To=%2B15005550006&MessageStatus=delivered&Body=no",
        "garbage",
        f"MessageSid=SM{'2' * 32}&From=%2B1500&To=%2B1500&Body=other",
    ],
)
def test_an_alert_about_something_else_is_not_taken_for_the_webhook(
    deployment: Deployment, tmp_path: Path, variables: str
) -> None:
    (sid,) = deployment.receive(1)
    deployment.alert(sid, variables=variables.replace("{sid}", sid))

    assert deployment.recover(tmp_path).origins == {"rest": 1}
    assert deployment.params_of(sid)["Body"] == "order 0"


def test_what_was_stored_since_the_comparison_is_not_published(
    deployment: Deployment, tmp_path: Path
) -> None:
    sids = deployment.receive(3)
    with deployment.compared() as notes, deployment.journal(tmp_path) as journal:
        deployment.store(sids[:1])
        deployment.store(sids[1:2], with_id=False)
        recovered = deployment.recovery(journal).run(notes.findings(ComparisonResult.MISSING), Recovered())

    assert set(deployment.published) == {sids[2]}
    assert recovered.counts() == {"published": 1, "stored": 3, "stored_meanwhile": 2, "not_proven": 0}


def test_a_message_that_was_deleted_at_twilio_is_a_problem_of_its_own(
    deployment: Deployment, tmp_path: Path
) -> None:
    gone, other = deployment.receive(2)
    with deployment.compared() as notes, deployment.journal(tmp_path) as journal:
        deployment.double.store.remove("message", gone)
        recovered = deployment.recovery(journal).run(notes.findings(ComparisonResult.MISSING), Recovered())

    assert set(deployment.published) == {other}
    (problem,) = recovered.problems
    assert problem.sid == gone
    assert problem.reason.startswith("not published: deleted at Twilio: ")


def test_a_deleted_message_comes_back_from_its_alert_only_when_a_part_will_do(
    deployment: Deployment, tmp_path: Path
) -> None:
    (sid,) = deployment.receive(1)
    variables = {"MessageSid": sid, "From": THEIRS, "To": OURS, "Body": "two", "NumMedia": "0"}
    deployment.alert(sid, variables=urlencode(variables), ago=timedelta(hours=1))
    with deployment.compared() as notes, deployment.journal(tmp_path) as journal:
        found = list(notes.findings(ComparisonResult.MISSING))
        deployment.double.store.remove("message", sid)
        refused = deployment.recovery(journal).run(found, Recovered())
        recovered = deployment.recovery(journal, allow_partial=True).run(found, Recovered())

    assert "deleted at Twilio" in refused.problems[0].reason
    assert (recovered.published, recovered.partial, recovered.whole) == (1, 1, 0)
    assert deployment.params_of(sid)["Body"] == "two"


def test_a_token_that_was_revoked_stops_everything(deployment: Deployment, tmp_path: Path) -> None:
    deployment.receive(3)
    with deployment.compared() as notes, deployment.journal(tmp_path) as journal:
        deployment.double.faults.plan(
            PlannedFault(fault=Fault.REFUSE, matching="GET .*Messages/SM", status=401, code=20003, times=9)
        )
        with pytest.raises(TwilioDenied):
            deployment.recovery(journal).run(notes.findings(ComparisonResult.MISSING), Recovered())

    assert deployment.published == {}


def test_when_nothing_of_a_window_is_stored_the_rest_is_not_published(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b2bpilot.ops.reconcile.recovery.WINDOW", 2)
    deployment.receive(6)
    deployment.refuse = True

    recovered = deployment.recover(tmp_path)

    assert recovered.is_stopped
    assert len(recovered.problems) == 2
    with pytest.raises(PartlyFailed, match="none of the messages published last was stored"):
        require_everything_stored(recovered, "run")
    (path,) = (tmp_path / "runs").glob("*.jsonl")
    assert read(path).counts is None

    deployment.refuse = False
    with Journal.reopen(path, operator="ana") as journal:
        resume(deployment.recovery(journal), read(path))
    assert deployment.findings(ComparisonResult.MISSING) == {}


def test_when_there_is_no_rest_nothing_is_said_to_have_been_left(
    deployment: Deployment, tmp_path: Path
) -> None:
    """All there was went out, and nothing of it was stored: the run came to its end."""
    deployment.receive(2)
    deployment.refuse = True

    recovered = deployment.recover(tmp_path)

    assert not recovered.is_stopped
    with pytest.raises(PartlyFailed, match="2 of the missing messages are not proven to be stored"):
        require_everything_stored(recovered, "run")


def test_a_resumed_run_tells_what_all_of_it_did(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the first window; what that one did is in the journal."""
    monkeypatch.setattr("b2bpilot.ops.reconcile.recovery.WINDOW", 2)
    sids = deployment.receive(5)
    variables = {"MessageSid": sids[0], "From": "+15005550006", "To": "+15005550009", "NumMedia": "0"}
    deployment.alert(sids[0], variables=urlencode(variables), ago=timedelta(hours=1))
    with deployment.compared() as notes, deployment.journal(tmp_path) as journal:
        write_plan(journal, notes)
        first = islice(notes.findings(ComparisonResult.MISSING), 2)
        deployment.recovery(journal).run(first, Recovered())

    with Journal.reopen(journal.path, operator="ana") as reopened:
        recovered = resume(deployment.recovery(reopened), read(journal.path))
        finish(reopened, recovered)

    assert recovered.counts() == {"published": 5, "stored": 5, "stored_meanwhile": 0, "not_proven": 0}
    assert recovered.origins == {"alert": 1, "rest": 4}
    assert recovered.lost["FromCity"] == 4
    assert read(journal.path).counts == recovered.counts()


class Cut:
    """Takes what is published and loses the answers of all but the first `answered`; `refused` are not taken at all."""

    def __init__(self, deployment: Deployment, *, answered: int = 0, refused: int = 0) -> None:
        self.deployment, self.answered, self.refused = deployment, answered, refused

    def publish_batch(self, messages: Sequence[Encoded]) -> list[Published]:
        taken = self.deployment.publish_batch(messages[self.refused :])
        refused = Published(error=PublishFailed("SNS refused the message"))
        lost = Published(error=PublishFailed("no answer", is_unknown=True))
        heard = [result if place < self.answered else lost for place, result in enumerate(taken)]
        return [refused] * self.refused + heard


def test_with_answers_cut_the_summary_says_what_the_run_did(deployment: Deployment, tmp_path: Path) -> None:
    """All of them came, as their rows show; of most no answer said so."""
    deployment.receive(8)
    with deployment.compared() as notes, deployment.journal(tmp_path) as journal:
        write_plan(journal, notes)
        recovery = replace(deployment.recovery(journal), publisher=Cut(deployment, answered=2, refused=1))
        recovered = recovery.run(notes.findings(ComparisonResult.MISSING), Recovered())

    assert list(summary(recovered)) == [
        "Sent 8 messages to the topic; of these",
        "  2 published: SNS took them; 2 proven to be stored",
        "  5 unknown: no answer says whether SNS took them; 5 proven to be stored",
        "  1 certainly not published",
    ]
    assert recovered.counts() == {
        "published": 2,
        "stored": 7,
        "stored_meanwhile": 0,
        "not_proven": 1,
        "unknown": 5,
        "unknown_stored": 5,
    }
    assert recovered.origins == {"rest": 7}
    assert recovered.problems[0].reason == "not published: SNS refused the message"


def test_what_was_being_sent_when_it_ended_is_unknown_and_so_it_is_after_a_resume(
    deployment: Deployment, tmp_path: Path
) -> None:
    deployment.receive(3)
    with deployment.compared() as notes, deployment.journal(tmp_path) as journal:
        write_plan(journal, notes)

        class Interrupted:
            def publish_batch(self, messages: Sequence[Encoded]) -> list[Published]:
                deployment.publish_batch(messages)
                raise KeyboardInterrupt

        recovered = Recovered()
        with pytest.raises(KeyboardInterrupt):
            replace(deployment.recovery(journal), publisher=Interrupted()).run(
                notes.findings(ComparisonResult.MISSING), recovered
            )
    assert (recovered.published, len(recovered.unknown), recovered.proven) == (0, 3, 0)

    with Journal.reopen(journal.path, operator="ana") as reopened:
        resumed = resume(deployment.recovery(reopened), read(journal.path))

    assert list(summary(resumed)) == [
        "Sent 3 messages to the topic; of these",
        "  0 published: SNS took them; 0 proven to be stored",
        "  3 unknown: no answer says whether SNS took them; 3 proven to be stored",
    ]
    assert resumed.stored_meanwhile == 0


def test_a_refusal_of_what_was_sent_before_leaves_it_unknown() -> None:
    recovered = Recovered()
    recovered.begin("SM1", Contents(origin=RebuiltFrom.REST))
    recovered.begin("SM1", Contents(origin=RebuiltFrom.REST))
    recovered.not_taken("SM1")

    assert (recovered.refused, list(recovered.unknown)) == (0, ["SM1"])


def test_a_published_message_that_cannot_be_processed_is_said_to_be(
    deployment: Deployment, tmp_path: Path
) -> None:
    """Twilio's own NumMedia makes no sense here, so that the processor refuses it."""
    (sid,) = deployment.receive(1)
    variables = {"MessageSid": sid, "From": "+15005550006", "To": "+15005550009", "NumMedia": "two"}
    deployment.alert(sid, variables=urlencode(variables), ago=timedelta(hours=1))

    def publish(messages: Sequence[Encoded]) -> list[Published]:
        with pytest.raises(Exception, match="NumMedia"):
            Deployment.publish_batch(deployment, messages)
        return [Published(sns_message_id="1")] * len(messages)

    deployment.publish_batch = publish  # type: ignore[method-assign]
    recovered = deployment.recover(tmp_path)

    (problem,) = recovered.problems
    assert "processing failed: NumMedia" in problem.reason
