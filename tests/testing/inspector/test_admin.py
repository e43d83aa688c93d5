"""What stands under `/_fake/`, asked without a socket; the last tests ask a live server."""

import json
import re
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flowflex_testing import faults
from flowflex_testing.clock import Clock
from flowflex_testing.engine.messages import Head
from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.inspector.admin import Admin
from tests.testing.caller import Body, Caller

JSON = ("content-type", "application/json")
EVENT = (("x-event", "order.placed"), ("x-idempotency-key", "k"), JSON)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return str(self.json()["error"])


class Asker:
    """Asks the admin side of a fake."""

    def __init__(self, fake, host="127.0.0.1"):
        self.admin = Admin(fake, host)

    def ask(self, method, path, *headers, host="127.0.0.1:8080", body=b"", ends_early=False):
        head = Head("api", method, path, (("host", host), *headers))
        reply = self.admin.handle(head, Body(body, ends_early))
        return Answer(reply.status, dict(reply.headers), reply.body)

    def get(self, path, *headers, **options):
        return self.ask("GET", path, *headers, **options)

    def post(self, path, value=None, *headers, **options):
        body = b"" if value is None else json.dumps(value).encode()
        return self.ask("POST", path, JSON, *headers, body=body, **options)


@pytest.fixture
def fake():
    fake = FakeFlowFlex(clock=Clock(1000.0), keep_files_bytes=1_000_000)
    yield fake
    fake.stop()


@pytest.fixture
def caller(fake):
    return Caller(fake)


@pytest.fixture
def asker(fake):
    return Asker(fake)


# The page.


def test_the_page_is_served_under_a_strict_policy(asker):
    """Nothing of another origin runs in it or is loaded by it, and nobody frames it."""
    answer = asker.get("/")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("inspector.js", "text/javascript; charset=utf-8"),
        ("inspector.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_what_the_page_loads_is_served(asker, name, media_type):
    """With the type that a browser wants, which guesses none."""
    answer = asker.get(f"/_fake/{name}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, media_type)
    assert asker.ask("HEAD", f"/_fake/{name}").status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/_fake/",
        "/_fake/none",
        "/_fake/none.js",
        "/_fake/../admin.py",
        "/_fake/index.html",
        "/_fake/health/x",
        "/nowhere",
    ],
)
def test_nothing_else_is_there(asker, path):
    """Neither other files, nor what lies under a path that has nothing below it."""
    answer = asker.get(path)
    assert (answer.status, answer.error) == (404, "there is nothing at this path")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/", "GET"),
        ("PUT", "/_fake/clock", "GET, POST"),
        ("GET", "/_fake/reset", "POST"),
        ("GET", "/_fake/faults/1", "DELETE"),
        ("DELETE", "/_fake/assets/asset_1", "GET"),
        ("POST", "/_fake/inspector.js", "GET"),
    ],
)
def test_another_method_is_told_which_there_are(asker, method, path, allowed):
    """As HTTP wants it."""
    answer = asker.ask(method, path, JSON)
    assert (answer.status, answer.headers["Allow"]) == (405, allowed)


def test_the_documentation_tells_every_path(asker):
    """And none that there is not: what is asked for by another method is there all the same."""
    table = (Path(__file__).parents[3] / "docs" / "fake.md").read_text()
    paths = {path.replace("ID", "1") for path in re.findall(r"`(?:GET|POST|DELETE) (/_fake/[a-zA-Z./]+)", table)}
    assert len(paths) == 9
    assert {path: asker.ask("BREW", path).status for path in paths} == dict.fromkeys(paths, 405)


# Who may ask.


