"""What leaves: the target, the headers and the body of a request, byte for byte, and nothing beside them."""

# ruff: noqa: D401 - the docstring of a check is the sentence that it holds a transport to

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flowflex_testing.contract.bench import Content
from flowflex_testing.contract.peers import Peer, Received, answering, reply
from flowflex_testing.contract.violation import require
from flowflex_testing.contract.wire.bench import SECRET, WireBench
from flowflex_testing.contract.wire.check import WireCheck

# What an HTTP library likes to repair; every byte of path and query is covered by a presigned signature.
_TARGETS = (
    "/a%2fb%2Fc",
    "/%7Eme/~me",
    "/a;b='c'!(*)",
    "/a//b/",
    "/a?z=1&a=2&z=0",
    "/a?plus=a+b&space=%20&slash=/%2f&mark=?",
    "/a?",
    "/a?token=a%3D%3d==&empty=&'bare'",
    "/caf%c3%a9?caf%E9",
)

# Host and Content-Length frame the request; Connection says what becomes of the connection afterwards;
# Accept-Encoding: identity asks for the reply as it is, which is what a request without it gets in practice.
_ALLOWED_ADDITIONS = {
    b"host": None,
    b"content-length": None,
    b"connection": (b"keep-alive", b"close"),
    b"accept-encoding": (b"identity",),
}


async def target_is_sent_byte_for_byte(bench: WireBench) -> None:
    """The request target is the URL's path and query as they stand: nothing is decoded, encoded or reordered."""
    with Peer(answering(reply(200))) as peer:
        for target in _TARGETS:
            seen = (await _arrival(bench, peer, target)).target
            fault = "the URL's path and query are not sent byte for byte"
            require(seen == target.encode(), fault, expected=target.encode(), seen=seen)


async def target_without_path_is_a_slash(bench: WireBench) -> None:
    """A URL without a path names the root, `/`, with its query behind it."""
    with Peer(answering(reply(200))) as peer:
        for rest, target in (("", b"/"), ("?a=1", b"/?a=1")):
            seen = (await _arrival(bench, peer, rest)).target
            require(seen == target, "a URL without a path is not sent as the root", expected=target, seen=seen)


async def method_is_sent_as_given(bench: WireBench) -> None:
    """POST goes out as POST and PUT as PUT."""
    with Peer(answering(reply(200))) as peer:
        for method in ("POST", "PUT"):
            seen = (await _arrival(bench, peer, method=method)).method
            require(seen == method.encode(), "the method is changed", expected=method.encode(), seen=seen)


async def host_names_the_origin(bench: WireBench) -> None:
    """There is one Host header, which is the URL's host and port."""
    with Peer(answering(reply(200))) as peer:
        hosts = (await _arrival(bench, peer)).values(b"host")
        expected = [f"127.0.0.1:{peer.port}".encode()]
        require(hosts == expected, "the Host header is wrong", expected=expected, seen=hosts)


async def bytes_are_framed_by_their_length(bench: WireBench) -> None:
    """A body of bytes goes out with its exact Content-Length, and not chunked."""
    with Peer(answering(reply(200))) as peer:
        for body in (b"{}", bytes(range(256)) * 1000):
            _require_framed(await _arrival(bench, peer, body=body), body)


async def source_is_framed_by_its_length(bench: WireBench) -> None:
    """A source goes out whole with its exact Content-Length, not chunked, and empty chunks change nothing."""
    pieces = (b"first,", b"", b"second,", bytes(300_000), b"", b"last")
    with Peer(answering(reply(200))) as peer:
        received = await _arrival(bench, peer, method="PUT", body=Content.of(*pieces))
        _require_framed(received, b"".join(pieces))


async def empty_body_has_a_length(bench: WireBench) -> None:
    """A body of no bytes, or a source of none, goes out with Content-Length: 0."""
    with Peer(answering(reply(200))) as peer:
        for body in (b"", Content.of(), Content.of(b"")):
            _require_framed(await _arrival(bench, peer, method="PUT", body=body), b"")


