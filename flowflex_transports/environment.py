"""All that is read from the surroundings: `FLOWFLEX_*`, the proxies, and the authorities that TLS trusts.

Nothing else is: no netrc, no cookies, no configuration file. What an argument says goes before the environment.
"""

import base64
import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib import request as urllib_request
from urllib.parse import unquote
from urllib.request import getproxies_environment

from flowflex_core import FlowFlexConfigError, Settings
from flowflex_core.address import Address, AddressError, parse

# Public since Python 2.6, and missing in typeshed.
_is_bypassed: Callable[[str, Mapping[str, str]], bool] = vars(urllib_request)["proxy_bypass_environment"]

VARIABLES = {
    "api_key": "FLOWFLEX_API_KEY",
    "api_secret": "FLOWFLEX_API_SECRET",
    "integration_code": "FLOWFLEX_INTEGRATION_CODE",
    "base_url": "FLOWFLEX_BASE_URL",
}


def settings_from_environment(**arguments: Any) -> Settings:
    """Make `Settings` of the arguments, with those of `VARIABLES` that are None taken from the environment.

    Raises:
        FlowFlexConfigError: An argument is missing or wrong; the message names it, and the variable where it matters.
    """
    taken: dict[str, str] = {}
    for name, variable in VARIABLES.items():
        if arguments.get(name) is None:
            if variable not in os.environ:
                raise FlowFlexConfigError(f"{name} is required: give it as an argument, or set {variable}")
            arguments[name] = os.environ[variable]
            taken[name] = variable
    try:
        return Settings(**arguments)
    except FlowFlexConfigError as error:
        for name, variable in taken.items():
            if error.message.startswith(name):
                raise FlowFlexConfigError(f"{error.message} (it was taken from {variable})") from None
        raise


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy: `host` (IPv6 in brackets) and `port`, and the value of its Proxy-Authorization header, if any."""

    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: object, name: str) -> Self:
        """Read `http://[user:password@]host[:port]`; no message repeats it, for it may hold a password.

        Raises:
            FlowFlexConfigError: It is of another form, which the message says with `name`.
        """
        if not isinstance(url, str):
            raise FlowFlexConfigError(f"{name} must be a string, not {type(url).__name__}")
        scheme, rest = url.split("://", 1) if "://" in url else ("http", url)
        credentials, at, location = rest.rpartition("@")
        if scheme.lower() != "http":
            raise FlowFlexConfigError(f"{name} must be the URL of an http:// proxy; other kinds are not supported")
        try:
            address = parse(f"http://{location}")
        except AddressError as error:
            raise FlowFlexConfigError(f"{name} {error}") from None
        if address.path not in ("", "/") or address.query is not None:
            raise FlowFlexConfigError(f"{name} has a path or a query: give http://host:port alone")
        user, _, password = credentials.partition(":")
        token = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
        return cls(address.host, address.port, f"Basic {token}" if at else None)

    def __reduce__(self) -> tuple[Any, ...]:
        raise FlowFlexConfigError("a proxy may hold a password and is not pickled: read it anew where it is used")


class Proxies:
    """Which proxy leads where, read once.

    Args:
        proxy: The URL of one proxy for everything; by default the environment decides: `HTTP_PROXY`, `HTTPS_PROXY`
            and, for either, `ALL_PROXY`, all but `NO_PROXY`; in lower case too, which goes first. As with curl,
            `HTTP_PROXY` in upper case is ignored where `REQUEST_METHOD` is set: a CGI client could have set it.
        trust_environment: Whether the environment is asked at all.

    Raises:
        FlowFlexConfigError: `proxy` is none that can be used. One of the environment may be for others, and is an error
            only where it would be the way.
    """

    def __init__(self, proxy: str | None = None, *, trust_environment: bool = True) -> None:
        self._one = None if proxy is None else Proxy.parse(proxy, "proxy")
        self._bypassed: Mapping[str, str] = {}
        self._by_scheme: dict[str, Proxy | FlowFlexConfigError] = {}
        if self._one is None and trust_environment:
            environment = getproxies_environment()
            self._bypassed = {"no": environment.get("no", "")}
            for scheme in ("http", "https"):
                variable = scheme if scheme in environment else "all"
                if variable in environment:
                    self._by_scheme[scheme] = _proxy_or_error(environment[variable], f"{variable.upper()}_PROXY")

    def __reduce__(self) -> tuple[Any, ...]:
        raise FlowFlexConfigError("proxies may hold a password and are not pickled: read them anew where they are used")

    def for_address(self, address: Address) -> Proxy | None:
        """Return the proxy that leads to `address`, or None where the way is direct.

        No proxy of the environment leads to a loopback address: it would be the proxy's own, and plain http,
        which is allowed there, would show it the credentials.

        Raises:
            FlowFlexConfigError: The environment names a proxy of another kind.
        """
        if self._one is not None:
            return self._one
        proxy = self._by_scheme.get(address.scheme)
        if proxy is None or address.is_loopback:
            return None
        if _is_bypassed(f"{address.host}:{address.port}", self._bypassed):
            return None
        if isinstance(proxy, FlowFlexConfigError):
            raise FlowFlexConfigError(proxy.message)
        return proxy


def _proxy_or_error(url: str, name: str) -> Proxy | FlowFlexConfigError:
    try:
        return Proxy.parse(url, name)
    except FlowFlexConfigError as error:
        return FlowFlexConfigError(error.message)


def tls_context(ssl_context: ssl.SSLContext | None, ca_file: "str | os.PathLike[str] | None") -> ssl.SSLContext:
    """Return the context given, or one that trusts `ca_file`, or else the system's authorities.

    The system's authorities are what OpenSSL says, `SSL_CERT_FILE` and `SSL_CERT_DIR` included. To make a context
    costs some 25 ms: make one a client.

    Raises:
        FlowFlexConfigError: Both are given, or the file cannot be used.
    """
    if ssl_context is not None:
        if ca_file is not None:
            raise FlowFlexConfigError("ssl_context and ca_file are both given: load the file into the context")
        return ssl_context
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError, TypeError) as error:  # ssl.SSLError is an OSError
        reason = getattr(error, "strerror", None) or str(error)
        raise FlowFlexConfigError(f"ca_file {ca_file!r} cannot be used: {reason}") from None