@pytest.mark.parametrize("path", ["/", "/_fake/health", "/_fake/nothing", "/_fake/inspector.js"])
def test_every_reply_is_closed_to_other_websites(asker, path):
    """It is kept nowhere, taken for nothing else, and embedded by nobody."""
    headers = asker.get(path).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8080", "127.0.0.1", "localhost:1", "LOCALHOST.", "[::1]:8080", "127.9.9.9"]
)
def test_a_host_that_is_this_machine_may_be_asked_for(asker, host):
    """By each of its names for itself, through any port that leads here."""
    assert asker.get("/_fake/health", host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "192.0.2.1",
        "",
        "[",
        "localhost@evil.example",
    ],
)
def test_a_host_that_a_website_could_have_led_here_is_refused(asker, host):
    """A name in the DNS may lead to loopback, and the browser takes what is there for that website's own."""
    for method, path in (("GET", "/"), ("GET", "/_fake/journal"), ("POST", "/_fake/reset")):
        answer = asker.ask(method, path, JSON, host=host)
        assert (answer.status, answer.error) == (403, "Host names another server than this one")


def test_who_listens_elsewhere_is_asked_for_by_that_name(fake):
    """The bound host is allowed; at all addresses, every address is."""
    assert Asker(fake, "Fake.test").get("/_fake/health", host="fake.test:80").status == 200
    assert Asker(fake, "192.0.2.1").get("/_fake/health", host="192.0.2.1:80").status == 200
    everywhere = Asker(fake, "0.0.0.0")
    assert everywhere.get("/_fake/journal", host="192.0.2.1:80").status == 200
    assert everywhere.get("/_fake/journal", host="evil.example").status == 403


@pytest.mark.parametrize("bound", ["0.0.0.0", "::", "192.0.2.1", "fake.test"])
def test_health_is_told_under_any_host_where_other_machines_ask(fake, bound):
    """A container is asked by the name of its service, which the fake cannot know; all else keeps its guard."""
    asker = Asker(fake, bound)
    for host in ("flowflex-fake:8787", "evil.example", ""):
        assert asker.get("/_fake/health", host=host).json()["status"] == "ok"
        assert asker.ask("HEAD", "/_fake/health?a", host=host).status == 200
        assert asker.post("/_fake/health", host=host).status == 403
        for method, path in (
            *(("GET", path) for path in ("/", "/_fake/journal", "/_fake/clock", "/_fake/faults", "/_fake/har")),
            *(("GET", path) for path in ("/_fake/healthy", "/_fake/health/", "/_fake/health/../journal")),
            *CHANGES,
        ):
            assert asker.ask(method, path, JSON, host=host).status == 403


@pytest.mark.parametrize("bound", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_health_is_not_told_under_any_host_on_loopback(fake, bound):
    """No other machine asks there, and a website has no need to know."""
    assert Asker(fake, bound).get("/_fake/health", host="flowflex-fake:8787").status == 403


CHANGES = [
    ("POST", "/_fake/reset"),
    ("POST", "/_fake/clock"),
    ("DELETE", "/_fake/faults"),
    ("DELETE", "/_fake/faults/1"),
]


@pytest.mark.parametrize(("method", "path"), CHANGES)
@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("content-type", "text/plain"),),
        (("content-type", "application/x-www-form-urlencoded"),),
        (JSON, ("origin", "https://evil.example")),
        (JSON, ("origin", "null")),
        (JSON, ("origin", "http://127.0.0.1:9")),
        (JSON, ("sec-fetch-site", "cross-site")),
        (JSON, ("sec-fetch-site", "same-site")),
    ],
)
def test_a_website_changes_nothing(fake, asker, method, path, headers):
    """Neither by a form, nor by a script: another port of this machine is another website, too."""
    fake.faults.arm("put", faults.Status(503))
    answer = asker.ask(method, path, *headers, body=b"{}")
    assert answer.status == 403
    assert len(fake.faults.armed) == 1


