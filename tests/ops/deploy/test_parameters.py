"""Parameters of the template: those of a file, and what fits."""

from __future__ import annotations

import pytest

from b2bpilot import resources
from b2bpilot.errors import SettingsInvalid
from b2bpilot.ops.deploy.parameters import given, parameters
from b2bpilot.ops.verify.template import parse

KNOWN = parameters(parse(resources.template().read_text(encoding="utf-8")))


def test_the_templates_parameters_are_known_by_their_defaults_and_secrets() -> None:
    assert KNOWN["Architecture"].default == "arm64"
    assert KNOWN["TwilioAuthToken"].default is None
    assert {"TwilioAuthToken", "DatabaseUrl"} == {name for name, each in KNOWN.items() if each.is_secret}


def test_a_default_of_the_template_fits_its_own_rules() -> None:
    for each in KNOWN.values():
        if each.default is not None:
            each.require(each.default)


def test_a_file_gives_values_as_text() -> None:
    text = "ReplyText: ''\nStaleAfterMinutes: 20\nArchitecture: x86_64\n"
    assert given(text, KNOWN, origin="dev.yaml") == {
        "ReplyText": "", "StaleAfterMinutes": "20", "Architecture": "x86_64",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SubscriberAccounts", "012345670123"),
        ("SubscriberAccounts", "012345670123,123456789012"),
        ("SubscriberAccounts", "012345670123, 123456789012"),
        ("SubnetIds", "subnet-0123456789abcdef0,subnet-0123456789abcdef1"),
        ("DatabasePort", "05432"),
        ("HighPriorityNumbers", "+15005550001"),
        ("HighPriorityNumbers", "+15005550001, 12345"),
    ],
)
def test_a_value_is_taken_as_it_is_written(name: str, value: str) -> None:
    """Digits are no number, and a list fits when each of it does."""
    assert given(f"{name}: {value}", KNOWN, origin="dev.yaml") == {name: value}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a\n- b", "does not hold parameters"),
        ("a: [", "neither YAML nor JSON"),
        ("Envrionment: dev", "has unknown parameters: Envrionment"),
        ("DatabaseUrl: postgresql://u:hunter/2@h/x", "parameter DatabaseUrl is not valid"),
        ("SubscriberAccounts: 012345670123,12345", "parameter SubscriberAccounts is not valid"),
        ("SubscriberAccounts: 012345670123,", "parameter SubscriberAccounts is not valid"),
        (
            "HighPriorityNumbers: +15005550001;+15005550002",
            "it must be empty, or numbers such as +15005550001",
        ),
        ("HighPriorityNumbers: whatsapp:+15005550001", "parameter HighPriorityNumbers is not valid"),
        (
            f"HighPriorityNumbers: '{','.join(['+15005550001'] * 200)}'",
            "it has 2,599 characters, of at most 1,600",
        ),
        ("ExpressConcurrency: ''", "it must be 0 for no express lane, or 1 to 9999"),
        ("ExpressConcurrency: -1", "parameter ExpressConcurrency is not valid"),
        ("Architecture: mips", "it must be one of arm64, x86_64"),
        ("ReplyText: {a: hunter2}", "does not hold parameters"),
    ],
)
def test_what_cannot_be_used_is_named_and_not_repeated(text: str, said: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        given(text, KNOWN, origin="dev.yaml")
    assert said in str(refused.value)
    assert "hunter" not in str(refused.value)
