"""The admin side of a fake: the inspector page at `/`, and what it asks for under `/_fake/`.

Requests to it are none to FlowFlex: they stand in no journal, draw no fault and need no credentials. Whoever can
connect may ask, so that the way in is closed to the websites in a user's browser: see `_check_sender`.
"""

import dataclasses
import ipaddress
import json
import re
from collections.abc import Callable, Iterable
from pkgutil import get_data
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

from flowflex_core.version import __version__
from flowflex_testing.engine.messages import Abort, BodyCut, BodyReader, Head, Headers, Reply
from flowflex_testing.faults.forms import as_form, catalogue, read_form
from flowflex_testing.faults.kinds import OPERATIONS
from flowflex_testing.inspector.har import archive
from flowflex_testing.inspector.news import Watch
from flowflex_testing.inspector.presentation import Presentation

if TYPE_CHECKING:
    from flowflex_testing.engine.store import Store
    from flowflex_testing.fake import FakeFlowFlex

Handle = Callable[[Head, BodyReader], Reply | Abort]

MAX_BODY_BYTES = 65_536
# The end of the year 9999, after which there are no dates.
END_OF_TIME = 253_402_300_799.0
MAX_RATE = 1_000_000.0

_PREFIX = "/_fake/"
_PAGE_FILE = re.compile(r"[a-z]+\.(?:css|js|svg)", re.ASCII)
_MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
# What a browser shows as an image and nothing else.
_IMAGE_TYPES = frozenset({"image/jpeg", "image/png"})

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FILE_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"
_EVERY_REPLY: Headers = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
)
_JSON: Headers = (("Content-Type", "application/json"),)
# The fields of a step of the clock, in seconds.
_STEPS = {"days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}


class _Mistake(Exception):
    """A request that is not understood or not allowed: the status of its answer, and one sentence."""

    def __init__(self, status: int, sentence: str, headers: Headers = ()) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = headers


class Admin:
    """Answers for one fake.

    Args:
        fake: What it shows and moves.
        host: The address that its server listens on.
    """

    def __init__(self, fake: "FakeFlowFlex", host: str) -> None:
        self._fake = fake
        self._host = host
        self._store = fake.store
        self._watch = Watch(fake.store)
        self._routes: dict[str, dict[str, Callable[[Head, dict[str, Any]], Reply]]] = {
            "health": {"GET": self._health},
            "journal": {"GET": self._journal},
            "clock": {"GET": self._clock, "POST": self._move_clock},
            "faults": {"GET": self._faults, "POST": self._arm, "DELETE": self._disarm_all},
            "reset": {"POST": self._reset},
            "har": {"GET": self._har},
            "openapi.json": {"GET": self._openapi},
        }

    def beside(self, handle: Handle) -> Handle:
        """Return the face of an origin that serves this beside `handle`."""

        def answer(head: Head, body: BodyReader) -> Reply | Abort:
            path = head.target.partition("?")[0]
            return self.handle(head, body) if path == "/" or path.startswith(_PREFIX) else handle(head, body)

        return answer

    def handle(self, head: Head, body: BodyReader) -> Reply:
        """Answer one request."""
        try:
            _check_host(head, self._host)
            reply = self._route(head, body)
        except _Mistake as mistake:
            reply = _json({"error": str(mistake)}, mistake.status, mistake.headers)
        return dataclasses.replace(reply, headers=(*reply.headers, *_EVERY_REPLY))

    def _route(self, head: Head, body: BodyReader) -> Reply:
        path = head.target.partition("?")[0]
        if path == "/":
            _check_method(head, "GET")
            return _page_file("index.html")
        name, _, rest = path.removeprefix(_PREFIX).partition("/")
        if not rest and name in self._routes:
            methods = self._routes[name]
            _check_method(head, *methods)
            return methods["GET" if head.method == "HEAD" else head.method](head, _read_change(head, body))
        if name == "faults" and rest:
            _check_method(head, "DELETE")
            _read_change(head, body)
            return self._disarm(rest)
        if name == "assets" and rest:
            _check_method(head, "GET")
            return self._asset(rest)
        if not rest and _PAGE_FILE.fullmatch(name):
            _check_method(head, "GET")
            return _page_file(name)
        raise _Mistake(404, "there is nothing at this path")

    # What there is to see.

    def _health(self, _head: Head, _change: dict[str, Any]) -> Reply:
        store = self._fake.store
        return _json(
            {
                "status": "ok",
                "version": __version__,
                "now": store.clock.now(),
                "requests": len(store.requests),
                "dropped": store.dropped,
                "strict": store.switches.strict,
                "storageDialect": store.switches.storage_dialect,
            }
        )

    def _journal(self, head: Head, _change: dict[str, Any]) -> Reply:
        store = self._fake.store
        news = self._watch_of(store).since(dict(parse_qsl(head.target.partition("?")[2])).get("since", ""))
        etag = f'"{news.cursor}"'
        headers: Headers = (("ETag", etag),)
        if etag in [tag.strip().removeprefix("W/") for tag in dict(head.headers).get("if-none-match", "").split(",")]:
            return Reply(304, headers)
        presentation = Presentation(store, self._fake.base_url)
        return _json(
            {
                "cursor": news.cursor,
                "whole": news.is_whole,
                "now": store.clock.now(),
                "rate": store.clock.rate,
                "dropped": store.dropped,
                "requests": [presentation.request(request, mark) for request, mark in news.requests],
                "sends": [presentation.send(send) for send in news.sends],
            },
            headers=headers,
        )

    def _watch_of(self, store: "Store") -> Watch:
        """Return what watches `store`: a fake that forgot has another one."""
        if store is not self._store:
            self._store, self._watch = store, Watch(store)
        return self._watch

    def _har(self, _head: Head, _change: dict[str, Any]) -> Reply:
        store = self._fake.store
        presentation = Presentation(store, self._fake.base_url)
        urls = {"api": self._fake.base_url, "storage": self._fake.storage_url}
        shown = [presentation.request(request, None) for request in list(store.requests)]
        return _json(
            archive(shown, urls, store.dropped),
            headers=(("Content-Disposition", 'attachment; filename="flowflex.har"'),),
        )

    def _openapi(self, _head: Head, _change: dict[str, Any]) -> Reply:
        from flowflex_testing.openapi import document

        return _json(document(self._fake.base_url, self._fake.storage_url))

    def _asset(self, asset_id: str) -> Reply:
        asset = self._fake.assets.get(asset_id)
        if asset is None:
            raise _Mistake(404, "there is no stored file of this asset id")
        try:
            content = self._fake.content(asset_id)
        except (LookupError, FileNotFoundError):  # it may go between a look and a read
            raise _Mistake(404, f"the bytes of {asset_id} are not kept") from None
        if asset.mime in _IMAGE_TYPES:
            headers: Headers = (("Content-Type", asset.mime),)
        else:
            name = quote(asset.filename, safe="")
            disposition = ("Content-Disposition", f"attachment; filename*=UTF-8''{name}")
            headers = (("Content-Type", "application/octet-stream"), disposition)
        return Reply(200, (*headers, ("Content-Security-Policy", _FILE_POLICY)), content)

    # The clock.

    def _clock(self, _head: Head, _change: dict[str, Any]) -> Reply:
        clock = self._fake.clock
        upcoming = clock.next
        told = None if upcoming is None else {"at": upcoming.at, "what": upcoming.what}
        return _json({"now": clock.now(), "start": clock.start, "rate": clock.rate, "next": told})

    def _move_clock(self, head: Head, change: dict[str, Any]) -> Reply:
        _refuse_others(change, ("advance", "rate"))
        if not change:
            raise _Mistake(400, "advance or rate is missing")
        # Both are checked before either is done.
        rate = _number(change, "rate", MAX_RATE) if "rate" in change else None
        advance = change.get("advance", {})
        if not isinstance(advance, dict):
            raise _Mistake(400, f"advance is an object with {', '.join(_STEPS)}, not {advance!r}")
        _refuse_others(advance, _STEPS)
        seconds = sum(_number(advance, name, END_OF_TIME) * _STEPS[name] for name in advance)
        clock = self._fake.clock
        if clock.now() + seconds > END_OF_TIME:
            raise _Mistake(400, "advance goes beyond the year 9999")
        if rate is not None:
            clock.rate = rate
        clock.advance(seconds=seconds)
        self._fake.store.note_time()
        return self._clock(head, {})

    # Faults.

    def _faults(self, _head: Head, _change: dict[str, Any]) -> Reply:
        armed = [as_form(fault) for fault in self._fake.faults.armed]
        tenants = list(self._fake.store.tenants)
        return _json({"armed": armed, **catalogue(), "operations": list(OPERATIONS), "tenants": tenants})

    def _arm(self, _head: Head, change: dict[str, Any]) -> Reply:
        try:
            armed = self._fake.faults.arm_all(read_form(change))
        except ValueError as error:
            raise _Mistake(400, str(error)) from None
        return _json({"armed": [as_form(fault) for fault in armed]}, 201)

    def _disarm_all(self, _head: Head, _change: dict[str, Any]) -> Reply:
        self._fake.faults.clear()
        return Reply(204)

    def _disarm(self, number: str) -> Reply:
        try:
            self._fake.faults.disarm(int(number) if re.fullmatch(r"[0-9]{1,9}", number) else 0)
        except ValueError:
            raise _Mistake(404, "there is no armed fault of this id") from None
        return Reply(204)

    def _reset(self, _head: Head, _change: dict[str, Any]) -> Reply:
        self._fake.reset()
        return Reply(204)


def _check_host(head: Head, bound: str) -> None:
    """Refuse a request whose Host is a name that a website may have led here (DNS rebinding)."""
    try:
        name = urlsplit(f"//{dict(head.headers).get('host', '')}").hostname or ""
    except ValueError:
        name = ""
    if name == bound.lower() or _is_loopback(name):
        return
    # Who listens at every address knows none of its own; and an address, unlike a name, leads nowhere else.
    if bound in ("0.0.0.0", "::") and _address(name) is not None:  # noqa: S104 - nothing is bound here
        return
    # Where other machines ask, a container is known by the name of its service, which nobody tells it. Health changes
    # nothing and shows no more than that a fake is here and how much it has seen: that a website may learn.
    is_health = head.method in ("GET", "HEAD") and head.target.partition("?")[0] == f"{_PREFIX}health"
    if is_health and not _is_loopback(bound):
        return
    raise _Mistake(403, "Host names another server than this one")


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host.lower().rstrip(".") == "localhost" if address is None else address.is_loopback


def _address(host: str) -> "ipaddress.IPv4Address | ipaddress.IPv6Address | None":
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _check_sender(head: Head) -> None:
    """Refuse a change that a website of another origin asks for through the browser of a user.

    A browser lets a website send JSON elsewhere only after asking, which is never granted here; and it tells from where
    a request comes in Origin and Sec-Fetch-Site, which a website cannot change.
    """
    fields = dict(head.headers)
    if fields.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise _Mistake(403, "a change is asked for with Content-Type: application/json")
    origin = fields.get("origin")
    host = fields.get("host", "")
    if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
        raise _Mistake(403, "a change is not asked for by another website")
    if fields.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise _Mistake(403, "a change is not asked for by another website")


def _check_method(head: Head, *methods: str) -> None:
    if head.method in methods or (head.method == "HEAD" and "GET" in methods):
        return
    allowed = ", ".join(methods)
    raise _Mistake(405, f"this path takes {allowed}", (("Allow", allowed),))


def _read_change(head: Head, body: BodyReader) -> dict[str, Any]:
    """Return the JSON object in the body of a request that changes something; `{}` where there is none to read."""
    if head.method in ("GET", "HEAD"):
        return {}
    _check_sender(head)
    content = b""
    try:
        while data := body.read(MAX_BODY_BYTES):
            content += data
            if len(content) > MAX_BODY_BYTES:
                raise _Mistake(413, f"a change is told in at most {MAX_BODY_BYTES} bytes")
    except BodyCut:
        raise _Mistake(400, "the body ended too soon") from None
    try:
        change = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        raise _Mistake(400, "the body is not JSON") from None
    if not isinstance(change, dict):
        raise _Mistake(400, "the body is no JSON object")
    return change


def _refuse_others(change: dict[str, Any], names: Iterable[str]) -> None:
    for name in change:
        if name not in names:
            raise _Mistake(400, f"there is no field {name!r}: there are {', '.join(names)}")


def _number(change: dict[str, Any], name: str, most: float) -> float:
    value = change[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise _Mistake(400, f"{name} is a number from 0 to {most:g}, not {value!r}: time only goes forward")
    return float(value)


def _page_file(name: str) -> Reply:
    try:
        content = get_data("flowflex_testing", f"inspector/page/{name}")
    except OSError:
        content = None
    if content is None:
        raise _Mistake(404, "there is nothing at this path")
    media_type = _MEDIA_TYPES[name.rpartition(".")[2]]
    return Reply(200, (("Content-Type", media_type), ("Content-Security-Policy", _PAGE_POLICY)), content)


def _json(value: object, status: int = 200, headers: Headers = ()) -> Reply:
    return Reply(status, _JSON + headers, json.dumps(value, allow_nan=False).encode())
