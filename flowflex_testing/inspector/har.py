"""The journal as HTTP Archive 1.2 (http://www.softwareishard.com/blog/har-12-spec/), for the tools that read it.

What the format demands and a journal does not hold stands as the format says: -1, or empty.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from flowflex_core.version import __version__


def archive(shown: Iterable[Mapping[str, Any]], urls: Mapping[str, str], dropped: int = 0) -> dict[str, Any]:
    """Return the archive of requests as `Presentation.request` shows them: secrets are masked in them already.

    Args:
        shown: The requests.
        urls: The name of an origin to its URL.
        dropped: How many older requests the journal has dropped.
    """
    log: dict[str, Any] = {
        "version": "1.2",
        "creator": {"name": "flowflex-kit", "version": __version__},
        "entries": [_entry(request, urls[request["origin"]]) for request in shown],
    }
    if dropped:
        log["comment"] = f"requests 1 to {dropped} are not in it: the journal keeps the newest ones"
    return {"log": log}


def _entry(request: Mapping[str, Any], url: str) -> dict[str, Any]:
    # How long the fake took to decide; what a fault had the reply wait then is not known here.
    milliseconds = round((request["took"] or 0) * 1000, 3)
    return {
        "startedDateTime": datetime.fromtimestamp(request["at"], UTC).isoformat(timespec="milliseconds"),
        "time": milliseconds,
        "request": _request(request, url + request["target"]),
        "response": _response(request["reply"]),
        "cache": {},
        "timings": {"send": 0, "wait": milliseconds, "receive": 0},
        "comment": _comment(request),
    }


def _request(request: Mapping[str, Any], url: str) -> dict[str, Any]:
    query = url.partition("?")[2]
    part: dict[str, Any] = {
        "method": request["method"],
        "url": url,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _headers(request["headers"]),
        # The query is masked whole.
        "queryString": [{"name": query, "value": ""}] if query else [],
        "headersSize": -1,
        "bodySize": request["received"],
    }
    if request["body"]:
        part["postData"] = {"mimeType": _media_type(request["headers"]), "params": [], "text": request["body"]}
    return part


def _response(reply: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the response; one of status 0 where the connection ended without any."""
    none: dict[str, Any] = {"status": 0, "headers": [], "body": ""}
    whole = reply if reply is not None and "status" in reply else none
    text = whole["body"]
    size = len(text.encode("utf-8", "replace"))
    headers = whole["headers"]
    return {
        "status": whole["status"],
        "statusText": _phrase(whole["status"]),
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _headers(headers),
        "content": {"size": size, "mimeType": _media_type(headers), "text": text},
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": size,
    }


def _comment(request: Mapping[str, Any]) -> str:
    words = [f"request {request['number']}"]
    if request["rule"] is not None:
        words.append(f"rule {request['rule']['id']}: {request['rule']['sentence']}")
    if request["fault"] is not None:
        words.append(f"fault {request['fault']}")
    if request["reply"] is not None and "abort" in request["reply"]:
        words.append(f"the connection ended by a {'reset' if request['reply']['abort'] == 'reset' else 'close'}")
    return "; ".join(words)


def _headers(headers: Iterable[list[str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers]


def _media_type(headers: Iterable[list[str]]) -> str:
    return next((value for name, value in headers if name == "content-type"), "")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
