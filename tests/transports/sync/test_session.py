import socket
import ssl
import subprocess
import sys

import pytest
import requests
import trustme
from requests.adapters import HTTPAdapter

from flowflex_core import MAX_REPLY_BYTES, Failure, Request, Response
from flowflex_testing import contract
from flowflex_transports import FlowFlex, file
from flowflex_transports.sync.session import SessionTransport
from tests.support.attempts import Chunks, timed
from tests.support.scripted import OK, ScriptedServer, Wire, answering


def request(url, *, method="POST", headers=None, timeout=5.0, total=5.0):
    return Request("1", method, url, headers or {"User-Agent": "test"}, b"", timeout, total)


@pytest.fixture
def session():
    with requests.Session() as session:
        session.trust_env = False
        yield session


def test_a_session_sends_what_the_client_means_and_nothing_of_its_own(session, tmp_path, monkeypatch):
    """No cookies, no headers, no authentication of the session, and none of a netrc file."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login evil password evil\n")
    monkeypatch.setenv("NETRC", str(netrc))
    session.trust_env = True
    session.auth = ("evil", "evil")
    session.headers["X-Evil"] = "1"
    session.params = {"evil": "1"}
    session.cookies.set("evil", "1")
    setting = b"HTTP/1.1 200 OK\r\nSet-Cookie: evil=2\r\nContent-Length: 2\r\n\r\nok"
    with ScriptedServer(answering(setting)) as server:
        transport = SessionTransport(session)
        for _ in range(2):
            headers = {"Authorization": "Basic mine", "User-Agent": "u/1"}
            outcome = transport.perform(request(server.url("/a%2Fb?c=%7E"), headers=headers), b"{}")
            assert outcome == Response("1", 200, (("Set-Cookie", "evil=2"), ("Content-Length", "2")), b"ok")
    for received in server.requests:
        assert received.target == "/a%2Fb?c=%7E"
        assert received.headers["authorization"] == "Basic mine"
        assert {*received.headers} == {"host", "authorization", "user-agent", "content-length", "accept-encoding"}
        assert received.headers["accept-encoding"] == "identity"
        assert received.body == b"{}"


@pytest.mark.parametrize("chunks", [(), (b"one", b"two" * 50_000)])
def test_a_source_is_streamed_with_its_length(session, chunks):
    """An empty file is not sent in chunked coding either."""
    with ScriptedServer(answering()) as server:
        SessionTransport(session).perform(request(server.url(), method="PUT"), Chunks(*chunks))
    assert server.requests[0].body == b"".join(chunks)
    assert server.requests[0].headers["content-length"] == str(len(b"".join(chunks)))
    assert "transfer-encoding" not in server.requests[0].headers


def test_redirects_are_replies(session):
    """Not followed, whatever the session would do."""
    moved = b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"
    with ScriptedServer(answering(moved)) as server:
        outcome = SessionTransport(session).perform(request(server.url()), b"")
    assert (outcome.status, len(server.requests)) == (302, 1)  # type: ignore[union-attr]


def test_an_overlong_reply_is_cut(session):
    """One byte over the limit tells the core enough."""
    reply = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * (2 * MAX_REPLY_BYTES)

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(reply)

    with ScriptedServer(script) as server:
        outcome = SessionTransport(session).perform(request(server.url()), b"")
    assert len(outcome.body) == MAX_REPLY_BYTES + 1  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("framing", "body"),
    [(b"Transfer-Encoding: chunked", b"1\r\nx\r\n" * 500), (b"Content-Length: 500", b"x" * 500)],
    ids=["chunked", "with a length"],
)
def test_a_dripped_body_ends_with_the_total(session, framing, body):
    """The clock is looked at as it comes, also where all of it is shorter than a piece."""

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
        wire.drip(body, 0.02)

    with ScriptedServer(script) as server:
        outcome, seconds = timed(SessionTransport(session), request(server.url(), timeout=1.0, total=0.3))
    assert seconds < 5
    assert isinstance(outcome, Failure)
    assert (outcome.kind, outcome.sent) == ("timeout", True)


def test_a_reply_to_half_a_file_is_early(session):
    """A success that came before the file was sent whole is marked as one that cannot be."""

    def script(wire: Wire) -> None:
        wire.read_head()
        wire.send(OK)
        wire.half_close()
        wire.close()

    with ScriptedServer(script) as server:
        body = Chunks(*[b"x" * 65_536] * 300)
        early = SessionTransport(session).perform(request(server.url(), method="PUT"), body)
    with ScriptedServer(answering()) as server:
        whole = SessionTransport(session).perform(request(server.url(), method="PUT"), Chunks(b"a", b"b"))
    assert isinstance(early, Response)
    assert isinstance(whole, Response)
    assert (early.early, whole.early) == (True, False)


FORK = """
import os, sys
import requests
from flowflex_core import Request
from flowflex_transports.sync.session import SessionTransport

session = requests.Session()
session.trust_env = False
transport = SessionTransport(session)

def perform(body):
    outcome = transport.perform(Request("1", "POST", sys.argv[1], {}, body, 5.0, 5.0), body)
    assert (outcome.status, outcome.body) == (200, body), outcome

