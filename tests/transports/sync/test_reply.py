from itertools import repeat

import h11
import pytest

from flowflex_core import MAX_REPLY_BYTES, Failure, Response
from tests.support.attempts import request, timed
from tests.support.scripted import OK, ScriptedServer, Wire, answering

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

WHOLE = {
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok": b"ok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx": b"x",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\nx": b"x",
    b"HTTP/1.1 200\r\nContent-Length:\t2 \r\n\r\nok": b"ok",
    b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok": b"ok",
    b"HTTP/1.1 200 Gar\xe7on\r\nX-Odd_Name!: \xe9 \x01\r\nEmpty:\r\nContent-Length: 2\r\n\r\nok": b"ok",
    b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok": b"ok",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end": b"to the end",
    b"HTTP/1.1 200 OK\r\n\r\n": b"",
    b"HTTP/1.0 200 OK\r\n\r\nold": b"old",
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok": b"ok",
    b"HTTP/1.1 204 No Content\r\n\r\n": b"",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n": b"",
    b"HTTP/1.1 999 What\r\nContent-Length: 2\r\n\r\nok": b"ok",
    CHUNKED + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: t\r\n\r\n": b"abcde",
    CHUNKED + b"00a \r\n0123456789\r\n0;last\r\n\r\n": b"0123456789",
    CHUNKED + b"A\r\n0123456789\r\n000\r\n\r\n": b"0123456789",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \tChunked \r\n\r\n1\r\nx\r\n0\r\n\r\n": b"x",
    b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 5000 + b"Content-Length: 2\r\n\r\nok": b"ok",
    b"HTTP/1.1 200 OK\r\nA: " + b"x" * 200_000 + b"\r\nContent-Length: 2\r\n\r\nok": b"ok",
    b"HTTP/1.1 102 Processing\r\n\r\n" * 32 + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok": b"ok",
}

CUT_OFF = [
    b"",
    b"HTTP/1.1 200",
    b"HTTP/1.1 200 OK\r\nContent-Ty",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r",
    b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    CHUNKED,
    CHUNKED + b"5\r\nabc",
    CHUNKED + b"3\r\nabc",
    CHUNKED + b"3\r\nabc\r\n",
    CHUNKED + b"3\r\nabc\r\n0\r\n",
    CHUNKED + b"3\r\nabc\r\n0\r\nT: t\r\n",
]

NOT_HTTP = [
    b"HTTP/1.1 200 OK\r\n X: folded before any\r\nContent-Length: 2\r\n\r\nok",
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"\r\nHTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 abc OK\r\n\r\n",
    b"HTTP/1.1 099 OK\r\n\r\n",
    b"HTTP/1.1 2_0 OK\r\n\r\n",
    b"HTTP/1.1 +20 OK\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/1.1  200 OK\r\n\r\n",
    b"HTTP/1.9xyz 200 OK\r\n\r\n",
    b"http/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\rX: y\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nBlank : x\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\n: x\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nX: a\r\r\nContent-Length: 9\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nX: a\rContent-Length: 9\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nX: \x00\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nX: a\x0bb\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\n0123456789",
    b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nok",
    CHUNKED + b"xyz\r\nok\r\n0\r\n\r\n",
    CHUNKED + b"-2\r\nok\r\n0\r\n\r\n",
    CHUNKED + b"+2\r\nok\r\n0\r\n\r\n",
    CHUNKED + b"0x2\r\nok\r\n0\r\n\r\n",
    CHUNKED + b"1_0\r\n" + b"x" * 16 + b"\r\n0\r\n\r\n",
    CHUNKED + b" 2\r\nok\r\n0\r\n\r\n",
    CHUNKED + b"\r\nok\r\n0\r\n\r\n",
    CHUNKED + b"000000000000000000002\r\nok\r\n0\r\n\r\n",
    CHUNKED + b"2\nok\r\n0\r\n\r\n",
    CHUNKED + b"2\r\nokXX0\r\n\r\n",
    CHUNKED + b"2\r\nok\n0\r\n\r\n",
    CHUNKED + b"2\r\nok\r\n0\r\nno colon\r\n\r\n",
    CHUNKED + b"2;" + b"x" * 400_000 + b"\r\nok\r\n0\r\n\r\n",
    CHUNKED + b"0\r\n" + b"T: t\r\n" * 80_000 + b"\r\n",
    CHUNKED + b"2\r\nok\r\n0\r\nContent-Length: x\r\n\r\n",
    CHUNKED + b"2\r\nok\r\n0\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\nContent-Length: x\r\n\r\n" + OK,
    b"HTTP/1.1 102 Processing\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" + OK,
    b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 80_000 + b"Content-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nA: " + b"x" * 400_000 + b"\r\nContent-Length: 2\r\n\r\nok",
]

# What h11 lets pass, and is no more than a way to say one thing twice.
REFUSED_HERE_ALONE = [
    b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/0.9 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    CHUNKED + b"2;bare\rreturn\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\n\r\n" * 33 + OK,
    b"HTTP/2.1 102 Processing\r\n\r\n" + OK,
]


def after(transport, reply):
    """Return what becomes of a request whose server sends `reply` and closes."""

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(reply)

    with ScriptedServer(script) as server:
        return transport.perform(request(server.url()), b"")


