"""`verify` finds what is wrong with other teams' subscribers: a warning, unless it was asked for by name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from b2bpilot.aws.session import AwsAccess
from b2bpilot.ops.verify.catalogue import CHECKS
from b2bpilot.ops.verify.check import Category, Status
from tests.breaking import breaks
from tests.local.conftest import machine
from tests.local.verify_stage import RED, opened
from tests.local.verify_teams import WRONG, Teams, Wrong

OF_SUBSCRIBERS = tuple(check for check in CHECKS if check.category is Category.SUBSCRIBERS)


@pytest.fixture(scope="module")
def teams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Teams]:
    """An environment of this module's own, with two subscribers that are right."""
    folder = tmp_path_factory.mktemp("subscribers")
    with machine(folder / "home") as environment:
        state = environment.state
        access = AwsAccess(
            region=state.region,
            endpoint_url=state.endpoint_url,
            access_key_id=state.access_key_id,
            secret_access_key=state.secret_access_key,
        )
        yield Teams(opened(access, folder / "bytecode")).deploy()


def test_subscribers_that_are_right_make_no_check_red(teams: Teams) -> None:
    found = teams.stage.look()
    assert {code for code, one in found.items() if one.status in RED} == teams.stage.before
    assert {
        code for code, one in found.items() if one.check in OF_SUBSCRIBERS and one.status is not Status.OK
    } == set()
    assert found["B2B182"].seen.startswith("analytics: no filter policy: every message, tests too; billing: ")


@breaks("B2B181", "B2B182", "B2B184", "B2B185", "B2B186", "B2B187", "B2B188", "B2B189")
@pytest.mark.parametrize("wrong", WRONG, ids=lambda one: f"{one.code}-{one.seen[:40].replace(' ', '-')}")
def test_what_is_wrong_is_found_by_its_own_code_and_fixed_by_the_printed_command(
    teams: Teams, wrong: Wrong
) -> None:
    wrong.do(teams)
    red = teams.stage.red()
    assert list(red) == [wrong.code], {code: one.seen for code, one in red.items()}
    assert wrong.seen in red[wrong.code].seen
    assert red[wrong.code].status is Status.WARNING
    if wrong.fixed:
        fix = red[wrong.code].fix
        assert fix
        teams.stage.run(fix)
        assert teams.stage.one(wrong.code).status is Status.OK
    wrong.after(teams)
