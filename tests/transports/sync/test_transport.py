import os
import pickle
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from flowflex_core import Failure, FlowFlexConfigError, Response
from flowflex_transports.environment import Proxies
from flowflex_transports.sync.transport import Urllib3Transport
from tests.support.attempts import Chunks, request, shown_by_frames
from tests.support.scripted import ScriptedServer, Wire, answering

# Failures


def test_a_refused_connection_sent_nothing(transport):
    """Where nobody listens, nothing was sent."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        outcome = transport.perform(request(f"http://127.0.0.1:{unused.getsockname()[1]}/?sig=secret"), b"")
    assert (outcome.kind, outcome.sent) == ("connection", False)
    assert "secret" not in repr(outcome)


def test_a_url_that_is_none_sent_nothing(transport):
    """What two parsers could read in two ways is not sent anywhere."""
    outcome = transport.perform(request("http://user:hidden@127.0.0.1/"), b"")
    assert (outcome.kind, outcome.sent) == ("protocol", False)
    assert "hidden" not in repr(outcome)


def test_an_unknown_host_sent_nothing(transport):
    """A name that does not resolve is a connection failure."""
    outcome = transport.perform(request("http://no-such-host.invalid/"), b"")
    assert (outcome.kind, outcome.sent) == ("connection", False)


def test_a_reset_while_waiting_is_a_connection_failure(transport):
    """The request may have arrived."""

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.reset()

    with ScriptedServer(script) as server:
        outcome = transport.perform(request(server.url()), b"")
    assert (outcome.kind, outcome.sent) == ("connection", True)


def test_an_untrusted_certificate_is_a_tls_failure_and_nothing_was_sent(server_context):
    """The default authorities do not know the server's."""
    transport: Any = Urllib3Transport()
    with ScriptedServer(answering(), tls=server_context) as server:
        outcome = transport.perform(request(server.url()), b"")
    assert (outcome.kind, outcome.sent, server.requests) == ("tls", False, [])
    assert "certificate" in outcome.message


def test_plain_http_where_tls_was_expected_is_a_tls_failure(tls_transport):
    """A server without TLS is told apart from a dead one."""

    def script(wire: Wire) -> None:
        wire.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        wire.wait_for_end()

    with ScriptedServer(script) as server:
        outcome = tls_transport.perform(request(f"https://127.0.0.1:{server.port}/"), b"")
    assert (outcome.kind, outcome.sent) == ("tls", False)


def test_what_a_source_raises_passes_through_and_closes_the_connection(transport):
    """A source's own exception, an OSError too, is not taken for network trouble."""

    class TornError(OSError):
        pass

    def tear():
        raise TornError

    def script(wire: Wire) -> None:
        wire.read_head()
        wire.wait_for_end()

    with ScriptedServer(script) as server:
        with pytest.raises(TornError):
            transport.perform(request(server.url(), method="PUT"), Chunks(b"a", b"b", between=tear))
        assert server.ended.acquire(timeout=5)


@pytest.mark.parametrize("secured", [False, True])
def test_no_failure_leaves_a_descriptor_behind(transport, tls_transport, server_context, secured):
    """Whatever an attempt ends with, its socket is closed."""

    def holding(wire: Wire) -> None:
        wire.read_request()
        wire.hold()

    def resetting(wire: Wire) -> None:
        wire.read_request()
        wire.reset()

    used = tls_transport if secured else transport
    scripts = [holding, resetting, answering(b"nonsense\r\n"), holding]
    with ScriptedServer(*scripts, tls=server_context if secured else None) as server:
        before = set(Path("/proc/self/fd").iterdir())
        for _ in range(5):
            assert isinstance(used.perform(request(server.url(), timeout=0.05), b""), Failure)
        used.close()
        left = [name for name in set(Path("/proc/self/fd").iterdir()) - before if is_client_socket(name, server.port)]
    assert not left


def is_client_socket(descriptor, port):
    try:
        with socket.socket(fileno=os.dup(int(descriptor.name))) as sock:
            return sock.getpeername()[1] == port
    except OSError:
        return False


# TLS


def test_a_file_of_certificates_is_trusted(authority, server_context, tmp_path):
    """`ca_file` names whom to trust."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    transport: Any = Urllib3Transport(ca_file=path)
    with ScriptedServer(answering(), tls=server_context) as server:
        assert transport.perform(request(server.url()), b"").status == 200
    transport.close()


def test_the_environment_names_whom_to_trust(authority, server_context, tmp_path, monkeypatch):
    """`SSL_CERT_FILE` is honoured where nothing else is said."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    transport: Any = Urllib3Transport()
    with ScriptedServer(answering(), tls=server_context) as server:
        assert transport.perform(request(server.url()), b"").status == 200
    transport.close()