def by_h11(reply):
    """Return the body that h11, which reads for the trio transport, finds in a reply; None where it finds none."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=262_144)
    connection.send(h11.Request(method="POST", target="/", headers=[("Host", "h"), ("Content-Length", "0")]))
    connection.send(h11.EndOfMessage())
    body = b""
    # In pieces, as they come off a socket: its bound is looked at in between.
    for start in range(0, len(reply), 65_536):
        connection.receive_data(reply[start : start + 65_536])
        try:
            while (event := connection.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.Data):
                    body += event.data
                if isinstance(event, h11.EndOfMessage):
                    return body
        except h11.RemoteProtocolError:
            return None
    connection.receive_data(b"")
    try:
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            body += event.data if isinstance(event, h11.Data) else b""
    except h11.RemoteProtocolError:
        return None
    return body


@pytest.mark.parametrize("reply", WHOLE)
def test_every_framing_of_a_reply_is_read(transport, reply):
    """By length, in chunks, or to the end of the connection; what the one transport reads, the other does."""
    outcome = after(transport, reply)
    assert isinstance(outcome, Response), outcome
    assert outcome.body == WHOLE[reply] == by_h11(reply)


@pytest.mark.parametrize("reply", NOT_HTTP)
def test_what_could_be_read_in_two_ways_is_a_protocol_failure(transport, reply):
    """A reply of no certain meaning is none, and its server has seen the request; neither transport takes it."""
    outcome = after(transport, reply)
    assert isinstance(outcome, Failure), outcome
    assert (outcome.kind, outcome.sent) == ("protocol", True)
    assert by_h11(reply) is None


@pytest.mark.parametrize("reply", REFUSED_HERE_ALONE)
def test_where_h11_is_lenient_this_reader_is_not(transport, reply):
    """No server of today sends such a thing to a client that sends what ours does."""
    outcome = after(transport, reply)
    assert (outcome.kind, outcome.sent) == ("protocol", True)
    assert by_h11(reply) == b"ok"


@pytest.mark.parametrize("reply", CUT_OFF)
def test_a_reply_that_is_cut_off_is_a_connection_failure(transport, reply):
    """Half a reply is none, wherever it ends."""
    outcome = after(transport, reply)
    assert isinstance(outcome, Failure), outcome
    assert (outcome.kind, outcome.sent) == ("connection", True)
    assert by_h11(reply) is None


def test_a_folded_header_is_one_line(transport):
    """A value over several lines, as servers of old wrote it, is put together with a blank for each fold."""
    reply = b"HTTP/1.1 200 OK\r\nX: folded\r\n  over\r\n\tlines\r\nContent-Length: 2\r\n\r\nok"
    response = after(transport, reply)
    assert (response.headers[0], response.body) == (("X", "folded over lines"), b"ok")


def test_headers_are_handed_over_as_they_came(transport):
    """In their order and case, repeated ones too, without the blanks around their values."""
    reply = b"HTTP/1.1 200 OK\r\nB:  1 2\t\r\na: \xe9\r\nB: 3\r\nContent-Length: 0\r\n\r\n"
    assert after(transport, reply).headers == (("B", "1 2"), ("a", "\xe9"), ("B", "3"), ("Content-Length", "0"))


@pytest.mark.parametrize(
    ("reply", "connections"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 1),
        (b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nok", 2),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", 2),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 1),
    ],
)
def test_a_line_is_used_again_only_where_the_reply_leaves_it_open(transport, reply, connections):
    """Not after `close`, in whichever header, nor in HTTP/1.0."""
    with ScriptedServer(answering(reply)) as server:
        for _ in range(2):
            assert isinstance(transport.perform(request(server.url()), b""), Response)
    assert server.connections == connections


@pytest.mark.parametrize("size", [MAX_REPLY_BYTES, MAX_REPLY_BYTES + 1])
def test_the_largest_reply_in_chunks_is_read_whole(transport, size):
    """The limit itself is not over the limit."""
    outcome = after(transport, CHUNKED + b"%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n")
    assert len(outcome.body) == size


@pytest.mark.parametrize(("length", "chunked"), [(MAX_REPLY_BYTES, False), (10**12, False), (10**12, True)])
def test_an_overlong_reply_is_read_to_the_limit_and_no_further(transport, length, chunked):
    """At most one byte more than MAX_REPLY_BYTES is read, and then the connection is closed."""

    def script(wire: Wire) -> None:
        wire.read_request()
        head = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % length
        wire.send(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
        for _ in range(0, min(length, 2 * MAX_REPLY_BYTES), 1024):
            wire.send((b"400\r\n" if chunked else b"") + b"x" * 1024 + (b"\r\n" if chunked else b""))
        wire.wait_for_end()

    with ScriptedServer(script) as server:
        outcome = transport.perform(request(server.url()), b"")
        assert len(outcome.body) == min(length, MAX_REPLY_BYTES + 1)
        if length > MAX_REPLY_BYTES:
            assert server.ended.acquire(timeout=5)


@pytest.mark.parametrize(
    ("begins", "goes_on", "kind"),
    [
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n", "protocol"),
        (b"", b"HTTP/1.1 102 Processing\r\n" + (b"X: " + b"y" * 4000 + b"\r\n") * 50 + b"\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y", "protocol"),
        (CHUNKED + b"0\r\n", b"T: t\r\n", "protocol"),
        (CHUNKED, b"1;" + b"e" * 60_000 + b"\r\nx\r\n", "timeout"),
    ],
)
def test_a_peer_that_never_stops_talking_is_stopped_listening_to(transport, begins, goes_on, kind):
    """By a bound on what it says, or by the total, though its bytes are always there."""

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(begins)
        for _ in repeat(None):
            wire.send(goes_on * max(1, 60_000 // len(goes_on)))

    total = 0.3 if kind == "timeout" else 20.0
    with ScriptedServer(script) as server:
        outcome, seconds = timed(transport, request(server.url(), timeout=20.0, total=total))
    assert (outcome.kind, outcome.sent) == (kind, True)
    assert seconds < 10.0
