"""What is told of a snapshot that was damaged, and what is taken of one that was not."""

import json

import pytest

from flowflex_core import FlowFlexConfigError, SendEvent, file
from tests.core.drive import NOW, connection, fail, grant, leg_of, play, reply, start


def well(request):
    """Answer a request well."""
    return {"upload-url": grant(), "put": reply(200), "event": reply(202, {"ok": True})}[leg_of(request)](request)


def begun():
    """Take the snapshot of a send whose first file is stored, and whose second one failed once."""
    operation = start({"a": file("a.pdf"), "b": file("b.bin", filename="b.txt", mime="application/pdf", size=3)})
    first, second = operation.advance(NOW).requests
    [put] = operation.advance(NOW, well(first), fail()(second)).requests
    operation.advance(NOW, well(put))
    return json.loads(operation.snapshot())


def posted():
    """Take the snapshot of a send whose event is on its way."""
    operation = start()
    operation.advance(NOW)
    return json.loads(operation.snapshot())


def refusal(fields):
    """Return what is said of a snapshot."""
    with pytest.raises(FlowFlexConfigError) as caught:
        SendEvent.resume(json.dumps(fields), connection())
    return caught.value.message


@pytest.mark.parametrize(
    ("where", "value", "why"),
    [
        ("segments", [1, 2, 3], "segments"),
        ("segments", ["\u00fc", "", ""], "segments"),
        ("segments", ["", ""], "places"),
        ("places", [0, 0], "places"),
        ("places", [0, 1, 1], "places"),
        ("paths", ["a", 7], "paths"),
        ("paths", ["a"], "places"),
        ("event", "", "event is required: it is empty"),
        ("idempotency_key", "", "idempotency_key is required: it is empty"),
        ("files.0.path", 7, "path"),
        ("files.0.path", "", "path"),
        ("files.1.path", None, "path"),
        ("files.0.asset_id", 7, "asset_id"),
        ("files.0.asset_id", "", "asset_id"),
        ("files.0.asset_id", "a\n", "asset_id"),
        ("files.0.stored_at", True, "stored_at"),
        ("files.0.stored_at", "1", "stored_at"),
        ("files.0.stored_at", float("inf"), "stored_at"),
        ("files.1.attempts", "1", "attempts must be a whole number, not str"),
        ("files.1.failures", -1, f"failures must be a whole number from 0 to {2**63 - 1}"),
        ("files.1.size", -1, f"size must be a whole number from 0 to {2**63 - 1}"),
        ("post", {"attempts": 1, "failures": 1, "doubt": True, "posted_at": NOW}, "post"),
        ("response", {}, "response"),
        ("files", 7, "TypeError"),
        ("files.0", [], "TypeError"),
    ],
)
def test_what_is_damaged_is_told(where, value, why):
    """The part of a snapshot that cannot be as it is is named, so that one can look there."""
    fields = begun()
    *way, last = [int(part) if part.isdecimal() else part for part in where.split(".")]
    here = fields
    for part in way:
        here = here[part]
    here[last] = value
    assert refusal(fields) == f"the snapshot is damaged: {why}"


@pytest.mark.parametrize("value", ["1", float("nan"), None, False])
def test_when_the_event_was_posted_is_a_time(value):
    """Anything but a finite number cannot tell when a key was first sent."""
    fields = posted()
    fields["post"]["posted_at"] = value
    assert refusal(fields) == "the snapshot is damaged: posted_at"


def test_a_part_that_is_missing_is_told_as_python_tells_it():
    """Where a part is missing, the kind of trouble is all that is said."""
    fields = begun()
    del fields["segments"]
    assert refusal(fields) == "the snapshot is damaged: KeyError"


@pytest.mark.parametrize(("name", "ours"), [("base_url", "https://api.flowflex.test"), ("integration_code", "ic_1")])
def test_whose_snapshot_it_is_is_told(name, ours):
    """Of a send to another place both places are named."""
    assert refusal(begun() | {name: "other"}) == (
        f"the snapshot is of a send to another {name} ('other', and the settings say {ours!r})"
    )


def test_what_a_file_was_called_is_kept():
    """A resumed upload has the name and the type that were given, and not those that its path suggests."""
    fields = begun()
    assert fields["files"][1]["attempts"] == 1
    fields["files"][1] |= {"attempts": 0, "failures": 0}
    played = play(SendEvent.resume(json.dumps(fields), connection()))
    [url], [put] = played.of("upload-url"), played.of("put")
    assert isinstance(url.body, bytes)
    assert json.loads(url.body) == {"filename": "b.txt", "mime": "application/pdf", "size": 3}
    assert put.headers["Content-Type"] == "application/pdf"


@pytest.mark.parametrize(("fails", "failures"), [(True, 0), (False, 2)])
def test_what_was_tried_before_is_kept_until_a_send_ends(fails, failures):
    """Attempts of an earlier process count on for a file that is not begun again; a send that failed is tried anew."""
    payload = {"first": file("a.pdf"), "second": file("b.pdf")}
    fields = json.loads(start(payload, max_parallel_uploads=1).snapshot())
    fields["files"][1] |= {"attempts": 2, "failures": 2}
    operation = SendEvent.resume(json.dumps(fields), connection(max_parallel_uploads=1))
    [url] = operation.advance(NOW).requests
    if fails:
        operation.advance(NOW, reply(403)(url))
    entry = json.loads(operation.snapshot())["files"][1]
    assert (entry["attempts"], entry["failures"]) == (2, failures)


def test_a_file_that_no_snapshot_can_name_is_told():
    """A file from memory has no path: the error says where it stands, and what to do."""
    with pytest.raises(FlowFlexConfigError) as caught:
        start({"a": file(b"x", filename="a.pdf")}).snapshot()
    assert caught.value.message == (
        "a: 'a.pdf' comes from memory or an open file, which no snapshot can name: "
        "give its path, or take the snapshot once it is stored"
    )
