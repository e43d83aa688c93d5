"""A file of 3 GB that takes no space: measured and refused without being read, and never read ahead."""

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowflex_core import FlowFlexError, FlowFlexUploadError
from flowflex_testing import FakeFlowFlex
from flowflex_transports import file
from tests.sources.conftest import Blocking, Caller, InTrio, open_under
from tests.support.scripted import ScriptedServer, Wire

SIZE = 3_000_000_000


@pytest.fixture
def sparse(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "sparse.mp4"
    with path.open("wb") as handle:
        handle.truncate(SIZE)
    yield path
    path.unlink()


@pytest.mark.parametrize("is_open", [False, True], ids=["path", "handle"])
def test_a_file_of_3_gb_is_refused_unread(
    fake: FakeFlowFlex, client: Caller, sparse: Path, tmp_path: Path, is_open: bool
) -> None:
    """It is over the limit of 25 MB, is told so by its payload path, and takes no memory."""
    with sparse.open("rb") as handle:
        tracemalloc.start()
        with pytest.raises(
            FlowFlexUploadError, match=r"^clip: '.*sparse\.mp4' has 3000000000 bytes, over the limit of 26214400 "
        ):
            client.send("e", payload={"clip": file(handle if is_open else sparse)})
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 1_000_000
    fake.assert_nothing_sent()
    assert open_under(tmp_path) == []
    client.send("e")
    fake.assert_event("e", times=1)


@pytest.mark.parametrize("make", [Blocking, InTrio])
def test_a_limit_that_is_raised_leaves_the_word_to_flowflex(
    fake: FakeFlowFlex, sparse: Path, make: type[Blocking] | type[InTrio]
) -> None:
    """The size is declared to the byte, and the refusal comes before the file is sent."""
    client = make(**fake.client_options, max_file_bytes=SIZE)
    with pytest.raises(FlowFlexError, match=r"^clip: 'sparse\.mp4'") as caught:
        client.send("e", payload={"clip": file(sparse)})
    assert (caught.value.status, caught.value.code) == (413, "FILE_TOO_LARGE")
    fake.assert_attempts("put", 0)
    client.send("e")
    client.close()
    fake.assert_event("e", times=1)


@pytest.mark.parametrize("make", [Blocking, InTrio])
def test_a_size_over_31_bits_stands_in_the_head_and_the_rest_is_never_read_ahead(
    sparse: Path, make: type[Blocking] | type[InTrio]
) -> None:
    """Storage is told the true length, and its refusal in the middle ends the upload there."""
    lengths: list[str] = []

    def refuse(wire: Wire) -> None:
        head = wire.read_head()
        assert head is not None
        lengths.append(head.headers["content-length"])
        wire.read_body(1_000_000)
        wire.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        wire.hold()

    with ScriptedServer(refuse) as storage:

        def grant(wire: Wire) -> None:
            wire.read_request()
            reply = json.dumps({"assetId": "asset_12345678", "uploadUrl": storage.url("/put?signature=x")}).encode()
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
            wire.send(b"Content-Length: %d\r\n\r\n" % len(reply) + reply)
            wire.wait_for_end()

        with ScriptedServer(grant) as api:
            client = make(api_key="k", api_secret="s", integration_code="c", base_url=api.url(""), max_file_bytes=SIZE)
            tracemalloc.start()
            with pytest.raises(FlowFlexUploadError, match=r"^clip: 'sparse\.mp4' was not stored: .*413"):
                client.send("e", payload={"clip": file(sparse)})
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            client.close()
    assert lengths == [str(SIZE)]
    assert peak < 5_000_000
