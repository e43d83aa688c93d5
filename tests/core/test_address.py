"""URLs: what is read, what is refused, and what counts as loopback."""

import ipaddress
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowflex_core.address import AddressError, parse
from tests.core.generating import examples

READ = [
    ("https://api.flowflex.test", "https://api.flowflex.test", "", None),
    ("HTTPS://API.FlowFlex.test/V1", "https://api.flowflex.test", "/V1", None),
    ("https://api.flowflex.test:443/", "https://api.flowflex.test", "/", None),
    ("http://localhost:80", "http://localhost", "", None),
    ("https://localhost:80", "https://localhost:80", "", None),
    ("https://h.test:8443/a/b", "https://h.test:8443", "/a/b", None),
    ("https://h.test./a", "https://h.test.", "/a", None),
    ("https://h_1.test", "https://h_1.test", "", None),
    ("https://xn--bcher-kva.test", "https://xn--bcher-kva.test", "", None),
    ("https://10.0.0.1:1", "https://10.0.0.1:1", "", None),
    ("https://[::1]:8080/x", "https://[::1]:8080", "/x", None),
    ("https://[2001:DB8:0:0::1]", "https://[2001:db8::1]", "", None),
    ("https://h.test?a=b", "https://h.test", "", "a=b"),
    ("https://h.test/p?a=%2F&b=@x:/?", "https://h.test", "/p", "a=%2F&b=@x:/?"),
    ("https://h.test/@user/a:b", "https://h.test", "/@user/a:b", None),
    ("https://h.test/%2F/..a/.b./...", "https://h.test", "/%2F/..a/.b./...", None),
    ("https://h.test:65535", "https://h.test:65535", "", None),
]

REFUSED = [
    ("", "not of the form"),
    ("h.test", "not of the form"),
    ("//h.test", "not of the form"),
    ("https:h.test", "not of the form"),
    ("https:/h.test", "not of the form"),
    ("https:///h.test", "not of the form"),
    ("https://", "not of the form"),
    ("ftp://h.test", "not of the form"),
    ("file:///etc/passwd", "not of the form"),
    ("javascript:alert(1)", "not of the form"),
    ("https://h.test:", "not of the form"),
    ("https://h.test:8a", "not of the form"),
    ("https://h.test:-1", "not of the form"),
    ("https://h.test:80:80", "not of the form"),
    ("https://:443", "not of the form"),
    ("https://h,test", "not of the form"),
    ("https://h%2etest", "not of the form"),
    ("https://[fe80::1%25eth0]/", "not of the form"),
    ("https://[::1", "not of the form"),
    ("https://[::1]x/", "not of the form"),
    ("https://h.test:0", "port"),
    ("https://h.test:080", "port"),
    ("https://h.test:65536", "port"),
    ("https://h.test:99999999999999999999", "port"),
    ("https://user@h.test", "user name or password"),
    ("https://user:SECRETSECRET@h.test", "user name or password"),
    ("https://api.flowflex.test@evil.test", "user name or password"),
    ("https://@h.test", "user name or password"),
    ("https://ada:SECRET@h.test/https://h.test", "^has a user name or password in it$"),
    ("ftp://h.test/@", r"^is not of the form https://host\[:port\]\[/path\]$"),
    ("ftp://h.test?@", r"^is not of the form https://host\[:port\]\[/path\]$"),
    ("https://h.test#f", "fragment"),
    ("https://evil.test#@api.flowflex.test", "fragment"),
    ("https://h.test/#", "fragment"),
    ("https://evil.test\\@api.flowflex.test", "backslash"),
    ("https:\\\\h.test", "backslash"),
    (" https://h.test", "blank"),
    ("https://h.test ", "blank"),
    ("https://h.test/a b", "blank"),
    ("https://h.test\n", "printable ASCII"),
    ("https://h.test/\r\nX: y", "printable ASCII"),
    ("https://h\u00e9.test", "printable ASCII"),
    ("https://api.flowflex\u3002test", "printable ASCII"),
    ("https://h.test/\u202e", "printable ASCII"),
    ("https://h.test/a[b", "percent-encoded"),
    ('https://h.test/"', "percent-encoded"),
    ("https://h.test/%", "percent-encoded"),
    ("https://h.test/%2g", "percent-encoded"),
    ("https://h.test/.", "dot segment"),
    ("https://h.test/..", "dot segment"),
    ("https://h.test/a/../b", "dot segment"),
    ("https://h.test/a/%2e%2E/b", "dot segment"),
    ("https://h.test/.%2e", "dot segment"),
    ("https://2130706433", "number but not an IPv4 address"),
    ("https://0x7f000001", "number but not an IPv4 address"),
    ("https://0x7f.1", "number but not an IPv4 address"),
    ("https://127.1", "number but not an IPv4 address"),
    ("https://0177.0.0.1", "number but not an IPv4 address"),
    ("https://1.2.3.4.5", "number but not an IPv4 address"),
    ("https://256.1.1.1", "number but not an IPv4 address"),
    ("https://h.test.9", "number but not an IPv4 address"),
    ("https://[::1::2]", "not an IPv6 address"),
    ("https://[1.2.3.4]", "not an IPv6 address"),
    ("https://h..test", "not a valid name"),
    ("https://.h.test", "not a valid name"),
    ("https://.", "not a valid name"),
    ("https://-h.test", "not a valid name"),
    ("https://h-.test", "not a valid name"),
    ("https://h.test..", "not a valid name"),
    ("https://" + "a" * 64 + ".test", "not a valid name"),
    ("https://" + "a." * 127 + "test", "not a valid name"),
]


