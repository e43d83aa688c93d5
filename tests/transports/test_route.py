"""The way to a URL: what the request line, the Host header and a proxy are told."""

import pytest

from flowflex_core import Request
from flowflex_core.address import AddressError
from flowflex_transports.environment import Proxies
from flowflex_transports.route import Route
from tests.support.attempts import Chunks

DIRECT = Proxies(trust_environment=False)
PROXY = Proxies("http://me:secret@proxy.test:3128")
CREDENTIALS = {"Proxy-Authorization": "Basic bWU6c2VjcmV0"}


REQUEST = Request("1", "PUT", "https://unused.test", {"Authorization": "Basic mine"}, b"", 1.0, 1.0)


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("https://s.test/a%2fb%2F~?x=1&y=%41", "s.test", "/a%2fb%2F~?x=1&y=%41"),
        ("https://S.Test:443", "S.Test:443", "/"),
        ("http://s.test:8080?sig=1", "s.test:8080", "/?sig=1"),
        ("http://[::1]:80/a", "[::1]:80", "/a"),
    ],
)
def test_a_target_holds_the_bytes_of_the_url(url, host, target):
    """Nothing of a URL is written in another way: a signature may cover all of it."""
    route = Route.to(url, DIRECT)
    assert (route.host, route.target) == (host, target)
    assert route.headers(REQUEST, b"") == {"Host": host, "Authorization": "Basic mine", "Content-Length": "0"}


def test_a_proxy_is_given_the_whole_url_without_tls():
    """It reads the request then, and its credentials go along."""
    route = Route.to("http://s.test/a?b", PROXY)
    assert (route.host, route.target) == ("s.test", "http://s.test/a?b")
    assert route.headers(REQUEST, b"{}") == {
        "Host": "s.test",
        "Authorization": "Basic mine",
        **CREDENTIALS,
        "Content-Length": "2",
    }
    assert not route.tunnelled


def test_a_tunnel_keeps_the_proxys_credentials_from_the_server():
    """They go with the request for the tunnel, and with nothing that goes through it."""
    route = Route.to("https://s.test/a?b", PROXY)
    assert (route.tunnel, route.tunnel_headers) == ("s.test:443", {"Host": "s.test:443", **CREDENTIALS})
    assert (route.target, route.tunnelled) == ("/a?b", True)
    assert route.headers(REQUEST, Chunks(b"12", b"3")) == {
        "Host": "s.test",
        "Authorization": "Basic mine",
        "Content-Length": "3",
    }


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://s.test/a", "https://S.test:443/b", True),
        ("https://s.test/a", "http://s.test/a", False),
        ("https://s.test/a", "https://t.test/a", False),
    ],
)
def test_a_connection_serves_its_own_origin(one, other, same):
    """The same scheme, host and port, however they are written."""
    assert (Route.to(one, DIRECT).key == Route.to(other, DIRECT).key) is same
    assert Route.to(one, DIRECT).key != Route.to(one, PROXY).key


def test_a_connection_to_a_proxy_serves_every_plain_origin():
    """But a tunnel leads to one origin alone."""
    assert Route.to("http://s.test/", PROXY).key == Route.to("http://t.test/", PROXY).key
    assert Route.to("https://s.test/", PROXY).key != Route.to("https://t.test/", PROXY).key


def test_no_repr_of_a_route_shows_a_query():
    """Tools that report errors print the locals of every frame."""
    assert "hidden" not in repr(Route.to("https://s.example.test/a?sig=hidden", DIRECT))


def test_what_can_be_read_in_two_ways_is_no_route():
    """A URL with a user name in it, for one."""
    with pytest.raises(AddressError):
        Route.to("https://me@s.test/", DIRECT)


def test_what_holds_credentials_does_not_show():
    """Neither where a presigned URL leads nor what goes along stands in the repr of anything."""
    route = Route.to("http://s.test/a?sig=hidden", PROXY)
    values = [route, route.target, route.headers(REQUEST, b""), Route.to("https://s.test/", PROXY).tunnel_headers]
    shown = repr(values)
    assert "sig=" not in shown
    assert "Basic" not in shown
