"""`verify` finds what is wrong with a deployment, says it with one code, and prints the command that mends it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from b2bpilot.aws.session import AwsAccess
from tests.local.conftest import machine
from tests.local.verify_breakages import BREAKAGES, Breakage
from tests.local.verify_stage import Stage, opened

pytestmark = pytest.mark.xdist_group("local")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """An environment of this module's own: others leave dead letters and failures behind."""
    folder = tmp_path_factory.mktemp("verify")
    with machine(folder / "home") as environment:
        state = environment.state
        access = AwsAccess(
            region=state.region,
            endpoint_url=state.endpoint_url,
            access_key_id=state.account_id,
            secret_access_key="local",
        )
        yield opened(access, folder / "bytecode")


def test_a_fresh_environment_is_whole_but_nobody_hears_its_alarms(stage: Stage) -> None:
    assert stage.before == {"B2B088"}


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda one: f"{one.code}-{one.what.replace(' ', '-')}")
def test_a_breakage_is_found_by_its_own_code_and_mended_by_the_printed_command(
    stage: Stage, breakage: Breakage
) -> None:
    breakage.do(stage)
    red = stage.red()
    assert list(red) == [breakage.code], {code: one.seen for code, one in red.items()}
    mend = red[breakage.code].mend
    if breakage.mended:
        assert mend
        stage.run(mend)
        assert breakage.code not in stage.red()
    breakage.after(stage)
    assert stage.red() == {}