@pytest.mark.parametrize(("url", "origin", "path", "query"), READ)
def test_plain_urls_are_read(url, origin, path, query):
    """A plain URL gives its origin in lower case, without the usual port, and its path and query as they stand."""
    address = parse(url)
    assert (address.origin, address.path, address.query) == (origin, path, query)


@pytest.mark.parametrize(("url", "why"), REFUSED)
def test_odd_urls_are_refused(url, why):
    """A URL that two parsers could read in two ways is refused with the reason, and is never repeated."""
    with pytest.raises(AddressError, match=why) as caught:
        parse(url)
    assert "SECRET" not in str(caught.value)
    assert "evil" not in str(caught.value)


LOOPBACK = ["localhost", "LOCALHOST", "localhost.", "127.0.0.1", "127.0.0.0", "127.255.255.255", "[::1]", "[0:0::1]"]
ELSEWHERE = [
    "localhost.evil.test",
    "evil.localhost",
    "localhost4",
    "127.0.0.1.evil.test",
    "126.255.255.255",
    "128.0.0.1",
    "0.0.0.0",
    "10.0.0.1",
    "[::]",
    "[::2]",
    "[::ffff:127.0.0.1]",
    "[7f00::1]",
]


@pytest.mark.parametrize("host", LOOPBACK)
def test_loopback_hosts(host):
    """127.0.0.0/8, ::1 and localhost, with or without its final dot, never leave the machine."""
    assert parse(f"http://{host}:8080/x").is_loopback


@pytest.mark.parametrize("host", ELSEWHERE)
def test_hosts_elsewhere(host):
    """What only resembles a loopback host is none."""
    assert not parse(f"http://{host}:8080/x").is_loopback


@examples(200)
@given(st.integers(0, 2**32 - 1))
def test_loopback_agrees_with_the_standard_library(number):
    """An IPv4 address is loopback here exactly when `ipaddress` says so."""
    address = ipaddress.IPv4Address(number)
    assert parse(f"http://{address}").is_loopback is address.is_loopback


URL_PIECES = [
    "https://",
    "http://",
    "a",
    "b.test",
    ":",
    "443",
    "/",
    ".",
    "..",
    "@",
    "?",
    "#",
    "%2e",
    "\\",
    " ",
    "[",
    "]",
    "::1",
    "0x7f",
]


@examples(300)
@given(st.lists(st.sampled_from(URL_PIECES), max_size=8).map("".join))
def test_what_is_read_means_the_same_to_another_parser(url):
    """Whatever is taken, `urllib.parse` reads the same host, port, path and query out of it, and no user name."""
    try:
        address = parse(url)
    except AddressError:
        return
    other = urlsplit(url)
    usual = 443 if other.scheme == "https" else 80
    assert (other.hostname, other.port or usual) == (address.host.strip("[]"), address.port)
    assert (other.path, other.query, other.fragment) == (address.path, address.query or "", "")
    assert other.username is other.password is None


@examples(150)
@given(st.text(max_size=20) | st.text("htps:/[]@.%?#\\019a-", max_size=20).map("http://".__add__))
def test_any_text_is_read_or_refused(url):
    """Any text at all is read or refused; nothing else is raised."""
    try:
        said = parse(url).origin
    except AddressError as error:
        said = f"the URL {error}"
    assert said.startswith(("http://", "https://", "the URL "))
    assert said.isprintable()
