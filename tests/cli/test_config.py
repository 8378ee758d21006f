"""`config show`: each setting and its place, also where one cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from b2bpilot.cli.frame.settings import SETTINGS
from tests.cli.conftest import Run
from tests.cli.test_frame import config


def settings(run: Run, *arguments: str) -> dict[str, Any]:
    return {one["name"]: one for one in run("config", "show", "-o", "json", *arguments).document["settings"]}


def test_a_setting_is_from_the_strongest_place_and_wins_over_the_others(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each setting, of each kind of place."""
    config('env = "users"\nregion = "eu-west-9"', user=True)
    config('region = "eu-west-8"')
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-7")
    monkeypatch.setenv("B2BPILOT_REGION", "eu-west-6")

    found = settings(run, "--region", "eu-west-5")

    assert [found["region"]["value"], found["region"]["from"]] == ["eu-west-5", "--region"]
    assert found["region"]["others"] == [
        {"value": "eu-west-6", "from": "B2BPILOT_REGION"},
        {"value": "eu-west-7", "from": "AWS_DEFAULT_REGION"},
        {"value": "eu-west-8", "from": str(Path.cwd() / "b2bpilot.toml")},
        {"value": "eu-west-9", "from": str(Path.home() / ".config/b2bpilot/config.toml")},
    ]
    assert (found["env"]["value"], found["env"]["others"]) == ("users", [])
    assert (found["verbose"]["value"], found["verbose"]["from"]) == ("false", None)
    assert list(found) == [*(setting.name for setting in SETTINGS), "subscribers"]


def test_the_subscribers_of_local_up_are_those_of_the_strongest_file(run: Run) -> None:
    assert settings(run)["subscribers"]["value"] is None
    config('subscribers = ["../crm"]', user=True)
    config('subscribers = ["../analytics", "../audit"]')

    found = settings(run)["subscribers"]

    assert (found["value"], found["from"]) == ("../analytics, ../audit", str(Path.cwd() / "b2bpilot.toml"))
    assert [one["value"] for one in found["others"]] == ["../crm"]


def test_a_region_of_the_profile_is_said_to_be_that(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    aws = Path.home() / ".aws" / "config"
    aws.parent.mkdir(parents=True)
    aws.write_text("[default]\nregion = eu-north-1\n[profile on-call]\nregion = sa-east-1\n")

    assert settings(run)["region"]["from"] == "profile default of the AWS CLI"
    assert settings(run, "--profile", "on-call")["region"]["value"] == "sa-east-1"
    assert settings(run, "--profile", "nobody")["region"]["problem"] == "AWS profile 'nobody' does not exist"


@pytest.mark.parametrize("form", ["table", "json", "jsonl"])
def test_no_password_is_shown(run: Run, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config('database_url = "postgresql://me:of-the-file@db/pilot"')
    monkeypatch.setenv("B2BPILOT_DATABASE_URL", "host=db password=of-the-variable")
    monkeypatch.setenv("B2BPILOT_ENDPOINT_URL", "https://me:of-the-endpoint@proxy")

    shown = run("config", "show", "-o", form)

    assert "of-the" not in shown.stdout + shown.stderr
    assert "password=***" in shown.stdout
    assert "https://me:***@proxy" in shown.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('regoin = "eu-west-1"', "has unknown keys: regoin; did you mean region for regoin? the keys are color, "),
        ('zzz = "eu-west-1"', "has unknown keys: zzz; the keys are color, "),
        ("query = \"a\"", "has unknown keys: query; the keys are"),
        ("region = 7", "region must be text"),
        ("region", "is not TOML"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_shown_and_refused(run: Run, text: str, said: str) -> None:
    """Every other command stops there; this one shows the rest first."""
    config(text)
    result = run("config", "show", "-o", "json", "-e", "prod")

    assert result.exit_code == 2
    here, _ = result.document["files"]
    assert said in here["problem"]
    assert result.document["settings"][0]["value"] == "prod"
    assert result.document["error"]["code"] == "settings_invalid"
    assert "cannot be used" in run("config", "show").stdout


def test_a_value_that_cannot_be_used_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("B2BPILOT_VERBOSE", "perhaps")
    result = run("config", "show")

    assert result.exit_code == 2
    assert "'perhaps' (from B2BPILOT_VERBOSE) must be true or false" in result.stdout
    assert result.stderr == "error: 'perhaps' (from B2BPILOT_VERBOSE) must be true or false\n"


def test_of_the_local_environment_it_says_what_is_not_used(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("NO_COLOR", "1")
    found = settings(run, "-e", "local", "--endpoint-url", "http://127.0.0.1:1")

    assert found["region"]["problem"] == "not used: the local environment has its own"
    assert found["endpoint_url"]["problem"] is None
    assert (found["color"]["value"], found["color"]["from"]) == ("never", "NO_COLOR")
