"""The neutral server records what arrives byte for byte, and answers as it is told."""

import http.client
import json
import socket

import pytest

from tests.differential.recording import DROPPED, SILENT, RecordingServer, Reply, json_reply


def ask(server, origin="<api>", target="/v1/events/x", method="POST", body=b"{}", timeout=5.0):
    host, port = server.places[origin].removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
    try:
        connection.request(method, target, body, {"X-Odd": "a\xe9"})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def test_a_request_is_recorded_as_it_arrived():
    """Method, raw target, headers and body of a request are kept byte for byte."""
    with RecordingServer({}) as server:
        ask(server, target="/v1/events/a%2fb//c?x=%7E", body=b"\x00\xff")
    [request] = server.requests
    assert (request.leg, request.method, request.target) == ("event", "POST", "/v1/events/a%2fb//c?x=%7E")
    assert (request.headers["x-odd"], request.body) == ("a\xe9", b"\x00\xff")


@pytest.mark.parametrize(
    ("origin", "target", "leg"),
    [
        ("<api>", "/eu/v1/assets/upload-url", "upload-url"),
        ("<api>", "/v1/events/x", "event"),
        ("<api>", "/landed", "elsewhere"),
        ("<storage>", "/bucket/a?token=b", "put"),
        ("<storage>", "/v1/events/x", "elsewhere"),
    ],
)
def test_a_leg_is_told_by_origin_and_path(origin, target, leg):
    """Each leg is recognised, and a request that is none of them is told apart."""
    with RecordingServer({}) as server:
        ask(server, origin, target, body=b'{"filename": "a.pdf"}')
    assert [request.leg for request in server.requests] == [leg]


def test_replies_come_in_turn_and_the_last_one_stays():
    """Each request of a leg takes the next reply, and the last reply is for all that follow."""
    with RecordingServer({"event": [Reply(503), Reply(202)]}) as server:
        assert [ask(server)[0] for _ in range(3)] == [503, 202, 202]


def test_places_are_filled_in():
    """Headers and body may name what only the running server knows, and Content-Length is true all the same."""
    reply = Reply(200, b"at <storage> for <asset>", (("Location", "<api>/next"),))
    with RecordingServer({"upload-url": [reply]}) as server:
        _, headers, body = ask(
            server, target="/v1/assets/upload-url", body=json.dumps({"filename": "a b.pdf"}).encode()
        )
        assert body.decode() == f"at {server.places['<storage>']} for asset_abpdf1"
        assert headers["Location"] == server.places["<api>"] + "/next"


def test_a_drop_is_an_end_without_an_answer():
    """A dropped connection ends before any byte of a reply."""
    with RecordingServer({"event": [DROPPED]}) as server, pytest.raises(http.client.RemoteDisconnected):
        ask(server)


def test_silence_lasts_until_the_client_goes():
    """A silent reply sends nothing and keeps the connection open, and stopping the server does not wait for it."""
    with RecordingServer({"event": [SILENT]}) as server, pytest.raises(TimeoutError):
        ask(server, timeout=0.05)


def test_nobody_listens_at_nobody():
    """The place `<nobody>` refuses connections."""
    with RecordingServer({}) as server, pytest.raises(ConnectionRefusedError):
        ask(server, "<nobody>")


def test_a_mistake_of_the_server_itself_is_not_swallowed():
    """Where the server cannot make sense of a request, the run fails with the reason."""
    with pytest.raises(json.JSONDecodeError), RecordingServer({"upload-url": [json_reply({})]}) as server:  # noqa: PT012
        host, port = server.places["<api>"].removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"POST /v1/assets/upload-url HTTP/1.1\r\nContent-Length: 1\r\n\r\n{")
            assert connection.recv(1) == b""
