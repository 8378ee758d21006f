"""Which URL receives a number's messages: asked of the API, and compared with what the double really calls."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from b2bpilot.errors import NotFound, Refused, UsageError
from b2bpilot.local.twilio.server import TwilioDouble
from b2bpilot.ops.cutover.change import changes, check_url, choose
from b2bpilot.ops.cutover.route import RouteLevel, dangers, routes
from b2bpilot.ops.cutover.writing import make
from b2bpilot.twilio.rest import Twilio
from b2bpilot.twilio.samples import Sample, sample_params
from tests.twilio.double import add_application, add_number, add_service

NUMBER, OTHER = "+15005550009", "+15005550008"
GONE = "AP" + "0" * 32
"""Of an application that nobody has."""
GOOD = "https://new.example/hook#rc=3&rp=5xx,ct,rt&ct=2000&rt=4000"


@contextmanager
def listening() -> Iterator[tuple[str, list[str]]]:
    """A server that takes any webhook; gives its URL and the paths that were called."""
    called: list[str] = []

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            called.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Taker) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", called
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("service_first", [False, True])
@pytest.mark.parametrize(
    ("application", "service", "on_number"), list(itertools.product((True, False), repeat=3))
)
def test_the_url_that_is_called_is_one_of_those_that_may_decide(
    double: TwilioDouble,
    twilio: Twilio,
    *,
    application: bool,
    service: bool,
    on_number: bool,
    service_first: bool,
) -> None:
    """Whatever Twilio's order is; only an application and a service that does not use the numbers' webhooks make it unclear."""
    double.decide_by_service(first=service_first)
    with listening() as (url, called):
        app = add_application(double, sms_url=f"{url}/application") if application else ""
        number = add_number(double, NUMBER, sms_url=f"{url}/number", sms_application_sid=app)
        if service:
            add_service(double, number, uses_number_webhook=on_number, inbound_request_url=f"{url}/service")
        (route,) = routes(twilio)

        assert double.receive(sample_params(Sample.TEXT, To=NUMBER))

        assert {url + path for path in called} <= {each.webhook.url for each in route.deciders}
        assert route.is_unclear is (application and service and not on_number)


def both(
    double: TwilioDouble, url: str = GOOD, other: str = "https://old.example/", **more: str
) -> list[str]:
    """A number with an application and a service; returns the SIDs of all three."""
    application = add_application(double, sms_url=url, **more)
    number = add_number(double, NUMBER, sms_url=GOOD, sms_application_sid=application)
    return [application, add_service(double, number, inbound_request_url=other), number]


def test_where_two_may_decide_and_differ_the_route_is_unclear(double: TwilioDouble, twilio: Twilio) -> None:
    application, service, _ = both(double)

    (route,) = routes(twilio)
    told = list(dangers(route, expected_urls=["https://new.example/hook"]))

    assert told[0] == (
        f"unclear: application {application} and messaging service {service} are both set, not alike, "
        "and Twilio does not document which of them it asks"
    )
    assert (
        f"if messaging service {service} decides: its messages go elsewhere, not to this environment's webhook"
        in told
    )


def test_where_two_may_decide_and_are_alike_nothing_is_unclear(double: TwilioDouble, twilio: Twilio) -> None:
    both(double, other=GOOD)

    (route,) = routes(twilio)

    assert not route.is_unclear
    assert not any("unclear" in each for each in dangers(route))


@pytest.mark.parametrize("service_first", [False, True])
def test_a_cut_over_makes_both_alike_and_the_message_arrives_whoever_decides(
    double: TwilioDouble, twilio: Twilio, *, service_first: bool
) -> None:
    sids = both(double)
    double.decide_by_service(first=service_first)
    with listening() as (url, called):
        chosen = choose(routes(twilio), number=NUMBER, service=None)
        for each in changes(chosen, url=f"{url}/new", fallback_url=None):
            make(twilio, each)

        assert [target.sid for target in chosen.targets] == sids[:2]
        assert double.receive(sample_params(Sample.TEXT, To=NUMBER))

        assert called == ["/new"]
    assert not routes(twilio)[0].is_unclear


def test_what_shares_one_of_the_two_is_made_alike_too(double: TwilioDouble, twilio: Twilio) -> None:
    """Otherwise it would be unclear after the cut-over where it is not now."""
    application, service, number = both(double)
    other = add_number(double, OTHER, sms_url=GOOD, sms_application_sid=application)
    second = add_service(double, other, inbound_request_url=GOOD)

    chosen = choose(routes(twilio), number=NUMBER, service=None)

    assert {target.sid for target in chosen.targets} == {application, service, second}
    assert {route.number.sid for route in chosen.affected} == {number, other}
    assert chosen.name == application


def test_two_with_different_fallbacks_are_not_cut_over_without_one(
    double: TwilioDouble, twilio: Twilio
) -> None:
    both(double, sms_fallback_url="https://fallback.example/")
    chosen = choose(routes(twilio), number=NUMBER, service=None)

    with pytest.raises(Refused, match="have different fallback URLs"):
        changes(chosen, url=GOOD, fallback_url=None)

    found = changes(chosen, url=GOOD, fallback_url="https://f.example/")
    assert {each.after.fallback_url for each in found} == {"https://f.example/"}


def test_an_application_that_is_gone_is_a_danger_and_not_a_crash(
    double: TwilioDouble, twilio: Twilio
) -> None:
    add_number(double, NUMBER, sms_url=GOOD, sms_application_sid=GONE)

    (route,) = routes(twilio)

    assert list(dangers(route)) == [f"its application {GONE} does not exist: Twilio cannot deliver"]
    assert (route.effective.sid, route.effective.webhook.url) == (GONE, "")
    assert not double.receive(sample_params(Sample.TEXT, To=NUMBER))


def test_a_service_that_may_be_asked_before_an_application_that_is_gone_is_named(
    double: TwilioDouble, twilio: Twilio
) -> None:
    sid = add_number(double, NUMBER, sms_url=GOOD, sms_application_sid=GONE)
    service = add_service(double, sid, inbound_request_url=GOOD)

    (told,) = dangers(routes(twilio)[0])

    assert told.endswith(f"unless it asks messaging service {service} first, which is not documented")


@pytest.mark.parametrize(
    ("settings", "danger"),
    [
        ({"sms_url": ""}, "no URL"),
        ({"sms_url": "http://new.example/hook"}, "not https"),
        ({"sms_url": GOOD, "sms_method": "GET"}, "GET"),
        ({"sms_url": "https://new.example/hook"}, "5xx"),
        ({"sms_url": "https://new.example/hook#rc=0&rp=all"}, "5xx"),
        ({"sms_url": "https://new.example/hook#rc=3&rp=5xx,ct,rt"}, "in time"),
        (
            {"sms_url": "https://new.example/hook#rc=9&rp=5xx,foo&ct=1&rt=99999"},
            "rc=9 is not 0 to 5; rp=5xx,foo",
        ),
        (
            {"sms_url": GOOD, "sms_fallback_url": "https://f.example/#ct=1"},
            "the fallback URL has invalid # overrides",
        ),
        ({"sms_url": GOOD}, "no fallback"),
        ({"sms_url": GOOD, "sms_fallback_url": "https://new.example/hook#rc=1"}, "the URL itself"),
        ({"sms_url": "https://old.example/hook"}, "elsewhere"),
    ],
)
def test_what_is_unsafe_is_named(
    double: TwilioDouble, twilio: Twilio, settings: dict[str, str], danger: str
) -> None:
    add_number(double, NUMBER, **settings)

    (route,) = routes(twilio)

    assert any(danger in each for each in dangers(route, expected_urls=["https://new.example/hook"]))


def test_a_route_as_the_readme_says_has_no_danger(double: TwilioDouble, twilio: Twilio) -> None:
    add_number(double, NUMBER, sms_url=GOOD, sms_fallback_url="https://fallback.example/hook")

    (route,) = routes(twilio)

    assert list(dangers(route, expected_urls=["https://new.example/hook"])) == []


@pytest.mark.parametrize(
    ("url", "is_elsewhere"),
    [
        ("https://new.example:443/hook", False),
        ("https://new.example:8443/hook", True),
        ("https://new.example/hook/", True),
        ("https://new.example:port/hook", True),
        ("https://[new.example/hook", True),
    ],
)
def test_a_default_port_leads_nowhere_else(
    double: TwilioDouble, twilio: Twilio, url: str, *, is_elsewhere: bool
) -> None:
    """Its signature is verified with and without it."""
    add_number(double, NUMBER, sms_url=url)

    (route,) = routes(twilio)

    told = list(dangers(route, expected_urls=["https://new.example/hook"]))
    assert any("elsewhere" in each for each in told) is is_elsewhere


def test_a_service_without_a_url_is_called_what_it_is(double: TwilioDouble, twilio: Twilio) -> None:
    add_service(double, add_number(double, NUMBER, sms_url=GOOD), inbound_request_url=None)

    (route,) = routes(twilio)

    assert list(dangers(route)) == ["no URL: Twilio does not even log messages to it"]
    assert not double.receive(sample_params(Sample.TEXT, To=NUMBER))
    assert twilio.client.messages.list() == []


def test_what_more_numbers_follow_is_confirmed_by_its_own_name(double: TwilioDouble, twilio: Twilio) -> None:
    shared = add_service(
        double, add_number(double, NUMBER), add_number(double, OTHER), inbound_request_url=GOOD
    )

    chosen = choose(routes(twilio), number=NUMBER, service=None)

    assert chosen.name == shared
    assert len(chosen.affected) == 2
    assert [target.level for target in chosen.targets] == [RouteLevel.SERVICE]


@pytest.mark.parametrize("named", ["the number", "its service", "nothing"])
def test_a_number_whose_application_is_gone_is_not_cut_over(
    double: TwilioDouble, twilio: Twilio, named: str
) -> None:
    """Twilio ignores the number's and the service's URLs then: whatever is written, nothing is delivered."""
    broken = add_number(double, NUMBER, sms_url=GOOD, sms_application_sid=GONE)
    service = add_service(double, broken, inbound_request_url=GOOD)
    number = NUMBER if named == "the number" else None

    with pytest.raises(Refused, match=f"{broken}'s application {GONE} does not exist") as raised:
        choose(routes(twilio), number=number, service=service if named == "its service" else None)

    assert "Nothing was changed" in str(raised.value)
    assert f"an empty SmsApplicationSid to IncomingPhoneNumbers/{broken}.json" in str(raised.value.hint)


def test_a_number_in_one_service_with_one_whose_application_is_gone_can_be_cut_over(
    double: TwilioDouble, twilio: Twilio
) -> None:
    """The other one does not follow the service, and is not counted among those that do."""
    broken = add_number(double, NUMBER, sms_url=GOOD, sms_application_sid=GONE)
    other = add_number(double, OTHER, sms_url=GOOD)
    add_service(double, broken, other, inbound_request_url=GOOD)

    chosen = choose(routes(twilio), number=OTHER, service=None)

    assert [route.number.sid for route in chosen.affected] == [other]


def test_a_service_that_uses_the_numbers_webhooks_means_each_number(
    double: TwilioDouble, twilio: Twilio
) -> None:
    numbers = {add_number(double, number, sms_url=GOOD) for number in (NUMBER, OTHER)}
    service = add_service(double, *numbers, uses_number_webhook=True, inbound_request_url=GOOD)

    chosen = choose(routes(twilio), number=None, service=service)

    assert {target.sid for target in chosen.targets} == numbers


def test_nothing_is_chosen_for_the_operator(double: TwilioDouble, twilio: Twilio) -> None:
    for number in (NUMBER, OTHER):
        add_number(double, number, sms_url=GOOD)
    found = routes(twilio)

    with pytest.raises(UsageError, match="2 numbers"):
        choose(found, number=None, service=None)
    with pytest.raises(UsageError, match="cannot be used together"):
        choose(found, number=NUMBER, service="MG1")
    with pytest.raises(NotFound):
        choose(found, number="+15005550007", service=None)
    with pytest.raises(NotFound):
        choose(found, number=None, service="MG1")


def test_a_fallback_stays_unless_one_is_named(double: TwilioDouble, twilio: Twilio) -> None:
    add_number(double, NUMBER, sms_url=GOOD, sms_fallback_url="https://f", sms_fallback_method="GET")
    chosen = choose(routes(twilio), number=NUMBER, service=None)

    (kept,) = changes(chosen, url="https://x", fallback_url=None)
    (named,) = changes(chosen, url="https://x", fallback_url="https://g")

    assert (kept.after.fallback_url, kept.after.fallback_method) == ("https://f", "GET")
    assert (named.after.fallback_url, named.after.fallback_method) == ("https://g", "POST")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hook",
        "ftp://x/",
        "http://example.com/hook",
        "https://",
        "https://[x",
        "https://x.example/#rc=9&rp=5xx,foo",
        "https://x.example/#top",
    ],
)
def test_a_url_that_twilio_should_not_call_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        check_url(url, "--to")
