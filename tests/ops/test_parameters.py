"""Twilio's parameters as a person types them."""

from __future__ import annotations

import pytest

from b2bpilot.errors import UsageError
from b2bpilot.ops.parameters import is_message_sid, parse_parameter, with_media_count


@pytest.mark.parametrize(
    ("text", "parameter"),
    [
        ("Body=a=b", ("Body", "a=b")),
        ("ProfileName=", ("ProfileName", "")),
        ("MediaUrl0=https://x", ("MediaUrl0", "https://x")),
        ("MediaContentType12=image/png", ("MediaContentType12", "image/png")),
    ],
)
def test_known_parameters_are_taken(text: str, parameter: tuple[str, str]) -> None:
    assert parse_parameter(text) == parameter


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("ProfilName=Ada", "did you mean ProfileName?"),
        ("MediaUrl=https://x", "did you mean MediaUrl0?"),
        ("body=x", "did you mean Body?"),
        ("=x", "names are case-sensitive"),
        ("Body", "for example --set ProfileName=Ada"),
    ],
)
def test_others_are_refused_with_what_helps(text: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_parameter(text)
    assert raised.value.hint == hint


def test_media_are_counted_unless_a_count_is_given() -> None:
    media = {"MediaUrl0": "a", "MediaUrl1": "b"}
    assert with_media_count(media)["NumMedia"] == "2"
    assert with_media_count({**media, "NumMedia": "7"})["NumMedia"] == "7"


@pytest.mark.parametrize("text", ["SM123", f"XX{'0' * 32}", f"SM{'g' * 32}", f"SM{'0' * 33}", ""])
def test_what_is_no_sid_is_none(text: str) -> None:
    assert not is_message_sid(text)
