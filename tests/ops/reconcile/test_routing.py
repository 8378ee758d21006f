"""Whose a missing message is: only what Twilio was to deliver here, or what came here before, is published."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest

from b2bpilot.local.twilio import resources
from b2bpilot.local.twilio.faults import Fault, PlannedFault
from b2bpilot.ops.cutover.route import routes
from b2bpilot.ops.reconcile.message_finding import ComparisonResult
from b2bpilot.ops.reconcile.routing import DeliveredTo, Routing, VerifiedUrls, routing_of
from b2bpilot.twilio.failures import TwilioFailed
from tests.ops.reconcile.deployment import OURS, THEIRS, WEBHOOK, Deployment, sids_of
from tests.twilio.double import add_application, add_number, add_service

NUMBER, ELSEWHERE = "+15005550008", "https://crm.example/sms"
API, PREVIOUS = "https://abc.execute-api.eu-west-1.amazonaws.com/prod/webhook", "https://old.example/hook"
GONE = "AP" + "0" * 32


def number(deployment: Deployment, url: str = ELSEWHERE, **settings: str) -> str:
    return add_number(deployment.double, NUMBER, sms_url=url, **settings)


def place(deployment: Deployment, urls: tuple[str, ...] = (WEBHOOK, API, PREVIOUS)) -> DeliveredTo:
    return routing_of(routes(deployment.twilio), VerifiedUrls(urls=urls)).of(NUMBER).place


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (WEBHOOK, DeliveredTo.HERE),
        (f"{WEBHOOK}#rc=3&rp=5xx", DeliveredTo.HERE),
        (API, DeliveredTo.HERE),
        (PREVIOUS, DeliveredTo.HERE),
        ("https://HOOKS.example:443/prod/webhook", DeliveredTo.HERE),
        ("https://hooks.example/prod/webhoook", DeliveredTo.UNKNOWN),
        ("https://hooks.example/prod/webhook/", DeliveredTo.UNKNOWN),
        (ELSEWHERE, DeliveredTo.ELSEWHERE),
        ("https://hooks.example.evil.example/prod/webhook", DeliveredTo.ELSEWHERE),
        ("", DeliveredTo.NOWHERE),
    ],
)
def test_a_number_delivers_where_its_url_leads(
    deployment: Deployment, url: str, expected: DeliveredTo
) -> None:
    number(deployment, url)

    assert place(deployment) is expected


def test_the_application_and_the_service_win_over_the_number(deployment: Deployment) -> None:
    sid = number(deployment, WEBHOOK)
    service = add_service(deployment.double, sid, inbound_request_url=ELSEWHERE)
    assert place(deployment) is DeliveredTo.ELSEWHERE
    deployment.double.store.change("service", service, {"use_inbound_webhook_on_number": True})
    assert place(deployment) is DeliveredTo.HERE
    application = add_application(deployment.double, sms_url=ELSEWHERE)
    deployment.double.store.change("number", sid, {"sms_application_sid": application})
    assert place(deployment) is DeliveredTo.ELSEWHERE
    deployment.double.store.change("number", sid, {"sms_application_sid": GONE})
    assert place(deployment) is DeliveredTo.NOWHERE
    deployment.double.store.change("service", service, {"use_inbound_webhook_on_number": False})
    assert place(deployment) is DeliveredTo.UNKNOWN


@pytest.mark.parametrize("url", ["https://other.example:port/", "https://[other.example/", "nonsense"])
def test_what_is_no_url_is_another_systems_and_ends_nothing(deployment: Deployment, url: str) -> None:
    """Twilio has an error for such (11100), and alerts are the account's: of calls and status callbacks, too."""
    number(deployment, url)
    (missing,) = deployment.receive(1, to=NUMBER)
    deployment.alert(resources.new_sid("SM"), url=url)

    assert place(deployment) in (DeliveredTo.ELSEWHERE, DeliveredTo.UNKNOWN)
    assert set(deployment.findings(ComparisonResult.NOT_ROUTED_HERE)) == {missing}