@pytest.mark.parametrize("headers", [(), (("origin", "http://127.0.0.1:8080"), ("sec-fetch-site", "same-origin"))])
def test_the_page_and_curl_may_change_things(asker, headers):
    """The page is of this origin, and curl is no browser."""
    assert asker.post("/_fake/reset", None, *headers).status == 204
    assert (
        asker.ask("POST", "/_fake/reset", ("content-type", "application/json; charset=utf-8"), *headers).status == 204
    )


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"{", 400, "the body is not JSON"),
        (b"\xff", 400, "the body is not JSON"),
        (b"[" * 50_000, 400, "the body is not JSON"),
        (b"[]", 400, "the body is no JSON object"),
        (b" " * 65_537, 413, "at most 65536 bytes"),
    ],
)
def test_a_body_that_is_not_understood_is_one_sentence(asker, body, status, sentence):
    """And one that is too long is not read to its end."""
    answer = asker.ask("POST", "/_fake/clock", JSON, body=body)
    assert answer.status == status
    assert sentence in answer.error


def test_a_body_that_breaks_off_changes_nothing(fake, asker):
    """Half a change is none."""
    assert asker.ask("POST", "/_fake/reset", JSON, body=b"{}", ends_early=True).status == 400


# What there is to see.


def test_health(fake, asker, caller):
    """A script waits for it before it sends."""
    caller.event()
    assert asker.get("/_fake/health").json() == {
        "status": "ok",
        "version": "0.1.0",
        "now": 1000.0,
        "requests": 1,
        "dropped": 0,
        "strict": True,
        "storageDialect": "s3",
    }


def test_the_journal_tells_requests_and_sends(asker, caller):
    """All, or what is new since a reply."""
    for key in ("a", "a", "b"):
        caller.event(key=key)
    journal = asker.get("/_fake/journal").json()
    assert [request["number"] for request in journal["requests"]] == [1, 2, 3]
    assert [request["mark"] for request in journal["requests"]] == [None, "replay", None]
    assert [send["requests"] for send in journal["sends"]] == [[1, 2], [3]]
    assert (journal["now"], journal["rate"]) == (1000.0, 0.0)
    assert journal["whole"]
    caller.event(key="a")
    later = asker.get(f"/_fake/journal?since={journal['cursor']}").json()
    assert not later["whole"]
    assert [request["number"] for request in later["requests"]] == [4]
    assert [send["requests"] for send in later["sends"]] == [[1, 2, 4]]


def test_what_was_dropped_is_told():
    """The journal, the archive and the health of a fake that keeps the newest requests say how many are gone."""
    fake = FakeFlowFlex(keep_requests=2)
    caller, asker = Caller(fake), Asker(fake)
    caller.event({"file": caller.asset()})
    journal = asker.get("/_fake/journal").json()
    assert journal["dropped"] == 1
    assert [request["number"] for request in journal["requests"]] == [2, 3]
    (send,) = journal["sends"]
    assert (send["requests"], send["state"]) == ([2, 3], "delivered")
    assert [file["path"] for file in send["files"]] == ["file"]
    assert asker.get("/_fake/health").json()["dropped"] == 1
    assert asker.get("/_fake/har").json()["log"]["comment"].startswith("requests 1 to 1 are not in it")


def test_a_change_of_a_long_journal_is_told_in_few_bytes(asker, caller):
    """However many sends came before it."""
    for number in range(500):
        caller.event(key=str(number))
    whole = asker.get("/_fake/journal")
    caller.event(key="one more")
    change = asker.get(f"/_fake/journal?since={whole.json()['cursor']}")
    assert len(whole.body) > 500_000
    assert len(change.body) < 3_000


def test_who_follows_the_journal_is_told_when_nothing_changed(fake, asker, caller):
    """A request that arrives and ends, the clock, and forgetting are changes; looking is none."""
    tags: list[str] = []

    def is_changed():
        answer = asker.get("/_fake/journal", *([("if-none-match", f'"x", W/{tags[-1]}')] if tags else []))
        tags.append(answer.headers["ETag"])
        assert (answer.status == 304) == (answer.body == b"")
        return answer.status == 200

    assert is_changed()
    assert not is_changed()
    exchange = fake.open(
        Head(
            "api", "POST", caller.event_path, (("authorization", caller.authorization), *EVENT, ("content-length", "2"))
        )
    )
    assert is_changed()
    assert not is_changed()
    exchange.feed(b"{}")
    assert is_changed()
    assert not is_changed()
    fake.clock.advance(seconds=1)
    assert is_changed()
    fake.clock.rate = 0
    assert is_changed()
    fake.reset()
    assert is_changed()
    assert not is_changed()


