"""Proxies are harmless until told, and then do what their faults say: to the letter, and to both sides."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree

import pytest

from tests.faults.proxies.calls import CallProxy
from tests.faults.proxies.dialect import Aws, Twilio
from tests.faults.proxies.stream import StreamProxy
from tests.faults.proxies.trouble import CallFault, Trouble

SQS = {"X-Amz-Target": "AmazonSQS.DeleteMessageBatch"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Neighbour(ThreadingHTTPServer):
    """Answers everything with `answer` and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[bytes] = []
        self.answer = b'{"Successful": []}'


class Handler(BaseHTTPRequestHandler):
    server: Neighbour

    def do_POST(self) -> None:
        self.server.asked.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # named by http.server
        """Stay silent."""


@pytest.fixture
def neighbour() -> Iterator[Neighbour]:
    server = Neighbour()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def proxy(neighbour: Neighbour) -> Iterator[CallProxy]:
    with calls_to(neighbour) as found:
        yield found


@contextmanager
def calls_to(neighbour: Neighbour) -> Iterator[CallProxy]:
    proxy = CallProxy("a seed", Aws())
    proxy.lead_to(f"http://127.0.0.1:{neighbour.server_address[1]}")
    try:
        yield proxy
    finally:
        proxy.close()


def post(proxy: CallProxy, body: str = "{}", headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=10)) as connection:
        connection.request("POST", "/", body, headers or SQS)
        response = connection.getresponse()
        return response.status, response.read()


def always(fault: CallFault) -> Trouble:
    return Trouble(calls={fault: 1.0})


def test_without_trouble_every_call_passes(proxy: CallProxy, neighbour: Neighbour) -> None:
    assert [post(proxy, str(number)) for number in range(5)] == [(200, neighbour.answer)] * 5
    assert neighbour.asked == [b"0", b"1", b"2", b"3", b"4"]
    assert not proxy.control.injected


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (CallFault.ERROR_BEFORE, 500, "InternalError"),
        (CallFault.UNAVAILABLE, 503, "ServiceUnavailable"),
        (CallFault.THROTTLED, 400, "ThrottlingException"),
        (CallFault.DENIED, 403, "AccessDenied"),
    ],
)
def test_what_is_refused_before_reaches_nobody(
    proxy: CallProxy, neighbour: Neighbour, fault: CallFault, status: int, code: str
) -> None:
    proxy.control.trouble = always(fault)
    said, body = post(proxy)
    assert (said, json.loads(body)["__type"]) == (status, f"com.amazonaws#{code}")
    assert neighbour.asked == []
    assert proxy.control.injected == {fault.value: 1}


def test_an_error_after_was_done(proxy: CallProxy, neighbour: Neighbour) -> None:
    proxy.control.trouble = always(CallFault.ERROR_AFTER)
    assert post(proxy)[0] == 500
    assert len(neighbour.asked) == 1


@pytest.mark.parametrize(
    ("fault", "done"),
    [(CallFault.DROPPED_BEFORE, 0), (CallFault.DROPPED_AFTER, 1), (CallFault.TRUNCATED, 1)],
)
def test_a_dropped_call_has_no_answer(
    proxy: CallProxy, neighbour: Neighbour, fault: CallFault, done: int
) -> None:
    proxy.control.trouble = always(fault)
    with pytest.raises((OSError, http.client.HTTPException)):
        post(proxy)
    assert len(neighbour.asked) == done


def test_a_duplicated_call_is_done_twice_and_answered_once(proxy: CallProxy, neighbour: Neighbour) -> None:
    proxy.control.trouble = always(CallFault.DUPLICATED)
    assert post(proxy, "once") == (200, neighbour.answer)
    assert neighbour.asked == [b"once", b"once"]


def test_of_a_batch_of_sqs_one_entry_is_not_done_and_said_to_have_failed(
    proxy: CallProxy, neighbour: Neighbour
) -> None:
    neighbour.answer = b'{"Successful": [{"Id": "a"}, {"Id": "c"}]}'
    proxy.control.trouble = always(CallFault.PARTIAL)
    _, body = post(proxy, json.dumps({"Entries": [{"Id": "a"}, {"Id": "b"}, {"Id": "c"}]}))
    said = json.loads(body)
    assert json.loads(neighbour.asked[0]) == {"Entries": [{"Id": "a"}, {"Id": "c"}]}
    assert [entry["Id"] for entry in said["Successful"]] == ["a", "c"]
    assert [(entry["Id"], entry["Code"]) for entry in said["Failed"]] == [("b", "InternalError")]