@pytest.mark.parametrize(
    ("urls", "expected"),
    [
        ((WEBHOOK, ELSEWHERE), DeliveredTo.UNKNOWN),
        ((ELSEWHERE, WEBHOOK), DeliveredTo.UNKNOWN),
        ((WEBHOOK, API), DeliveredTo.HERE),
        ((ELSEWHERE, "https://other.example/"), DeliveredTo.ELSEWHERE),
    ],
)
def test_an_application_and_a_service_that_lead_to_different_places_make_the_place_unknown(
    deployment: Deployment, urls: tuple[str, str], expected: DeliveredTo
) -> None:
    application = add_application(deployment.double, sms_url=urls[0])
    sid = number(deployment, WEBHOOK, sms_application_sid=application)
    add_service(deployment.double, sid, inbound_request_url=urls[1])

    assert place(deployment) is expected


def test_a_message_to_a_number_of_another_system_is_never_published(
    deployment: Deployment, tmp_path: Path
) -> None:
    sid = number(deployment)
    (ours,) = deployment.receive(1)
    (theirs,) = deployment.receive(1, to=NUMBER)

    with deployment.compared() as notes:
        (finding,) = notes.findings(ComparisonResult.NOT_ROUTED_HERE)
        assert sids_of(notes.findings(ComparisonResult.MISSING)) == {ours}
    deployment.recover(tmp_path, allow_partial=True)

    assert (finding.sid, finding.why) == (theirs, f"number {sid} delivers to crm.example")
    assert set(deployment.published) == {ours}


def test_a_number_that_was_here_when_the_message_came_counts_by_its_rows(deployment: Deployment) -> None:
    """It was cut over to another system since: what came after its last row is that one's."""
    number(deployment)
    early, middle = deployment.receive(2, ago=timedelta(hours=12), to=NUMBER)
    late = deployment.receive(1, ago=timedelta(hours=2), to=NUMBER)
    deployment.store([middle], to=NUMBER)

    with deployment.compared() as notes:
        assert sids_of(notes.findings(ComparisonResult.MISSING)) == {early}
        assert sids_of(notes.findings(ComparisonResult.NOT_ROUTED_HERE)) == set(late)
        assert "1 of 1 number this environment's only because" in notes.warnings[0]


@pytest.mark.parametrize("url", ["", None])
def test_a_number_that_nobody_takes_counts_by_any_row(deployment: Deployment, url: str | None) -> None:
    """It lost its URL, or is none of the account's any more: no other system answers."""
    if url is not None:
        number(deployment, url)
    (stored,) = deployment.receive(1, ago=timedelta(hours=12), to=NUMBER)
    (lost,) = deployment.receive(1, ago=timedelta(hours=2), to=NUMBER)
    deployment.store([stored], to=NUMBER)

    assert set(deployment.findings(ComparisonResult.MISSING)) == {lost}


@pytest.mark.parametrize("kind", [{"source": "reconcile"}, {"source": "cli"}, {"test": True}])
def test_what_was_published_by_hand_proves_no_route(deployment: Deployment, kind: dict[str, object]) -> None:
    """An earlier version published other systems' messages: their rows must not justify more of it."""
    number(deployment)
    stored, other = deployment.receive(2, to=NUMBER)
    deployment.store([stored], to=NUMBER, **kind)  # type: ignore[arg-type]  # one of the two

    assert other in deployment.findings(ComparisonResult.NOT_ROUTED_HERE)


def test_an_environment_that_is_only_the_fallback_takes_only_what_failed_before(
    deployment: Deployment,
) -> None:
    number(deployment, sms_fallback_url=WEBHOOK)
    taken, failed = deployment.receive(2, to=NUMBER)
    deployment.alert(failed, variables=urlencode({"MessageSid": failed, "From": THEIRS, "To": NUMBER}))

    with deployment.compared() as notes:
        assert sids_of(notes.findings(ComparisonResult.MISSING)) == {failed}
        assert sids_of(notes.findings(ComparisonResult.NOT_ROUTED_HERE)) == {taken}


def test_a_fallback_elsewhere_may_have_taken_what_is_missing_and_that_is_said(deployment: Deployment) -> None:
    number(deployment, WEBHOOK, sms_fallback_url=ELSEWHERE)
    deployment.receive(1, to=NUMBER)

    with deployment.compared() as notes:
        assert notes.counts()[ComparisonResult.MISSING] == 1
        assert (
            "1 of 1 number with a fallback URL elsewhere: what failed here may have been taken there"
            in notes.warnings
        )