def test_a_journal_that_was_forgotten_is_another_one(fake, asker, caller):
    """It begins anew, with the same numbers: who followed the one before it is told everything."""
    caller.event()
    before = asker.get("/_fake/journal")
    fake.reset()
    caller.event()
    cursor = before.json()["cursor"]
    after = asker.get(f"/_fake/journal?since={cursor}", ("if-none-match", before.headers["ETag"]))
    assert after.status == 200
    assert after.json()["whole"]
    assert [request["number"] for request in after.json()["requests"]] == [1]


def test_asking_leaves_no_trace(fake, asker):
    """It is no request to FlowFlex: no journal, no fault, no credentials."""
    fake.faults.arm("event", faults.Status(503), times=None)
    for path in ("/", "/_fake/health", "/_fake/journal", "/_fake/har"):
        assert asker.get(path).status == 200
    assert fake.requests == []
    assert fake.faults.armed[0].seen == 0


def test_the_archive_is_a_download(asker, caller):
    """Under a name that tools know it by."""
    caller.event()
    answer = asker.get("/_fake/har")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="flowflex.har"'
    (entry,) = answer.json()["log"]["entries"]
    assert entry["request"]["url"].startswith("https://api.flowflex.test/v1/events/")


def test_the_openapi_document_is_served(fake, asker):
    """With the address of this fake in it."""
    document = asker.get("/_fake/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert document["servers"][0]["url"] == fake.base_url


# Files.


def test_an_image_is_served_as_one_and_all_else_as_a_download(asker, caller):
    """A browser runs nothing of what anybody stored, whatever it is declared to be."""
    image = caller.upload_url(filename="a.png", mime="image/png", size=...).json()
    page = b"<script>alert(1)</script>"
    caller.put(image["uploadUrl"].removeprefix(caller.fake.storage_url), page, media_type="image/png")
    text = caller.upload_url(filename='"ä;.txt', mime="text/plain", size=...).json()
    caller.put(text["uploadUrl"].removeprefix(caller.fake.storage_url), page, media_type="text/plain")
    shown, loaded = (asker.get(f"/_fake/assets/{issued['assetId']}") for issued in (image, text))
    for answer in (shown, loaded):
        assert (answer.status, answer.body) == (200, page)
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox; frame-ancestors 'none'"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert shown.headers["Content-Type"] == "image/png"
    assert loaded.headers["Content-Type"] == "application/octet-stream"
    assert loaded.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%22%C3%A4%3B.txt"


def test_a_file_that_is_not_there_is_one_sentence(asker, caller):
    """Whether it never was, or is not kept."""
    assert asker.get("/_fake/assets/asset_1").error == "there is no stored file of this asset id"
    issued = caller.upload_url().json()
    assert asker.get(f"/_fake/assets/{issued['assetId']}").status == 404
    bare = FakeFlowFlex()
    asset_id = Caller(bare).asset()
    answer = Asker(bare).get(f"/_fake/assets/{asset_id}")
    assert (answer.status, answer.error) == (404, f"the bytes of {asset_id} are not kept")


# The clock.


def test_the_clock_is_told_with_what_happens_next(fake, asker, caller):
    """So that one knows how far to move it."""
    assert asker.get("/_fake/clock").json() == {"now": 1000.0, "start": 1000.0, "rate": 0.0, "next": None}
    asset_id = caller.upload_url().json()["assetId"]
    assert asker.get("/_fake/clock").json()["next"] == {
        "at": 8200.0,
        "what": f"the upload URL of {asset_id} expires",
    }


def test_the_clock_is_moved_and_its_rate_set(fake, asker):
    """The answer is where it is now."""
    answer = asker.post("/_fake/clock", {"advance": {"hours": 1, "minutes": 0.5}})
    assert (answer.status, answer.json()["now"]) == (200, 4630.0)
    asker.post("/_fake/clock", {"rate": 60})
    assert fake.clock.rate == 60
    answer = asker.post("/_fake/clock", {"advance": {"days": 1}, "rate": 0})
    assert answer.json()["rate"] == fake.clock.rate == 0
    assert fake.clock.now() >= 4630.0 + 86_400


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, "advance or rate is missing"),
        ({"advance": 1}, "advance is an object"),
        ({"advance": {"weeks": 1}}, "there is no field 'weeks'"),
        ({"to": 1}, "there is no field 'to'"),
        ({"advance": {"hours": -1}}, "time only goes forward"),
        ({"advance": {"hours": "1"}}, "hours is a number"),
        ({"advance": {"hours": True}}, "hours is a number"),
        ({"advance": {"hours": float("nan")}}, "hours is a number"),
        ({"advance": {"days": 1}, "rate": -1}, "rate is a number"),
        ({"advance": {"seconds": 253_402_300_000}}, "beyond the year 9999"),
        ({"advance": {"days": 253_402_300_000}}, "beyond the year 9999"),
    ],
)
def test_a_mistake_moves_no_clock(fake, asker, change, sentence):
    """The sentence names the field."""
    answer = asker.post("/_fake/clock", change)
    assert answer.status == 400
    assert sentence in answer.error
    assert (fake.clock.now(), fake.clock.rate) == (1000.0, 0)