def test_the_certificate_must_name_the_host(authority, trusting):
    """A trusted certificate for another name is not accepted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example.test").configure_cert(context)
    transport: Any = Urllib3Transport(ssl_context=trusting)
    with ScriptedServer(answering(), tls=context) as server:
        outcome = transport.perform(request(server.url()), b"")
    assert (outcome.kind, outcome.sent, server.requests) == ("tls", False, [])


def test_a_host_is_named_in_tls_without_its_final_dot(trusting, server_context, monkeypatch):
    """A fully qualified name ends with a dot in the URL, and not in certificates."""
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _host, port, **options: resolve("127.0.0.1", port, **options))
    transport: Any = Urllib3Transport(ssl_context=trusting)
    with ScriptedServer(answering(), tls=server_context) as server:
        outcome = transport.perform(request(server.url(host="api.example.test.")), b"")
    transport.close()
    assert isinstance(outcome, Response), outcome


# Processes


FORK = """
import os, sys, threading
from flowflex_core import Request
from flowflex_transports.sync.transport import Urllib3Transport

def perform(text):
    outcome = transport.perform(Request("1", "POST", sys.argv[1], {}, b"", 5.0, 5.0), text)
    assert outcome.body == text, outcome

transport = Urllib3Transport()
perform(b"parent before")
busy = threading.Thread(target=perform, args=(b"slow",))
busy.start()
pool = transport._pools.get()
pool._lock.acquire()   # as another thread might hold it at the moment of the fork
child = os.fork()
if child == 0:
    perform(b"child")
    transport.close()
    os._exit(0)
pool._lock.release()
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
perform(b"parent after")
busy.join()
transport.close()
"""


def test_a_forked_process_has_connections_of_its_own(tmp_path):
    """A child takes no lock and no connection of its parent's, and closes none of them for it."""
    slow = threading.Event()
    by_connection = []

    def echo(wire: Wire) -> None:
        mine: list[bytes] = []
        by_connection.append(mine)
        while received := wire.read_request():
            mine.append(received.body)
            if received.body == b"slow":
                slow.wait(10)
            if received.body == b"child":
                slow.set()
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(received.body) + received.body)

    with ScriptedServer(echo) as server:
        process = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", FORK, server.url()], capture_output=True, text=True, timeout=30
        )
    assert process.returncode == 0, process.stderr
    assert [b"child"] in by_connection
    assert next(bodies for bodies in by_connection if b"parent after" in bodies)[:1] != [b"child"]
    assert len(by_connection) <= 3


def test_logs_of_the_libraries_beneath_hold_no_presigned_url(transport, caplog):
    """An odd header line makes urllib3 log the URL; it is not asked to read replies."""
    caplog.set_level("DEBUG")
    odd = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nno colon here\r\n\r\nok"
    with ScriptedServer(answering(odd)) as server:
        transport.perform(request(server.url("/x?sig=secret"), method="PUT"), b"")
    assert "secret" not in caplog.text


@pytest.mark.parametrize("moment", ["sending", "waiting"])
@pytest.mark.parametrize("proxied", [False, True])
def test_no_frame_shows_a_credential(moment, proxied, monkeypatch):
    """Ctrl-C in the midst of a request: tools that report errors print the locals of all frames."""

    def interrupt(*_):
        raise KeyboardInterrupt

    if moment == "waiting":
        monkeypatch.setattr("flowflex_transports.sync.connection.read_reply", interrupt)
    with ScriptedServer(answering()) as server:
        url, proxy = server.url("/x?sig=hidden"), f"http://me:hidden@127.0.0.1:{server.port}"
        transport = Urllib3Transport(proxy=proxy) if proxied else Urllib3Transport()
        body = Chunks(b"a", b"b", between=interrupt if moment == "sending" else lambda: None)
        with pytest.raises(KeyboardInterrupt) as caught:
            transport.perform(request(url, method="PUT", headers={"Authorization": "Basic hidden"}), body)
        transport.close()
    shown = shown_by_frames(caught.value)
    assert "exchange: " in shown
    assert "hidden" not in shown.replace("<hidden>", "").replace("headers, hidden>", "")


@pytest.mark.parametrize("make", [Urllib3Transport, lambda proxy: Proxies(proxy)])
def test_a_proxys_password_is_not_pickled(make):
    """Neither a transport nor what it knows of proxies can be pickled: a password may be in it."""
    with pytest.raises(FlowFlexConfigError, match="anew"):
        pickle.dumps(make(proxy="http://me:PASSWORD@127.0.0.1:1"))
