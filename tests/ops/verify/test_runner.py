"""Running checks: their order, what they need, their time, and what goes wrong in them."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from b2bpilot.advice import our_command
from b2bpilot.aws.session import AwsAccess
from b2bpilot.errors import (
    AwsDenied,
    AwsError,
    AwsThrottled,
    AwsUnreachable,
    CredentialsMissing,
    DatabaseUnreachable,
)
from b2bpilot.ops.verify.check import Answer, Check, CheckResult, Severity, Status, fails, holds, unanswered
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.once import Once
from b2bpilot.ops.verify.runner import Runner
from tests.ops.verify.deployments import NOW, check, deployment, raising


def run(*checks: Check, check_seconds: float = 10) -> dict[str, CheckResult]:
    results = Runner(checks, check_seconds=check_seconds).run(deployment())
    return {result.check.code: result for result in results}


def test_results_come_in_the_order_of_the_checks_however_long_each_takes() -> None:
    last_is_done = threading.Event()

    def first(_: Deployment) -> Answer:
        return holds("late") if last_is_done.wait(10) else fails("they did not run side by side")

    def last(_: Deployment) -> Answer:
        last_is_done.set()
        return holds("early")

    found = run(check("B2B901", first), check("B2B902"), check("B2B903", last))

    assert list(found) == ["B2B901", "B2B902", "B2B903"]
    assert found["B2B901"].seen == "late"


def test_a_check_whose_need_failed_is_skipped_and_says_so() -> None:
    found = run(
        check("B2B901", lambda _: fails("no")),
        check("B2B902", needs=("B2B901",)),
        check("B2B903", needs=("B2B902",)),
        check("B2B904"),
    )

    assert [one.status for one in found.values()] == [
        Status.FAILED,
        Status.SKIPPED,
        Status.SKIPPED,
        Status.OK,
    ]
    assert found["B2B902"].seen == "needs B2B901"


def test_a_need_may_come_later_in_the_list() -> None:
    found = run(check("B2B901", needs=("B2B902",)), check("B2B902", lambda _: fails("no")))

    assert found["B2B901"].status is Status.SKIPPED


def test_a_warning_does_not_keep_others_from_being_looked_at() -> None:
    found = run(
        check("B2B901", lambda _: fails("odd"), severity=Severity.WARNING),
        check("B2B902", needs=("B2B901",)),
    )

    assert [one.status for one in found.values()] == [Status.WARNING, Status.OK]


def test_unless_failed_lets_pass_what_nobody_could_look_at() -> None:
    found = run(
        check("B2B901", lambda _: unanswered("not here")),
        check("B2B902", unless_failed=("B2B901",)),
        check("B2B903", lambda _: fails("no")),
        check("B2B904", unless_failed=("B2B903",)),
    )

    assert found["B2B902"].status is Status.OK
    assert found["B2B904"].status is Status.SKIPPED


def test_a_need_that_was_not_chosen_stands_in_nobody_s_way() -> None:
    assert run(check("B2B902", needs=("B2B901",)))["B2B902"].status is Status.OK


def test_a_probe_that_hangs_is_a_failed_check_and_the_rest_goes_on() -> None:
    never = threading.Event()
    found = run(check("B2B901", lambda _: holds(str(never.wait(60)))), check("B2B902"), check_seconds=0.05)
    never.set()

    assert found["B2B901"].status is Status.FAILED
    assert found["B2B901"].seen == "no answer within 0.05 s"
    assert found["B2B901"].may_change
    assert found["B2B902"].status is Status.OK


def test_a_stack_that_hangs_while_the_command_is_made_holds_nobody_up() -> None:
    answered = threading.Event()
    at = Deployment(name="staging", access=AwsAccess(region="eu-west-1"), now=NOW)
    threading.Thread(target=lambda: at.ask("stack", lambda: answered.wait(60)), daemon=True).start()
    failing = check("B2B901", lambda _: fails("no"), fix="aws sns get --arn {topic_arn}")

    (found,) = Runner([failing], check_seconds=0.05).run(at)
    answered.set()

    assert (found.status, found.seen) == (Status.FAILED, "no answer within 0.05 s")


def test_a_check_may_have_time_of_its_own() -> None:
    slow = check("B2B901", lambda _: holds(str(time.sleep(0.1))), extra_seconds=10)

    assert run(slow, check_seconds=0.01)["B2B901"].status is Status.OK


def test_a_denied_probe_is_skipped_with_the_permission_it_lacks() -> None:
    found = run(check("B2B901", raising(AwsDenied("denied", action="lambda:GetPolicy"))))["B2B901"]

    assert found.status is Status.SKIPPED
    assert found.seen == "the caller may not lambda:GetPolicy"


@pytest.mark.parametrize(
    ("error", "may_change"),
    [
        (AwsThrottled("slow down"), True),
        (AwsUnreachable("no route"), True),
        (DatabaseUnreachable("no connection"), True),
        (AwsError("no such thing"), False),
        (CredentialsMissing("expired"), False),
        (ZeroDivisionError("oops"), False),
    ],
)
def test_what_a_probe_raises_is_one_failed_check(error: Exception, may_change: bool) -> None:
    found = run(check("B2B901", raising(error), fix="mend-it"), check("B2B902"))

    assert found["B2B901"].status is Status.FAILED
    assert str(error) in found["B2B901"].seen
    assert found["B2B901"].may_change is may_change
    assert found["B2B902"].status is Status.OK


def test_the_answer_s_own_command_replaces_the_check_s_also_by_none_at_all() -> None:
    found = run(
        check("B2B901", lambda _: fails("no"), fix=our_command("migrate")),
        check("B2B902", lambda _: fails("no", fix="aws sns unsubscribe"), fix="x"),
        check("B2B903", lambda _: fails("no", fix=""), fix="x"),
        check("B2B904", fix="x"),
    )

    assert [one.fix for one in found.values()] == [
        "b2bpilot migrate -e staging --region eu-west-1",
        "aws --region eu-west-1 sns unsubscribe",
        None,
        None,
    ]


def test_a_command_that_cannot_be_filled_is_one_failed_check() -> None:
    found = run(check("B2B901", lambda _: fails("no", fix="aws {nothing}")), check("B2B902"))

    assert found["B2B901"].status is Status.FAILED
    assert found["B2B901"].seen == "the check itself broke: KeyError: 'nothing'"
    assert found["B2B902"].status is Status.OK


def test_what_is_known_is_not_looked_at_again() -> None:
    asked: list[str] = []

    def probe(_: Deployment) -> Answer:
        asked.append("again")
        return holds("anew")

    checks = [check("B2B901", probe), check("B2B902", probe, needs=("B2B901",))]
    known = CheckResult(check=checks[0], status=Status.OK, seen="known")
    found = list(Runner(checks).run(deployment(), {"B2B901": known}))

    assert found[0] is known
    assert asked == ["again"]


def test_a_source_that_several_ask_at_once_answers_once() -> None:
    once, together, asked = Once(), threading.Barrier(8), []

    def source() -> int:
        asked.append(1)
        return len(asked)

    def ask(_: int) -> int:
        together.wait()
        return once.ask("same", source)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {1}


def test_a_source_that_fails_fails_for_all_who_ask() -> None:
    once, asked = Once(), []

    def source() -> None:
        asked.append(1)
        raise AwsError("gone")

    for _ in range(2):
        with pytest.raises(AwsError, match="gone"):
            once.ask("same", source)
    assert asked == [1]