perform(b"before")
child = os.fork()
if child == 0:
    perform(b"child")
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
perform(b"parent")
session.close()
"""


def test_a_forked_process_shares_no_connection_of_the_session():
    """A child lets go of what it inherited, and its parent goes on."""
    by_connection = []

    def echo(wire: Wire) -> None:
        mine: list[bytes] = []
        by_connection.append(mine)
        while received := wire.read_request():
            mine.append(received.body)
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(received.body) + received.body)

    with ScriptedServer(echo) as server:
        process = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", FORK, server.url()], capture_output=True, text=True, timeout=30
        )
    assert process.returncode == 0, process.stderr
    assert by_connection == [[b"before", b"parent"], [b"child"]]


def failing(script=None, *, tls=None, url=None, session, body=b"", **bounds):
    with ScriptedServer(script or answering(), tls=tls) as server:
        outcome = SessionTransport(session).perform(request(url or server.url("/?sig=hidden"), **bounds), body)
    assert isinstance(outcome, Failure)
    assert "hidden" not in repr(outcome)
    return outcome.kind, outcome.sent


def silent(wire: Wire) -> None:
    wire.read_request()
    wire.hold()


def resetting(wire: Wire) -> None:
    wire.read_request()
    wire.reset()


def cutting(wire: Wire) -> None:
    wire.read_request()
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort")


def test_every_kind_of_failure_is_told(session):
    """By the classes of what the session raises, never by its messages, which hold the URL."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}/?sig=hidden"
        assert failing(url=nobody, session=session) == ("connection", False)
    assert failing(url="http://no-such-host.invalid/?sig=hidden", session=session) == ("connection", False)
    assert failing(silent, timeout=0.1, session=session) == ("timeout", True)
    assert failing(resetting, session=session) == ("connection", True)
    assert failing(cutting, session=session) == ("connection", True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    assert failing(tls=context, session=session) == ("tls", False)
    session.proxies = {"http": nobody.partition("?")[0]}
    assert failing(session=session) == ("proxy", False)


def test_what_reading_a_file_raises_is_no_trouble_of_the_network(session, fake):
    """Also an OSError, which requests would take for one: it reaches the caller, and the upload is not repeated."""

    class TornError(OSError):
        pass

    def tear(_ref, sent, _total):
        if sent:
            raise TornError

    with FlowFlex(**fake.client_options, session=session) as client, pytest.raises(TornError) as caught:
        client.send_event("e", payload={"a": file(b"1", filename="a.txt")}, on_progress=tear)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert not fake.events


def test_what_is_no_failure_of_the_network_is_not_taken_for_one():
    """A session that is none shows its own error."""
    with pytest.raises(AttributeError):
        SessionTransport(object()).perform(request("http://127.0.0.1/"), b"")


def test_a_session_is_not_closed(session):
    """It is its giver's, also when the client is closed."""
    with ScriptedServer(answering(OK)) as server:
        SessionTransport(session).close()
        assert session.post(server.url()).status_code == 200


def test_an_upload_through_a_session_is_abandoned_at_its_next_piece(session):
    """Ctrl-C does not wait for the rest of a large file; another request is not touched."""
    transport = SessionTransport(session)

    def script(wire: Wire) -> None:
        wire.read_head()
        wire.wait_for_end()

    with ScriptedServer(script, answering()) as server:
        sent, other = request(server.url(), method="PUT"), request(server.url(), method="PUT")
        body = Chunks(b"a", b"b", b"c", between=lambda: transport.abandon(sent))
        outcome = transport.perform(sent, body)
        assert isinstance(outcome, Failure)
        assert (outcome.kind, outcome.sent) == ("connection", True)
        transport.abandon(sent)
        after = transport.perform(other, Chunks(b"a", b"b", between=lambda: transport.abandon(sent)))
        assert isinstance(after, Response)
        assert after.status == 200


def test_a_client_sends_through_a_session(session, fake):
    """Uploads and the event alike."""
    sent = []
    session.hooks["response"].append(lambda reply, **_: sent.append(reply.request.method))
    with FlowFlex(**fake.client_options, session=session) as client:
        result = client.send_event("e", payload={"a": file(b"1", filename="a.txt"), "b": file(b"", filename="b.txt")})
    assert [*result.uploaded_assets] == ["a", "b"]
    assert sorted(sent) == ["POST", "POST", "POST", "PUT", "PUT"]


def test_a_session_keeps_the_semantic_part_of_the_contract():
    """Whole sends through it come out as through any transport."""
    sessions = []

    def make(_fake):
        sessions.append(requests.Session())
        return SessionTransport(sessions[-1])

    contract.check_semantics(contract.SemanticsSubject(make=make, live=True, asynchronous=None))
    for session in sessions:
        session.close()


@pytest.mark.parametrize(("retries", "sent"), [(0, False), (1, True)])
def test_a_session_that_repeats_by_itself_leaves_a_doubt(retries, sent):
    """Where the session tried more than once, that its last try was refused says nothing of those before."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=retries))
        request = Request("event/1", "POST", f"http://127.0.0.1:{port}/", {}, b"{}", 5.0, 5.0)
        outcome = SessionTransport(session).perform(request, b"{}")
    assert isinstance(outcome, Failure)
    assert (outcome.kind, outcome.sent) == ("connection", sent)
