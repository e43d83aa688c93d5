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
    ("https://" + "a." * 126 + "a", "https://" + "a." * 126 + "a", "", None),
    ("https://" + "a." * 127, "https://" + "a." * 127, "", None),
]

CHARACTERS = "holds a blank, a backslash, or a character outside printable ASCII"
FORM = "is not of the form https://host[:port][/path]"
USER = "has a user name or password in it"
FRAGMENT = "has a fragment"
PORT = "has a port that is not a number from 1 to 65535"
PATH = "has a path with a character that must be percent-encoded"
DOTS = "has a dot segment in its path, which changes the place that it names"
IPV6 = "has a host that is not an IPv6 address"
NUMBER = "has a host that is a number but not an IPv4 address in four parts"
NAME = "has a host that is not a valid name"

REFUSED = [
    ("", FORM),
    ("h.test", FORM),
    ("//h.test", FORM),
    ("https:h.test", FORM),
    ("https:/h.test", FORM),
    ("https:///h.test", FORM),
    ("https://", FORM),
    ("ftp://h.test", FORM),
    ("file:///etc/passwd", FORM),
    ("javascript:alert(1)", FORM),
    ("https://h.test:", FORM),
    ("https://h.test:8a", FORM),
    ("https://h.test:-1", FORM),
    ("https://h.test:80:80", FORM),
    ("https://:443", FORM),
    ("https://h,test", FORM),
    ("https://h%2etest", FORM),
    ("https://[fe80::1%25eth0]/", FORM),
    ("https://[::1", FORM),
    ("https://[::1]x/", FORM),
    ("https://h.test:0", PORT),
    ("https://h.test:080", PORT),
    ("https://h.test:65536", PORT),
    ("https://h.test:99999999999999999999", PORT),
    ("https://user@h.test", USER),
    ("https://user:SECRETSECRET@h.test", USER),
    ("https://api.flowflex.test@evil.test", USER),
    ("https://@h.test", USER),
    ("https://ada:SECRET@h.test/https://h.test", USER),
    ("ftp://h.test/@", FORM),
    ("ftp://h.test?@", FORM),
    ("https://h.test#f", FRAGMENT),
    ("https://evil.test#@api.flowflex.test", FRAGMENT),
    ("https://h.test/#", FRAGMENT),
    ("https://evil.test\\@api.flowflex.test", CHARACTERS),
    ("https:\\\\h.test", CHARACTERS),
    (" https://h.test", CHARACTERS),
    ("https://h.test ", CHARACTERS),
    ("https://h.test/a b", CHARACTERS),
    ("https://h.test\n", CHARACTERS),
    ("https://h.test/\r\nX: y", CHARACTERS),
    ("https://h\u00e9.test", CHARACTERS),
    ("https://api.flowflex\u3002test", CHARACTERS),
    ("https://h.test/\u202e", CHARACTERS),
    ("https://h.test/a[b", PATH),
    ('https://h.test/"', PATH),
    ("https://h.test/%", PATH),
    ("https://h.test/%2g", PATH),
    ("https://h.test/.", DOTS),
    ("https://h.test/..", DOTS),
    ("https://h.test/a/../b", DOTS),
    ("https://h.test/a/%2e%2E/b", DOTS),
    ("https://h.test/.%2e", DOTS),
    ("https://2130706433", NUMBER),
    ("https://0x7f000001", NUMBER),
    ("https://0x7f.1", NUMBER),
    ("https://127.1", NUMBER),
    ("https://0177.0.0.1", NUMBER),
    ("https://1.2.3.4.5", NUMBER),
    ("https://1.2.3.4.", NUMBER),
    ("https://256.1.1.1", NUMBER),
    ("https://h.test.9", NUMBER),
    ("https://[::1::2]", IPV6),
    ("https://[1.2.3.4]", IPV6),
    ("https://h..test", NAME),
    ("https://.h.test", NAME),
    ("https://.", NAME),
    ("https://-h.test", NAME),
    ("https://h-.test", NAME),
    ("https://h.test..", NAME),
    ("https://" + "a" * 64 + ".test", NAME),
    ("https://" + "a." * 126 + "aa", NAME),
    ("https://" + "a." * 126 + "aa.", NAME),
]


@pytest.mark.parametrize(("url", "origin", "path", "query"), READ)
def test_plain_urls_are_read(url, origin, path, query):
    """A plain URL gives its origin in lower case, without the usual port, and its path and query as they stand."""
    address = parse(url)
    assert (address.origin, address.path, address.query) == (origin, path, query)


@pytest.mark.parametrize(("url", "why"), REFUSED)
def test_odd_urls_are_refused(url, why):
    """A URL that two parsers could read in two ways is refused with the reason, and is never repeated."""
    with pytest.raises(AddressError) as caught:
        parse(url)
    assert str(caught.value) == why


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
