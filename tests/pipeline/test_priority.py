"""Which messages are urgent: by the number of ours that they were sent to."""

from __future__ import annotations

import pytest

from b2bpilot.pipeline.message import Priority
from b2bpilot.pipeline.priority import numbers_in, priority_of

HIGH = numbers_in(" +15005550001 , 12345,,+442071838750")


def test_a_list_is_read_as_the_template_takes_it() -> None:
    assert {"+15005550001", "12345", "+442071838750"} == HIGH
    assert numbers_in("") == numbers_in(" , ") == frozenset()


@pytest.mark.parametrize(
    ("to", "is_high"),
    [
        ("+15005550001", True),
        ("whatsapp:+15005550001", True),
        ("rcs:+15005550001", True),
        (" +15005550001 ", True),
        ("12345", True),
        ("messenger:12345", False),
        ("rcs:brand_12345", False),
        ("15005550001", False),
        ("+150055500011", False),
        ("whatsapp:", False),
        ("", False),
        (None, False),
    ],
)
def test_a_message_is_urgent_by_its_number_on_every_channel(to: str | None, is_high: bool) -> None:
    params = {"From": "+442071838750", "Body": "+15005550001", "MessagingServiceSid": "MG1"}
    found = priority_of(params if to is None else params | {"To": to}, HIGH)
    assert found is (Priority.HIGH if is_high else Priority.NORMAL)


def test_without_numbers_nothing_is_urgent() -> None:
    assert priority_of({"To": ""}, frozenset()) is Priority.NORMAL
