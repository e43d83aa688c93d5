"""Connection settings: validated once, immutable, and silent about their credentials."""

import base64
from typing import Any, Self
from urllib.parse import quote

from flowflex_core import checks
from flowflex_core.address import AddressError, parse
from flowflex_core.errors import FlowFlexConfigError
from flowflex_core.files import MAX_FILE_BYTES
from flowflex_core.payload import Default
from flowflex_core.secrets import MASKED, Mask


class Settings:
    """Where to send, as whom, and within which bounds. Reads nothing from its surroundings.

    Args:
        api_key: The key of the custom integration.
        api_secret: Its secret.
        integration_code: The code in the event's URL; percent-encoded whole.
        base_url: `https://host[:port][/path]`; plain http for loopback only; a trailing `/api` is stripped.
        timeout_seconds: The longest silence of one request, and, a file's transfer aside, its longest duration.
        deadline_seconds: The longest duration of a whole operation, retries and waits included.
        max_file_bytes: A larger file is refused before anything is sent.
        max_retries: How often each request is repeated.
        max_parallel_uploads: How many files are on their way at the same time.
        default: Called with a payload value of an unknown type; returns one that can be encoded.

    Raises:
        FlowFlexConfigError: An argument is missing or wrong; the message names it.
    """

    __slots__ = (
        "authorization",
        "base_url",
        "deadline_seconds",
        "default",
        "event_url",
        "integration_code",
        "is_loopback",
        "mask",
        "max_file_bytes",
        "max_parallel_uploads",
        "max_retries",
        "timeout_seconds",
    )

    base_url: str
    integration_code: str
    is_loopback: bool
    event_url: str
    timeout_seconds: float
    deadline_seconds: float | None
    max_file_bytes: int
    max_retries: int
    max_parallel_uploads: int
    default: Default | None
    mask: Mask
    # For requests to `base_url` alone.
    authorization: str

    def __init__(
        self,
        *,
        api_key: str | None = None,
        api_secret: str | None = None,
        integration_code: str | None = None,
        base_url: str | None = None,
        timeout_seconds: float = 30.0,
        deadline_seconds: float | None = None,
        max_file_bytes: int = MAX_FILE_BYTES,
        max_retries: int = 2,
        max_parallel_uploads: int = 16,
        default: Default | None = None,
    ) -> None:
        for name, value in (
            ("api_key", api_key),
            ("api_secret", api_secret),
            ("integration_code", integration_code),
            ("base_url", base_url),
        ):
            if value is None:
                raise FlowFlexConfigError(f"{name} is required")
        put = super().__setattr__
        key = checks.visible_text(api_key, "api_key", shown=False)
        if ":" in key:
            # RFC 7617: the first colon ends the user name, so the server would read another key and secret.
            raise FlowFlexConfigError("api_key holds a colon, which Basic authentication cannot carry")
        secret = checks.visible_text(api_secret, "api_secret", shown=False)
        token = base64.b64encode(f"{key}:{secret}".encode()).decode()
        put("authorization", f"Basic {token}")
        put("mask", Mask().also((secret, token, key)))
        code = checks.visible_text(integration_code, "integration_code")
        if code in (".", ".."):
            raise FlowFlexConfigError(f"integration_code {code!r} is a dot segment, which names another endpoint")
        put("integration_code", code)
        url, is_loopback = _base_url(base_url)
        put("base_url", url)
        put("is_loopback", is_loopback)
        put("event_url", f"{url}/v1/events/{quote(code, safe='')}")
        put("timeout_seconds", checks.seconds(timeout_seconds, "timeout_seconds"))
        put("deadline_seconds", _deadline(deadline_seconds))
        put("max_file_bytes", checks.whole_number(max_file_bytes, "max_file_bytes", least=0))
        put("max_retries", checks.whole_number(max_retries, "max_retries", least=0))
        put("max_parallel_uploads", checks.whole_number(max_parallel_uploads, "max_parallel_uploads", least=1))
        if default is not None and not callable(default):
            raise FlowFlexConfigError(f"default must be a function of one value, not {type(default).__name__}")
        put("default", default)

    def replace(
        self,
        *,
        timeout_seconds: float | None = None,
        deadline_seconds: float | None = None,
        max_retries: int | None = None,
    ) -> "Settings":
        """Return these settings with the given bounds, for one call; None keeps what is set."""
        if timeout_seconds is None and deadline_seconds is None and max_retries is None:
            return self
        other = object.__new__(type(self))
        put = super(Settings, other).__setattr__
        for name in self.__slots__:
            put(name, getattr(self, name))
        if timeout_seconds is not None:
            put("timeout_seconds", checks.seconds(timeout_seconds, "timeout_seconds"))
        if deadline_seconds is not None:
            put("deadline_seconds", _deadline(deadline_seconds))
        if max_retries is not None:
            put("max_retries", checks.whole_number(max_retries, "max_retries", least=0))
        return other

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"settings are immutable: {name} cannot be set; use replace()")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"settings are immutable: {name} cannot be deleted")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __getstate__(self) -> object:
        return self.__reduce__()

    def __reduce__(self) -> tuple[Any, ...]:
        raise FlowFlexConfigError("settings hold credentials and are not pickled: make them anew where they are used")

    def __repr__(self) -> str:
        return f"Settings({self.base_url!r}, integration_code={self.integration_code!r}, api_key={MASKED})"


def _deadline(value: float | None) -> float | None:
    return None if value is None else checks.seconds(value, "deadline_seconds")


def _base_url(value: Any) -> tuple[str, bool]:
    url = checks.text(value, "base_url")
    try:
        address = parse(url)
    except AddressError as error:
        raise FlowFlexConfigError(f"base_url {error}") from None
    if address.query is not None:
        raise FlowFlexConfigError("base_url has a query: give https://host[:port][/path] alone")
    if address.scheme != "https" and not address.is_loopback:
        raise FlowFlexConfigError(
            f"base_url must use https, not http, for {address.host}: credentials would cross the network in "
            "clear text (plain http is for loopback only)"
        )
    path = address.path.rstrip("/").removesuffix("/api").rstrip("/")
    return address.origin + path, address.is_loopback
