import tomllib
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def samconfig(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "samconfig.toml").read_text())


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_each_environment_deploys_the_stack_that_the_command_line_looks_for(
    samconfig: dict[str, Any], environment: str
) -> None:
    deploy = samconfig[environment]["deploy"]["parameters"]
    assert deploy["stack_name"] == f"b2b-pilot-{environment}"
    assert deploy["parameter_overrides"] == [f"Environment={environment}"]


def test_only_production_asks_before_it_changes_anything(samconfig: dict[str, Any]) -> None:
    asks = {
        name: samconfig[name]["deploy"]["parameters"]["confirm_changeset"]
        for name in ("dev", "staging", "prod")
    }
    assert asks == {"dev": False, "staging": False, "prod": True}


@pytest.mark.parametrize("environment", ["default", "dev", "staging", "prod"])
def test_no_environment_builds_in_a_copy_of_the_checkout(samconfig: dict[str, Any], environment: str) -> None:
    assert samconfig[environment]["build"]["parameters"]["build_in_source"] is True


def test_without_an_environment_nothing_is_deployed(samconfig: dict[str, Any]) -> None:
    assert "deploy" not in samconfig["default"]
