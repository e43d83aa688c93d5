"""Files that change under a send, on a real disk: told by their payload path, never sent half old and half new."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowflex_core import FlowFlexUploadError
from flowflex_testing import FakeFlowFlex, faults
from flowflex_transports import file
from tests.sources.conftest import CONTENT, Caller, open_under

pytestmark = pytest.mark.slow  # both clients, on real files

# Has another attempt, with a new URL, at once: no test waits for a retry.
EXPIRED = faults.Status(403, code="RequestExpired")

Change = Callable[[Path], object]


def shrink(path: Path) -> None:
    os.truncate(path, len(CONTENT) // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def grow(path: Path) -> None:
    with path.open("ab") as handle:
        handle.write(b"more")


def write_over(path: Path) -> None:
    with path.open("r+b") as handle:
        handle.write(CONTENT[::-1])


def replace(path: Path) -> None:
    other = path.with_suffix(".new")
    other.write_bytes(CONTENT[::-1])
    other.rename(path)


def delete(path: Path) -> None:
    path.unlink()


class Midway:
    """An `on_progress` that changes a file once, when the first chunk of a file is on its way."""

    def __init__(self, change: Change, path: Path, *, of: int = 0) -> None:
        self._change = change
        self._path = path
        self._of = of
        self._seen: list[Any] = []
        self.struck = False

    def __call__(self, ref: Any, sent: int, total: int) -> None:
        if ref not in self._seen:
            self._seen.append(ref)
        if sent and not self.struck and self._seen.index(ref) == self._of:
            self.struck = True
            self._change(self._path)


def stored(fake: FakeFlowFlex) -> dict[str, str]:
    """Return the digest of each stored file by its name."""
    return {asset.filename: asset.sha256 for asset in fake.assets.values()}


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("change", [shrink, empty, grow, write_over])
def test_a_file_that_changes_in_its_place_is_an_error_and_its_send_is_resumed_once_it_is_back(
    fake: FakeFlowFlex, client: Caller, path: Path, tmp_path: Path, change: Change
) -> None:
    """It is named by its payload path and never stored; what was stored before it is not sent again."""
    photo = tmp_path / "photo.png"
    photo.write_bytes(b"pixels")
    payload = {"photo": file(photo), "order": {"receipt": file(path)}}
    midway = Midway(change, path, of=1)
    with pytest.raises(FlowFlexUploadError, match=r"^order\.receipt: .*receipt\.pdf'.* while it was sent") as caught:
        client.send("e", payload=payload, on_progress=midway)
    assert midway.struck
    assert [*caught.value.failures] == ["order.receipt"]
    assert [*caught.value.uploaded_assets] == ["photo"]
    assert open_under(tmp_path) == []
    assert [*stored(fake)] == ["photo.png"]
    assert fake.events == []

    path.write_bytes(CONTENT)
    result = client.resume(str(caught.value.snapshot))
    assert result.idempotency_key == caught.value.idempotency_key
    fake.assert_event("e", times=1, files={"photo": "photo.png", "order.receipt": "receipt.pdf"})
    assert stored(fake) == {"photo.png": digest(b"pixels"), "receipt.pdf": digest(CONTENT)}
    assert [request.status for request in fake.requests if request.method == "PUT"].count(200) == 2


@pytest.mark.parametrize("change", [shrink, empty, grow, write_over])
def test_an_open_file_that_changes_in_its_place_is_an_error(
    fake: FakeFlowFlex, client: Caller, path: Path, tmp_path: Path, change: Change
) -> None:
    """It is put back where it stood, stays open, and can be sent as it is now."""
    with path.open("rb") as handle:
        handle.seek(8)
        with pytest.raises(FlowFlexUploadError, match=r"^receipt: .*receipt\.pdf'.* while it was sent"):
            client.send("e", payload={"receipt": file(handle)}, on_progress=Midway(change, path))
        assert (fake.events, stored(fake)) == ([], {})
        assert handle.tell() == 8
        client.send("e", payload={"receipt": file(handle)})
    assert stored(fake) == {"receipt.pdf": digest(path.read_bytes()[8:])}
    assert open_under(tmp_path) == []


@pytest.mark.parametrize("change", [replace, delete])
def test_a_file_that_loses_its_name_while_it_is_sent_arrives_as_it_was(
    fake: FakeFlowFlex, client: Caller, path: Path, tmp_path: Path, change: Change
) -> None:
    """An attempt reads the file that it opened, whatever comes of the name."""
    client.send("e", payload={"receipt": file(path)}, on_progress=Midway(change, path))
    assert stored(fake) == {"receipt.pdf": digest(CONTENT)}
    fake.assert_event("e", times=1, files={"receipt": "receipt.pdf"})
    assert open_under(tmp_path) == []


@pytest.mark.parametrize(("change", "words"), [(replace, "changed after it was measured"), (delete, "No such file")])
def test_a_file_that_lost_its_name_is_not_there_for_another_attempt(
    fake: FakeFlowFlex, client: Caller, path: Path, tmp_path: Path, change: Change, words: str
) -> None:
    """The second attempt opens the name anew, and finds another file or none; the next send takes what is there."""
    fake.faults.arm("put", EXPIRED)
    with pytest.raises(FlowFlexUploadError, match=rf"^receipt: .*receipt\.pdf'.*{words}"):
        client.send("e", payload={"receipt": file(path)}, on_progress=Midway(change, path))
    assert (fake.events, stored(fake)) == ([], {})
    assert open_under(tmp_path) == []
    path.write_bytes(b"another")
    client.send("e", payload={"receipt": file(path)})
    assert stored(fake) == {"receipt.pdf": digest(b"another")}


@pytest.mark.parametrize("change", [replace, delete])
def test_an_open_file_needs_no_name(fake: FakeFlowFlex, client: Caller, path: Path, change: Change) -> None:
    """Its caller holds it: a second attempt reads the same bytes, whatever comes of the name."""
    fake.faults.arm("put", EXPIRED)
    with path.open("rb") as handle:
        client.send("e", payload={"receipt": file(handle)}, on_progress=Midway(change, path))
    assert stored(fake) == {"receipt.pdf": digest(CONTENT)}
    fake.assert_attempts("put", 2)


@pytest.mark.parametrize(
    ("change", "words"),
    [(change, "changed after it was measured") for change in (shrink, grow, write_over, replace)]
    + [(delete, "No such file")],
)
def test_a_file_that_changes_before_its_turn_is_never_begun(
    fake: FakeFlowFlex, client: Caller, path: Path, tmp_path: Path, change: Change, words: str
) -> None:
    """What was measured is what is sent: a file that waits for another is looked at again, and not put."""
    first = tmp_path / "first.txt"
    first.write_bytes(b"x")
    payload = {"first": file(first), "receipt": file(path)}
    with pytest.raises(FlowFlexUploadError, match=rf"^receipt: .*receipt\.pdf'.*{words}"):
        client.send("e", payload=payload, on_progress=Midway(change, path))
    assert (fake.events, [*stored(fake)]) == ([], ["first.txt"])
    fake.assert_attempts("put", 1)
    assert open_under(tmp_path) == []
    path.write_bytes(CONTENT)
    client.send("e", payload=payload)
    fake.assert_event("e", times=1, files={"first": "first.txt", "receipt": "receipt.pdf"})
