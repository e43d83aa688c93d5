"""Reads an http(s) URL strictly, so that it means the same to us, to the HTTP library and to the server.

Parsers disagree about odd URLs (blanks, backslashes, userinfo, hosts written as one number), and that is how
checks on a host are fooled. What is odd is refused here, never repaired.
"""

import ipaddress
import re
from dataclasses import dataclass, field

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::(?P<port>[0-9]+))?"
    r"(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?",
    re.IGNORECASE | re.ASCII,
)
# Possessive (`++`): a character is looked at once, however odd the path.
_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]++|%[0-9A-Fa-f]{2})*+", re.ASCII)
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?", re.ASCII)
# A host whose last label is a number is an IPv4 address to browsers and resolvers, in up to four notations.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_DOT_SEGMENT = re.compile(r"/(?:\.|%2[Ee]){1,2}(?:/|$)", re.ASCII)


class AddressError(ValueError):
    """Says in a few words what is wrong with a URL, without repeating it: it may hold a secret."""


@dataclass(frozen=True, slots=True)
class Address:
    """An http(s) URL in its parts: the host in lower case, IPv6 in brackets, the path as it stands."""

    scheme: str
    host: str
    port: int
    path: str
    query: str | None = field(repr=False)

    @property
    def origin(self) -> str:
        """`scheme://host`, with the port where it is not the scheme's own."""
        usual = 443 if self.scheme == "https" else 80
        return f"{self.scheme}://{self.host}" + ("" if self.port == usual else f":{self.port}")

    @property
    def is_loopback(self) -> bool:
        """Whether the host is 127.0.0.0/8, ::1 or localhost, with or without its final dot."""
        host = self.host.removesuffix(".")
        if host == "localhost":
            return True
        try:
            return ipaddress.ip_address(host.strip("[]")) in (
                ipaddress.ip_network("127.0.0.0/8") if "[" not in host else ipaddress.ip_network("::1/128")
            )
        except ValueError:
            return False


def parse(url: str) -> Address:
    """Read `url`, or raise `AddressError` for anything that two parsers could read in two ways."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise AddressError("holds a blank, a backslash, or a character outside printable ASCII")
    match = _URL.fullmatch(url)
    if match is None:
        raise AddressError(_why_not(url))
    scheme = match["scheme"].lower()
    host = _host(match["host"].lower())
    port = match["port"]
    if port is None:
        number = 443 if scheme == "https" else 80
    elif len(port) > 5 or not 1 <= (number := int(port)) <= 65535 or port[0] == "0":
        raise AddressError("has a port that is not a number from 1 to 65535")
    path = match["path"] or ""
    if _PATH.fullmatch(path) is None:
        raise AddressError("has a path with a character that must be percent-encoded")
    if _DOT_SEGMENT.search(path):
        raise AddressError("has a dot segment in its path, which changes the place that it names")
    return Address(scheme, host, number, path, match["query"])


def _why_not(url: str) -> str:
    """Say what is wrong with a URL that is not of the form."""
    if "#" in url:
        return "has a fragment"
    authority = url.partition("://")[2].partition("/")[0].partition("?")[0]
    if "@" in authority:
        return "has a user name or password in it"
    return "is not of the form https://host[:port][/path]"


def _host(host: str) -> str:
    if host.startswith("["):
        try:
            return f"[{ipaddress.IPv6Address(host[1:-1])}]"
        except ValueError:
            raise AddressError("has a host that is not an IPv6 address") from None
    name = host.removesuffix(".")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise AddressError("has a host that is a number but not an IPv4 address in four parts") from None
    if len(name) > 253 or _NAME.fullmatch(host) is None:
        raise AddressError("has a host that is not a valid name")
    return host