# Faults.


def test_a_fault_is_armed_told_and_disarmed(fake, asker, caller):
    """By its kind and fields, as the plan has them."""
    form = {"operation": "event", "kind": "Status", "fields": {"status": 503, "retry_after": 2}, "times": 2}
    answer = asker.post("/_fake/faults", form)
    assert answer.status == 201
    (armed,) = answer.json()["armed"]
    assert (armed["kind"], armed["fields"]["retry_after"], armed["seen"]) == ("Status", 2, 0)
    assert caller.event().status == 503
    told = asker.get("/_fake/faults").json()
    assert (told["armed"][0]["hits"], told["armed"][0]["id"]) == (1, armed["id"])
    assert told["operations"] == ["upload-url", "put", "event"]
    assert {"Status", "Reset"} <= {kind["kind"] for kind in told["kinds"]}
    assert asker.ask("DELETE", f"/_fake/faults/{armed['id']}", JSON).status == 204
    assert fake.faults.armed == []
    assert asker.ask("DELETE", f"/_fake/faults/{armed['id']}", JSON).error == "there is no armed fault of this id"


def test_a_preset_is_armed_and_all_faults_disarmed(fake, asker):
    """Several faults at one moment."""
    names = [preset["name"] for preset in asker.get("/_fake/faults").json()["presets"]]
    assert "throttle" in names
    assert len(asker.post("/_fake/faults", {"preset": "throttle"}).json()["armed"]) == 2
    assert asker.ask("DELETE", "/_fake/faults", JSON).status == 204
    assert fake.faults.armed == []


@pytest.mark.parametrize(
    ("form", "word"),
    [
        ({}, "operation"),
        ({"operation": "put", "kind": "Nothing"}, "kind"),
        ({"operation": "put", "kind": "Status", "fields": {"status": "x"}}, "status"),
        ({"operation": "get", "kind": "Status", "fields": {"status": 503}}, "operation"),
        ({"operation": "put", "kind": "Status", "fields": {"status": 503}, "times": 0}, "times"),
        ({"preset": "nothing"}, "preset"),
    ],
)
def test_a_mistake_arms_no_fault(fake, asker, form, word):
    """The sentence names the field."""
    answer = asker.post("/_fake/faults", form)
    assert answer.status == 400
    assert word in answer.error
    assert fake.faults.armed == []


@pytest.mark.parametrize("number", ["x", "0", "-1", "1" * 30, "²"])
def test_no_fault_has_another_id(asker, number):
    """An id is a number from 1."""
    assert asker.ask("DELETE", f"/_fake/faults/{number}", JSON).status == 404


