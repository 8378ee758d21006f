"""The probe against servers that answer in each way that Twilio takes, and in ways that it does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from b2bpilot.twilio.probe import ProbeFailed, probe
from b2bpilot.twilio.signature import SIGNATURE_HEADER, Parameters, SigningSecrets, is_signed_form
from b2bpilot.twilio.webhook_setting import ProbeKind
from tests.twilio.double import ACCOUNT_SID, TOKEN

TWIML = "<Response/>"


@contextmanager
def answering(
    *answers: tuple[int, dict[str, str], str],
) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """A server that gives one answer after the other; yields its URL and the method, path and signature of each request."""
    left, seen = list(answers), list[tuple[str, str, str]]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            seen.append((self.command, self.path, self.headers[SIGNATURE_HEADER]))
            status, headers, body = left.pop(0)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_POST  # noqa: N815  # named by http.server

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # named by http.server
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", seen
        finally:
            server.shutdown()
            thread.join()


def ask(url: str, kind: ProbeKind = ProbeKind.FORM) -> str | None:
    return probe(url, kind=kind, auth_token=TOKEN, account_sid=ACCOUNT_SID)


@pytest.mark.parametrize("content_type", ["text/xml", "application/xml; charset=utf-8", "text/html"])
def test_twiml_is_taken_in_each_type_that_twilio_documents(content_type: str) -> None:
    with answering((200, {"Content-Type": content_type}, TWIML)) as (url, _):
        assert ask(url) is None


def test_a_204_is_taken_as_twilio_takes_it() -> None:
    with answering((204, {}, "")) as (url, _):
        assert ask(url) == "127.0.0.1 answered with 204 and no TwiML: Twilio takes that as no reply."


def test_a_text_is_taken_and_said_to_be_sent_as_a_reply() -> None:
    with answering((200, {"Content-Type": "text/plain"}, "ok")) as (url, _):
        assert "sends that text as a reply" in (ask(url) or "")


@pytest.mark.parametrize(("status", "method"), [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST")])
def test_a_redirect_is_followed_as_twilio_follows_it(status: int, method: str) -> None:
    moved = (status, {"Location": "/new?a=1"}, "")
    with answering(moved, (200, {"Content-Type": "text/xml"}, TWIML)) as (url, seen):
        assert ask(url, ProbeKind.JSON) is None

    assert [each[:2] for each in seen][1] == (method, "/new?a=1")
    secrets = SigningSecrets(auth_tokens=(TOKEN,), shared_keys={})
    assert is_signed_form(
        secrets,
        urls=[f"{url}/new?a=1"],
        query="",
        parameters=Parameters(()),
        signature=seen[1][2],
        settings_header=None,
    )


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, {}, ""), "no content type, not with TwiML"),
        ((200, {"Content-Type": "application/json"}, "{}"), "application/json, not with TwiML"),
        ((200, {"Content-Type": "text/xml"}, "<html/>"), "it lacks <Response>"),
        ((200, {"Content-Type": "text/xml"}, "<Response>"), "not valid XML (no element found"),
        ((200, {"Content-Type": "text/xml"}, '\n<?xml version="1.0"?><Response/>'), "not valid XML"),
        ((200, {"Content-Type": "image/svg+xml"}, TWIML), "image/svg+xml, not with TwiML"),
        ((308, {"Location": "/new"}, ""), "with 308"),
        ((302, {}, ""), "with 302"),
        ((302, {"Location": "https://[new/"}, ""), "redirects to something that is not a URL"),
        ((302, {"Location": "https://new:port/"}, ""), "redirects to something that is not a URL"),
        ((500, {}, ""), "with 500"),
    ],
)
def test_what_twilio_does_not_take_is_refused(answer: tuple[int, dict[str, str], str], words: str) -> None:
    with answering(answer) as (url, _), pytest.raises(ProbeFailed) as found:
        ask(url)

    assert words in str(found.value)
    assert str(found.value).endswith("Nothing was changed at Twilio")


def test_redirects_in_a_circle_come_to_an_end() -> None:
    with answering(*[(302, {"Location": "/again"}, "")] * 6) as (url, seen), pytest.raises(ProbeFailed):
        ask(url)

    assert len(seen) == 6


@pytest.mark.parametrize("prolog", ["", '<?xml version="1.0"?>\n', " <!-- a --> <!---->\n", "<!-- > ?> -->"])
def test_twiml_may_begin_with_what_xml_may_begin_with(prolog: str) -> None:
    with answering((200, {"Content-Type": "text/xml"}, f"{prolog}<Response/>")) as (url, _):
        assert ask(url) is None


@pytest.mark.parametrize("filling", ["<!---->", "<!-- --> ", "<!--", " ", "<?xml?>", "<?xml ?"])
def test_what_is_no_twiml_is_told_at_once_however_it_begins(filling: str) -> None:
    """Tried in each way in which its comments can be paired, it would never end."""
    answer = (200, {"Content-Type": "text/xml"}, filling * 2_000)
    with answering(answer) as (url, _), pytest.raises(ProbeFailed, match="did not answer with TwiML"):
        ask(url)