def test_what_came_before_the_number_was_changed_may_be_another_systems_and_that_is_said(
    deployment: Deployment,
) -> None:
    """Twilio says when something about a number was changed, and not where it delivered before."""
    sid = number(deployment, WEBHOOK)
    early = deployment.receive(1, ago=timedelta(hours=9), to=NUMBER)
    late = deployment.receive(1, ago=timedelta(hours=1), to=NUMBER)
    changed = resources.rfc2822(deployment.now - timedelta(hours=4))
    deployment.double.store.change("number", sid, {"date_updated": changed})

    with deployment.compared() as notes:
        assert sids_of(notes.findings(ComparisonResult.MISSING)) == {*early, *late}
        (warning,) = notes.warnings
    assert warning.startswith("1 came before the last change of what decides about their number")

    deployment.store(deployment.receive(1, ago=timedelta(hours=10), to=NUMBER), to=NUMBER)
    with deployment.compared() as notes:
        assert notes.warnings == ()


@pytest.mark.parametrize("to", ["whatsapp:+15005550001", "messenger:1234", "rcs:agent", "12345", NUMBER, ""])
def test_an_address_whose_route_is_not_read_is_unknown_and_not_published(
    deployment: Deployment, tmp_path: Path, to: str
) -> None:
    (sid,) = deployment.receive(1, to=to)

    assert set(deployment.findings(ComparisonResult.ROUTE_UNKNOWN)) == {sid}
    deployment.recover(tmp_path)
    assert deployment.published == {}


def test_a_whatsapp_sender_whose_rows_are_in_the_table_is_ours(deployment: Deployment) -> None:
    sender = "whatsapp:+15005550001"
    stored, missing = deployment.receive(2, to=sender)
    deployment.store([stored], to=sender)

    assert set(deployment.findings(ComparisonResult.MISSING)) == {missing}


@pytest.mark.parametrize("matching", ["IncomingPhoneNumbers", "Services", "Applications"])
def test_routes_that_cannot_be_read_are_unknown_and_nothing_is_published_on_them(
    deployment: Deployment, tmp_path: Path, matching: str
) -> None:
    add_number(
        deployment.double, NUMBER, sms_application_sid=add_application(deployment.double, sms_url=WEBHOOK)
    )
    (sid,) = deployment.receive(1)
    deployment.double.faults.plan(
        PlannedFault(fault=Fault.REFUSE, matching=matching, status=403, code=20003, times=99)
    )

    def ask() -> Routing:
        try:
            return routing_of(routes(deployment.twilio), VerifiedUrls(urls=(WEBHOOK,)))
        except TwilioFailed as exc:
            return Routing(failure=str(exc))

    deployment.routing = ask()
    (finding,) = deployment.findings(ComparisonResult.ROUTE_UNKNOWN).values()
    deployment.recover(tmp_path)

    assert finding.sid == sid
    assert (finding.why or "").startswith("the numbers' routes could not be read: ")
    assert deployment.published == {}


def test_with_urls_that_could_not_be_read_another_url_is_unknown_and_ours_is_ours(
    deployment: Deployment,
) -> None:
    number(deployment)
    doubted = VerifiedUrls(urls=(WEBHOOK,), doubt="the webhook's other URLs were not read: AWS denied it")
    found = routing_of(routes(deployment.twilio), doubted)

    assert (found.of(OURS).place, found.of(NUMBER).place) == (DeliveredTo.HERE, DeliveredTo.UNKNOWN)
    assert "AWS denied it" in found.of(NUMBER).told


def test_routes_are_only_read_when_something_is_missing(deployment: Deployment) -> None:
    deployment.store(deployment.receive(5))

    assert deployment.counts() == {ComparisonResult.STORED: 5}
    assert not any("IncomingPhoneNumbers" in request for request in deployment.double.requests)


def test_a_status_callback_that_was_stored_is_named_as_one(deployment: Deployment) -> None:
    """An earlier version's webhook took it for a message; Twilio lists it among what was sent."""
    callback = "SM" + "7" * 32
    deployment.process(callback, To=THEIRS, MessageStatus="delivered", SmsStatus="delivered")

    (finding,) = deployment.findings(ComparisonResult.STATUS_CALLBACK).values()

    assert (finding.sid, deployment.findings(ComparisonResult.UNKNOWN_TO_TWILIO)) == (callback, {})
    assert finding.why == "no message: Twilio's report that one was delivered, stored by an earlier version"
