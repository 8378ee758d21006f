"""Patterns of metric filters, as CloudWatch Logs reads them."""

from __future__ import annotations

import pytest

from b2bpilot.local.runtime.log_pattern import log_pattern

LINE = {"event": "rejected", "status": "404", "agent": "TwilioProxy/1.1", "id": None, "count": 3}


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ('{ $.event = "rejected" }', True),
        ('{ $.event = "reject" }', False),
        ('{ $.status = "4*" }', True),
        ('{ $.status = "*5*" }', False),
        ('{ $.agent = "TwilioProxy/1?1" }', False),
        ('{ $.event != "stored" }', True),
        ('{ $.id = "*" }', False),
        ('{ $.count = "3" }', False),
        ('{ $.absent = "*" }', False),
        ('{ ($.event = "rejected") && ($.status = "4*") }', True),
        ('{ ($.event = "rejected") && ($.status != "4*") }', False),
        ('{ (($.event = "stored") && ($.status = "4*")) || ($.agent = "Twilio*") }', True),
    ],
)
def test_a_pattern_matches_as_cloudwatch_has_it(pattern: str, matches: bool) -> None:
    assert log_pattern(pattern)(LINE) is matches


@pytest.mark.parametrize(
    "pattern",
    ["", "ERROR", "{ $.count > 2 }", "{ $.id IS NULL }", '{ $.a = "x" && ($.b = "y" || $.c = "z") }'],
)
def test_a_pattern_of_another_form_is_refused_rather_than_misread(pattern: str) -> None:
    with pytest.raises(ValueError, match="is not understood here"):
        log_pattern(pattern)
