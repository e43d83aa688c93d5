"""How one URL is reached: what the request line, the Host header and a proxy are told, for every driver alike."""

from dataclasses import dataclass, field

from flowflex_core import Request
from flowflex_core.address import Address, parse
from flowflex_transports.environment import Proxies, Proxy
from flowflex_transports.protocols import AsyncSource, Source


class HiddenText(str):
    """Text that does not show: tools that report errors print the locals of every frame."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<hidden>"


class HiddenHeaders(dict[str, str]):
    """Headers that do not show, credentials among them."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} headers, hidden>"


@dataclass(frozen=True, slots=True)
class Route:
    """The way that a request goes.

    Attributes:
        url: Where it goes. Not shown: tools that report errors print the locals of every frame.
        address: The same in its parts.
        proxy: What stands between, if anything.
    """

    url: str = field(repr=False)
    address: Address
    proxy: Proxy | None

    @classmethod
    def to(cls, url: str, proxies: Proxies) -> "Route":
        """Find the way to `url`; raises `AddressError` where it can be read in two ways."""
        address = parse(url)
        return cls(url, address, proxies.for_address(address))

    @property
    def tunnelled(self) -> bool:
        """Whether the proxy passes bytes that it cannot read; without TLS it is given the whole URL instead."""
        return self.proxy is not None and self.address.scheme == "https"

    @property
    def key(self) -> str:
        """Names the connections that can serve this route."""
        if self.proxy is None:
            return self.address.origin
        through = f"proxy {self.proxy.host}:{self.proxy.port}"
        return f"{self.address.origin} through {through}" if self.tunnelled else through

    @property
    def host(self) -> str:
        """The value of the Host header: the authority as it stands in the URL, since a signature may cover it."""
        return self.url.partition("://")[2].partition("/")[0].partition("?")[0]

    @property
    def target(self) -> HiddenText:
        """The request target, of the URL's own bytes (RFC 9112, section 3.2)."""
        path = self.url.partition("://")[2].removeprefix(self.host)
        path = path if path.startswith("/") else f"/{path}"
        return HiddenText(path if self.proxy is None or self.tunnelled else f"http://{self.host}{path}")

    @property
    def tunnel(self) -> str:
        """The authority that a proxy is asked to open a tunnel to."""
        return f"{self.address.host}:{self.address.port}"

    @property
    def tunnel_headers(self) -> HiddenHeaders:
        """What goes with the request for a tunnel."""
        return HiddenHeaders({"Host": self.tunnel, **self._credentials})

    def headers(self, request: Request, body: bytes | Source | AsyncSource) -> HiddenHeaders:
        """Return all that goes with a request: its own headers, its framing, and what is for a proxy that reads it."""
        length = len(body) if isinstance(body, bytes) else body.length
        for_proxy = {} if self.tunnelled else self._credentials
        return HiddenHeaders({"Host": self.host, **request.headers, **for_proxy, "Content-Length": str(length)})

    @property
    def _credentials(self) -> dict[str, str]:
        authorization = None if self.proxy is None else self.proxy.authorization
        return {} if authorization is None else {"Proxy-Authorization": authorization}
