"""What is a connection override and what is none, by Twilio's page; and that the double calls no URL which we call wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2bpilot.local.twilio.overrides import overrides_of
from b2bpilot.twilio.overrides import faults_of, retries_server_errors, retries_timeouts
from b2bpilot.twilio.webhook_setting import RECOMMENDED_OVERRIDES

URL = "https://new.example/hook?a=rc=9"


@pytest.mark.parametrize(
    "fragment",
    [
        RECOMMENDED_OVERRIDES,
        "rc=0",
        "rc=5&rp=all",
        "ct=100&rt=100&tt=100",
        "ct=10000&rt=15000&tt=15000",
        "rp=4xx,5xx,ct,rt",
        "sni=n&e=ashburn,sao-paulo",
    ],
)
def test_an_override_of_the_page_is_one(fragment: str) -> None:
    assert faults_of(f"{URL}#{fragment}") == []


def test_a_url_without_a_fragment_has_no_fault() -> None:
    assert faults_of(URL) == []


@pytest.mark.parametrize(
    ("fragment", "faults"),
    [
        ("rc=9", ["rc=9 is not 0 to 5"]),
        ("rc=-1", ["rc=-1 is not 0 to 5"]),
        ("rc=03", ["rc=03 is not 0 to 5"]),
        ("rc=٣", ["rc=٣ is not 0 to 5"]),
        ("rc= 3", ["rc= 3 is not 0 to 5"]),
        ("rc", ["rc= is not 0 to 5"]),
        ("ct=1", ["ct=1 is not 100 to 10000"]),
        ("rt=99999", ["rt=99999 is not 100 to 15000"]),
        ("tt=15001", ["tt=15001 is not 100 to 15000"]),
        ("rp=5xx,foo", ["rp=5xx,foo has foo; there are 4xx, 5xx, ct, rt, all"]),
        ("rp=5XX", ["rp=5XX has 5XX; there are 4xx, 5xx, ct, rt, all"]),
        ("rp=5xx,", ["rp=5xx, has nothing; there are 4xx, 5xx, ct, rt, all"]),
        ("rp=5xx%2Cct", ["rp=5xx%2Cct has 5xx%2Cct; there are 4xx, 5xx, ct, rt, all"]),
        ("sni=yes", ["sni=yes is neither y nor n"]),
        ("e=", ["e= is not a list of edge locations"]),
        ("RC=3", ["RC is not an override; there are ct, e, rc, rp, rt, sni, tt"]),
        ("top", ["top is not an override; there are ct, e, rc, rp, rt, sni, tt"]),
        ("rc=3&", ["an empty name is not an override; there are ct, e, rc, rp, rt, sni, tt"]),
        ("rc=3&rc=3", ["rc is given twice"]),
        ("rc=3#rp=5xx", ["rc=3#rp=5xx is not 0 to 5"]),
        ("", ["nothing follows its #"]),
        (
            "rc=9&rp=5xx,foo&ct=1&rt=99999",
            [
                "rc=9 is not 0 to 5",
                "rp=5xx,foo has foo; there are 4xx, 5xx, ct, rt, all",
                "ct=1 is not 100 to 10000",
                "rt=99999 is not 100 to 15000",
            ],
        ),
    ],
)
def test_what_is_no_override_is_named(fragment: str, faults: list[str]) -> None:
    assert faults_of(f"{URL}#{fragment}") == faults


@pytest.mark.parametrize(
    ("fragment", "server_errors", "timeouts"),
    [
        ("", False, False),
        (f"#{RECOMMENDED_OVERRIDES}", True, True),
        ("#rc=3&rp=5xx", True, False),
        ("#rc=3&rp=5xx,ct,rt", True, False),
        ("#rp=all&rt=5000", True, True),
        ("#rp=all&rt=5000&tt=5000", True, False),
        ("#rp=all&rt=14999", True, False),
        ("#rc=0&rp=all&rt=5000", False, False),
        ("#rc=9&rp=all&rt=5000", False, False),
    ],
)
def test_what_is_tried_again_follows_from_all_overrides(
    fragment: str, *, server_errors: bool, timeouts: bool
) -> None:
    """By default an answer may take all of the 15 s that there are: nothing is left for another try then."""
    assert retries_server_errors(URL + fragment) is server_errors
    assert retries_timeouts(URL + fragment) is timeouts


NAMES = st.sampled_from(["rc", "rp", "ct", "rt", "tt", "sni"])
VALUES = st.sampled_from(
    ["", "0", "3", "5", "6", "99", "100", "10000", "15001", "5xx", "ct,rt", "all", "x", "y"]
)


@given(st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=4, unique_by=lambda pair: pair[0]))
def test_the_double_calls_what_has_no_fault_and_nothing_else(pairs: list[tuple[str, str]]) -> None:
    url = f"{URL}#{'&'.join(f'{name}={value}' for name, value in pairs)}"

    assert (overrides_of(url) is None) is bool(faults_of(url))
