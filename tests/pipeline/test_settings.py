"""What a function believes: its secret before a variable of the same name."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

from b2bpilot.pipeline import settings as module
from b2bpilot.pipeline.settings import VARIABLES, Settings

ENVIRONMENT = {
    "SECRET_ARN": "arn",
    "DATABASE_URL": "postgresql://shell/other",
    "TWILIO_AUTH_TOKEN": "the shell's",
}


def test_what_the_secret_holds_wins_over_a_variable_of_the_same_name() -> None:
    secret = {"DATABASE_URL": "postgresql://ours/pilot", "TWILIO_AUTH_TOKEN": "ours"}
    settings = Settings.from_env(ENVIRONMENT, read_secret=lambda _: secret)
    assert (settings.database_url, settings.twilio_auth_tokens) == ("postgresql://ours/pilot", ("ours",))


def test_a_field_of_the_secret_that_is_empty_is_not_filled_from_a_variable() -> None:
    """An old token that was taken out of the secret must not sign for anybody any more."""
    environment = {**ENVIRONMENT, "TWILIO_SECONDARY_AUTH_TOKEN": "old"}
    secret = {"TWILIO_AUTH_TOKEN": "ours", "TWILIO_SECONDARY_AUTH_TOKEN": ""}
    settings = Settings.from_env(environment, read_secret=lambda _: secret)
    assert settings.twilio_auth_tokens == ("ours",)


def test_variables_say_what_the_secret_does_not_hold() -> None:
    environment = {
        "SECRET_ARN": "arn",
        "REPLY_TEXT": "Thanks",
        "STALE_AFTER_MINUTES": "1",
        "DATABASE_URL": "a",
    }
    settings = Settings.from_env(environment, read_secret=lambda _: {})
    assert (settings.reply_text, settings.stale_after.total_seconds(), settings.database_url) == (
        "Thanks",
        60,
        "a",
    )


def test_how_twilio_is_reached_is_read_from_the_secret_alone() -> None:
    """The commands do not know a function's variables: a region there would part replies from all else."""
    given = {
        "TWILIO_REGION": "ie1",
        "TWILIO_EDGE": "dublin",
        "TWILIO_API_KEY": "SK1",
        "TWILIO_API_SECRET": "x",
    }
    settings = Settings.from_env({**ENVIRONMENT, **given}, read_secret=lambda _: {})
    assert (settings.twilio_region, settings.twilio_edge, settings.twilio_api_key) == (None, None, None)

    settings = Settings.from_env(ENVIRONMENT, read_secret=lambda _: given)
    assert (settings.twilio_region, settings.twilio_edge, settings.twilio_api_key) == ("ie1", "dublin", "SK1")
    assert settings.twilio_api_secret == "x"


def secrets(**held: dict[str, str]) -> Callable[[str], dict[str, str]]:
    def read(arn: str) -> dict[str, str]:
        return held[arn]

    return read


def test_a_function_reads_the_secrets_that_it_is_told_and_no_other() -> None:
    """SECRET_ARN stands beside them for code of the release before."""
    both = {"SECRET_ARN": "old", "TWILIO_SECRET_ARN": "twilio", "DATABASE_SECRET_ARN": "database"}
    read = secrets(twilio={"TWILIO_AUTH_TOKEN": "t"}, database={"DATABASE_URL": "postgresql://db/pilot"})

    settings = Settings.from_env(both, read_secret=read)
    assert (settings.twilio_auth_tokens, settings.database_url) == (("t",), "postgresql://db/pilot")

    webhook = Settings.from_env({"SECRET_ARN": "old", "TWILIO_SECRET_ARN": "twilio"}, read_secret=read)
    assert (webhook.twilio_auth_tokens, webhook.database_url) == (("t",), None)
    stale = Settings.from_env({"SECRET_ARN": "old", "DATABASE_SECRET_ARN": "database"}, read_secret=read)
    assert (stale.twilio_auth_tokens, stale.database_url) == ((), "postgresql://db/pilot")


def test_a_secret_says_nothing_but_what_it_is_for() -> None:
    named = {"TWILIO_SECRET_ARN": "twilio", "DATABASE_SECRET_ARN": "database", "SNS_TOPIC_ARN": "ours"}
    odd = {"SNS_TOPIC_ARN": "theirs", "TWILIO_AUTH_TOKEN": "theirs", "DATABASE_URL": "postgresql://db/pilot"}
    read = secrets(twilio={"DATABASE_URL": "postgresql://other/x", "SNS_TOPIC_ARN": "theirs"}, database=odd)

    settings = Settings.from_env(named, read_secret=read)
    assert (settings.topic_arn, settings.twilio_auth_tokens) == ("ours", ())
    assert settings.database_url == "postgresql://db/pilot"


def test_every_name_that_is_read_is_in_the_list() -> None:
    source = inspect.getsource(Settings.from_env) + inspect.getsource(module._secrets)
    assert set(re.findall(r"\"([A-Z][A-Z_]+[A-Z])\"", source)) == set(VARIABLES)