def test_of_a_batch_of_sns_one_entry_is_not_done_and_said_to_have_failed(
    proxy: CallProxy, neighbour: Neighbour
) -> None:
    neighbour.answer = b"<R><PublishBatchResult><Failed></Failed></PublishBatchResult></R>"
    proxy.control.trouble = always(CallFault.PARTIAL)
    entries = {
        f"PublishBatchRequestEntries.member.{n}.Id": name for n, name in ((1, "a"), (2, "b"), (3, "c"))
    }
    _, body = post(proxy, urlencode({"Action": "PublishBatch", **entries}), FORM)
    assert neighbour.asked[0].decode() == urlencode(
        {
            "Action": "PublishBatch",
            "PublishBatchRequestEntries.member.1.Id": "a",
            "PublishBatchRequestEntries.member.2.Id": "c",
        }
    )
    assert [found.text for found in ElementTree.fromstring(body).iter("Id")] == ["b"]


def test_only_named_operations_are_troubled(proxy: CallProxy, neighbour: Neighbour) -> None:
    proxy.control.trouble = Trouble(calls={CallFault.DENIED: 1.0}, only="^ReceiveMessage$")
    assert post(proxy)[0] == 200
    assert post(proxy, headers={"X-Amz-Target": "AmazonSQS.ReceiveMessage"})[0] == 403


def test_twilio_says_in_its_own_words_that_it_refuses() -> None:
    proxy = CallProxy("a seed", Twilio())
    proxy.control.trouble = always(CallFault.THROTTLED)
    try:
        status, body = post(proxy)
    finally:
        proxy.close()
    assert (status, json.loads(body)["code"]) == (429, 20429)


@pytest.fixture
def stream() -> Iterator[StreamProxy]:
    """Before an echo."""
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = StreamProxy("a seed")
    proxy.lead_to(lambda: socket.create_connection(listener.getsockname(), timeout=10))
    thread = threading.Thread(target=_echo, args=(listener,))
    thread.start()
    yield proxy
    proxy.close()
    listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    listener.close()


def _echo(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_echo_one, args=(connection,)).start()


def _echo_one(connection: socket.socket) -> None:
    with connection:
        try:
            while piece := connection.recv(100):
                connection.sendall(piece)
        except OSError:
            return


def connected(stream: StreamProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", stream.port), timeout=10)


def test_without_trouble_every_byte_passes(stream: StreamProxy) -> None:
    with connected(stream) as connection:
        connection.sendall(b"hello")
        assert connection.recv(100) == b"hello"


def test_a_black_hole_gives_nothing_until_it_is_healed(stream: StreamProxy) -> None:
    with connected(stream) as connection:
        stream.control.trouble = Trouble(hold=True)
        connection.sendall(b"hello")
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(100)
        stream.control.trouble = Trouble()
        connection.settimeout(10)
        assert connection.recv(100) == b"hello"


def test_a_refused_connection_ends_and_an_open_one_stays(stream: StreamProxy) -> None:
    with connected(stream) as old:
        old.sendall(b"old")
        assert old.recv(100) == b"old"
        stream.control.trouble = Trouble(refuse=True)
        with connected(stream) as new:
            assert new.recv(100) == b""
        old.sendall(b"still")
        assert old.recv(100) == b"still"


def test_all_connections_are_cut_at_once(stream: StreamProxy) -> None:
    with connected(stream) as first, connected(stream) as second:
        for connection in (first, second):
            connection.sendall(b"hello")
            assert connection.recv(100) == b"hello"
        stream.cut_all()
        assert (first.recv(100), second.recv(100)) == (b"", b"")


def test_a_cut_connection_ends_within_a_piece(stream: StreamProxy) -> None:
    stream.control.trouble = Trouble(cut=1.0)
    with connected(stream) as connection:
        connection.sendall(b"hello")
        assert connection.recv(100) in (b"", b"he")