def test_reset_forgets_all_but_the_time(fake, asker, caller):
    """Journal, store and faults."""
    caller.asset()
    fake.clock.advance(seconds=5)
    fake.faults.arm("put", faults.Status(503))
    assert asker.post("/_fake/reset").status == 204
    assert (fake.requests, fake.assets, fake.faults.armed, fake.clock.now()) == ([], {}, [], 1005.0)


# Live.


def read(url, path, **options):
    with urllib.request.urlopen(urllib.request.Request(url.rstrip("/") + path, **options), timeout=10) as reply:
        return reply.status, reply.read()


def test_a_live_fake_has_an_inspector_where_it_is_asked_for():
    """Beside the API, and on a port of its own, which serves nothing else."""
    with FakeFlowFlex(inspector=True) as fake:
        assert fake.inspector_url == f"{fake.base_url}/"
        assert read(fake.inspector_url, "/_fake/health")[0] == 200
        Caller(fake).event()
        change = {"data": b"{}", "headers": {"Content-Type": "application/json"}, "method": "POST"}
        assert read(fake.inspector_url, "/_fake/reset", **change)[0] == 204
        assert fake.requests == []
    with FakeFlowFlex(inspector=True, inspector_port=0) as fake:
        assert fake.inspector_url not in (f"{fake.base_url}/", f"{fake.storage_url}/")
        assert b"<!doctype html>" in read(fake.inspector_url, "/")[1]
        with pytest.raises(urllib.error.HTTPError, match="404") as caught:
            read(fake.inspector_url, "/v1/assets/upload-url")
        caught.value.close()
        assert fake.requests == []


def test_a_live_fake_has_no_inspector_unless_it_is_asked_for():
    """A test needs none, and `/_fake/` is a path like any other then; on storage it always is."""
    with FakeFlowFlex() as fake:
        with pytest.raises(urllib.error.HTTPError, match="401") as caught:
            read(fake.base_url, "/_fake/health")
        caught.value.close()
        with pytest.raises(RuntimeError, match="inspector=True"):
            _ = fake.inspector_url
    with FakeFlowFlex(inspector=True) as fake, pytest.raises(urllib.error.HTTPError, match="404") as caught:
        read(fake.storage_url, "/_fake/health")
    caught.value.close()
    with pytest.raises(ValueError, match="inspector_port needs inspector=True"):
        FakeFlowFlex(inspector_port=0)


def test_a_closed_port_of_the_api_is_opened_again_at_that_of_the_page():
    """As the page and the documentation advise: `/_fake/` behind the port of the API is closed with it."""
    with FakeFlowFlex(inspector=True, inspector_port=0) as fake:
        fake.faults.arm("event", faults.Refuse(seconds=None))
        with pytest.raises(urllib.error.URLError, match="refused"):
            read(fake.base_url, "/_fake/health")
        assert read(fake.inspector_url, "/_fake/faults", method="DELETE", headers=dict([JSON]))[0] == 204
        assert read(fake.base_url, "/_fake/health")[0] == 200


def test_the_journal_can_be_followed_while_requests_arrive():
    """Looking is safe at any moment."""
    fake = FakeFlowFlex(clock=Clock(1000.0))
    caller, asker = Caller(fake), Asker(fake)
    ended = threading.Event()

    def send():
        for number in range(300):
            asset_id = caller.asset()
            caller.event({"file": asset_id}, key=str(number))
        ended.set()

    sender = threading.Thread(target=send)
    sender.start()
    cursor, is_last = "", False
    followed: dict[int, Any] = {}
    while not is_last:
        is_last = ended.is_set()  # asked before the look: what comes between the two is seen by the next one
        journal = asker.get(f"/_fake/journal?since={cursor}").json()
        cursor = journal["cursor"]
        followed |= {request["number"]: request for request in journal["requests"]}
    sender.join()
    assert list(followed.values()) == asker.get("/_fake/journal").json()["requests"]
    assert [send["state"] for send in asker.get("/_fake/journal").json()["sends"]] == ["delivered"] * 300
