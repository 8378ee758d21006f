"""`verify` finds what is wrong with other teams' subscribers: a warning, unless it was asked for by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from b2bpilot.cli.app import main
from b2bpilot.ops.verify.catalogue import CHECKS
from b2bpilot.ops.verify.check import Category, Status
from tests.breaking import breaks
from tests.local.conftest import machine
from tests.local.verify_stage import RED, opened
from tests.local.verify_teams import BILLING, WRONG, Teams, Wrong

OF_SUBSCRIBERS = tuple(check for check in CHECKS if check.category is Category.SUBSCRIBERS)


@pytest.fixture(scope="module")
def teams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Teams]:
    """An environment of this module's own, with two subscribers that are right."""
    folder = tmp_path_factory.mktemp("subscribers")
    with machine(folder / "home") as environment:
        yield Teams(opened(environment.access), home=environment.home).deploy()


def test_subscribers_that_are_right_make_no_check_red(teams: Teams) -> None:
    found = teams.stage.look()
    assert {code for code, one in found.items() if one.status in RED} == teams.stage.before
    assert {
        code for code, one in found.items() if one.check in OF_SUBSCRIBERS and one.status is not Status.OK
    } == set()
    assert found["B2B182"].seen.startswith("analytics: no filter policy: every message, tests too; billing: ")
    assert found["B2B188"].seen == f"billing: {BILLING} reads it, and reports each message that fails"


@breaks("B2B180", "B2B181", "B2B182", "B2B184", "B2B185", "B2B186", "B2B187", "B2B188", "B2B189")
@pytest.mark.parametrize("wrong", WRONG, ids=lambda one: f"{one.code}-{one.seen[:40].replace(' ', '-')}")
def test_what_is_wrong_is_found_by_its_own_code_and_fixed_by_the_printed_command(
    teams: Teams, wrong: Wrong
) -> None:
    wrong.do(teams)
    red = teams.red()
    assert list(red) == [wrong.code], {code: one.seen for code, one in red.items()}
    assert wrong.seen.format(queue=teams.queue_arn("")[:-1]) in red[wrong.code].seen
    assert red[wrong.code].status is Status.WARNING
    if wrong.fixed:
        fix = red[wrong.code].fix
        assert fix
        teams.stage.run(fix)
        assert teams.stage.one(wrong.code).status is Status.OK
    wrong.after(teams)


@pytest.fixture
def verify(
    teams: Teams, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, dict[str, Any], str]]:
    """Run the command: its exit code, its checks by their codes, and what it says besides."""
    monkeypatch.setenv("B2BPILOT_HOME", str(teams.home))

    def run(*options: str) -> tuple[int, dict[str, Any], str]:
        capsys.readouterr()
        code = main(["verify", "-e", "local", "-o", "json", *options])
        out, err = capsys.readouterr()
        return code, {one["code"]: one for one in json.loads(out).get("checks", [])}, out + err

    return run


def test_a_subscriber_that_is_asked_for_is_checked_alone_and_its_fault_is_a_failure(
    teams: Teams, verify: Callable[..., tuple[int, dict[str, Any], str]]
) -> None:
    code, found, _ = verify("--subscriber", "analytics")
    assert (code, {one["status"] for one in found.values()} - {"ok", "skipped"}) == (0, set())
    assert {"B2B035", "B2B105", "B2B180", "B2B189"} <= found.keys()
    assert not {"B2B010", "B2B096"} & found.keys()
    teams.change(teams.analytics, "RedrivePolicy", "{}")
    asked, found, _ = verify("--subscriber", "analytics")
    assert (asked, found["B2B184"]["status"]) == (1, "failed")
    beside, found, _ = verify("--subscriber", "billing")
    assert (beside, found["B2B184"]["status"]) == (0, "ok")
    unasked, found, _ = verify("--only", "subscribers")
    assert (unasked, found["B2B184"]["status"]) == (0, "warning")
    teams.stage.run(found["B2B184"]["mend"])
    assert verify("--subscriber", teams.analytics)[0] == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--subscriber", "nobody"), "nobody called 'nobody' is subscribed to the topic"),
        (("--subscriber", "processor"), "processor is what the other checks are about"),
        (("--subscriber", "analytics", "--only", "database"), "no check of subscribers is left to run"),
    ],
)
def test_a_name_that_leads_to_no_check_is_wrong_usage(
    verify: Callable[..., tuple[int, dict[str, Any], str]], options: tuple[str, ...], told: str
) -> None:
    code, _, said = verify(*options)
    assert code == 2
    assert told in said


def test_the_test_message_says_whom_else_it_reaches(
    teams: Teams, verify: Callable[..., tuple[int, dict[str, Any], str]]
) -> None:
    teams.change(teams.analytics, "FilterPolicy", "{}")
    teams.change(teams.billing, "FilterPolicy", '{"test": ["false"]}')
    code, found, _ = verify("--only", "end-to-end")
    teams.change(teams.billing, "FilterPolicy", "{}")
    assert (code, found["B2B096"]["status"]) == (0, "ok")
    assert found["B2B096"]["seen"].endswith(". Also reaches: analytics")


IMPORTING = """
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: lost-b2b-pilot-local
      Tags: [{Key: topic, Value: {"Fn::ImportValue": b2b-pilot-local-TopicArn}}]
"""


def test_a_stack_that_imports_the_topic_while_nothing_of_it_is_subscribed_is_missing(
    teams: Teams, verify: Callable[..., tuple[int, dict[str, Any], str]]
) -> None:
    cloudformation = teams.aws("cloudformation")
    cloudformation.create_stack(StackName="lost-b2b-pilot-local", TemplateBody=IMPORTING)
    cloudformation.get_waiter("stack_create_complete").wait(StackName="lost-b2b-pilot-local")
    asked, found, _ = verify("--subscriber", "lost")
    beside = teams.red()
    subscription = teams.subscribe("sqs", teams.admitting("lost-b2b-pilot-local"))
    there = teams.look("lost")
    teams.aws("sns").unsubscribe(SubscriptionArn=subscription)
    cloudformation.delete_stack(StackName="lost-b2b-pilot-local")
    assert (asked, found["B2B190"]["status"], found["B2B184"]["status"]) == (1, "failed", "skipped")
    assert found["B2B190"]["mend"] is None  # its template makes no subscription: no deploy brings one back
    of_subscribers = {code: one.status for code, one in beside.items() if one.check in OF_SUBSCRIBERS}
    assert of_subscribers == {"B2B190": Status.WARNING}
    assert there["B2B190"].seen == "lost: stack lost-b2b-pilot-local"