async def header_values_are_latin_1(bench: WireBench) -> None:
    """Each header goes out once, its value as latin-1 bytes, with nothing in it changed."""
    headers = {
        "x-event": "payé.à.l'échéance",
        "x-idempotency-key": 'a  b, "c"; d=\xff',
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": "contract/1",
        "Authorization": f"Basic {SECRET}",
    }
    with Peer(answering(reply(200))) as peer:
        received = await _arrival(bench, peer, headers=headers)
        for name, value in headers.items():
            seen = received.values(name.lower().encode())
            expected = [value.encode("latin-1")]
            fault = f"the header {name} does not arrive once and as latin-1 bytes"
            require(seen == expected, fault, expected=expected, seen=seen)


async def no_header_is_added(bench: WireBench) -> None:
    """Nothing is added but Host, Content-Length, Connection, and at most Accept-Encoding: identity."""
    with Peer(answering(reply(200))) as peer:
        for body in (b"{}", Content.of(b"%PDF")):
            received = await _arrival(bench, peer, headers={"Content-Type": "application/pdf"}, body=body)
            for name, value in received.headers:
                values = _ALLOWED_ADDITIONS.get(name, ())
                require(
                    name == b"content-type" or values is None or value.lower() in values,
                    f"the transport adds a header of its own, {name.decode('latin-1')}",
                    expected="Host, Content-Length, Connection and at most Accept-Encoding: identity",
                    seen=f"{name.decode('latin-1')}: {value.decode('latin-1')}",
                )


async def cookies_are_not_kept(bench: WireBench) -> None:
    """A cookie that the server sets is not sent back."""
    with Peer(answering(reply(200, b"", "Set-Cookie: session=1; Path=/"))) as peer:
        await _arrival(bench, peer)
        cookies = (await _arrival(bench, peer)).values(b"cookie")
        require(not cookies, "a cookie of the first reply is sent with the next request", expected=[], seen=cookies)


async def netrc_is_not_read(bench: WireBench) -> None:
    """Credentials in the user's netrc file neither replace an Authorization header nor add one."""
    with Peer(answering(reply(200))) as peer, _netrc("machine 127.0.0.1 login other password other\n"):
        for headers in ({}, {"Authorization": "Basic own"}):
            seen = (await _arrival(bench, peer, headers=headers)).values(b"authorization")
            expected = [value.encode() for value in headers.values()]
            require(seen == expected, "credentials from a netrc file are sent", expected=expected, seen=seen)


async def _arrival(bench: WireBench, peer: Peer, target: str = "/", **options: Any) -> Received:
    before = len(peer.requests)
    await bench.response("a plain request does not get its reply", peer.origin + target, **options)
    count = len(peer.requests) - before
    require(count == 1, "a request does not arrive once", expected="1 request", seen=f"{count} requests")
    return peer.requests[-1]


def _require_framed(received: Received, body: bytes) -> None:
    coding = received.values(b"transfer-encoding")
    require(not coding, "the body is sent with a Transfer-Encoding", expected="a Content-Length alone", seen=coding)
    lengths = received.values(b"content-length")
    expected = [str(len(body)).encode()]
    require(lengths == expected, "the Content-Length is missing or wrong", expected=expected, seen=lengths)
    seen = f"{len(received.body)} other bytes"
    require(received.body == body, "the body arrives changed", expected=f"{len(body)} bytes as given", seen=seen)


@contextmanager
def _netrc(text: str) -> Generator[None, None, None]:
    before = os.environ.get("NETRC")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "netrc")
        path.write_text(text)
        path.chmod(0o600)
        os.environ["NETRC"] = str(path)
        try:
            yield
        finally:
            if before is None:
                del os.environ["NETRC"]
            else:
                os.environ["NETRC"] = before


CHECKS = (
    WireCheck(target_is_sent_byte_for_byte),
    WireCheck(target_without_path_is_a_slash),
    WireCheck(method_is_sent_as_given),
    WireCheck(host_names_the_origin),
    WireCheck(bytes_are_framed_by_their_length),
    WireCheck(source_is_framed_by_its_length),
    WireCheck(empty_body_has_a_length),
    WireCheck(header_values_are_latin_1),
    WireCheck(no_header_is_added),
    WireCheck(cookies_are_not_kept),
    WireCheck(netrc_is_not_read),
)
