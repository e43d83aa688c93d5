"""What nginx notes of the wire, and what it does with connections."""

from flowflex_core import FlowFlexUploadError, file


def note(content: bytes = b"a note") -> dict[str, object]:
    return {"note": file(content, filename="note.txt")}


def through_gateway(scene, nginx):
    return {"base_url": f"http://127.0.0.1:{nginx.gateway}", "max_retries": 0}


def test_a_put_is_framed_by_its_length_alone(plain, nginx):
    """A PUT has a Content-Length, is not chunked, waits for no 100 Continue, and carries no credentials."""
    plain.send(nginx, note())
    [put] = nginx.requests(1, method="PUT")
    assert (put["length"], put["status"]) == ("6", "201")
    assert (put["coding"], put["expect"], put["authorization"]) == ("", "", "")


def test_connections_are_used_again(plain, nginx):
    """Twenty sends with a file use two connections: one to the API, whose replies are chunked, and one to storage."""
    outcomes = plain.send_all(nginx, [note() for _ in range(20)], **through_gateway(plain, nginx))
    assert all(nginx.read(outcome.uploaded_assets["note"]) == b"a note" for outcome in outcomes)
    puts, posts = nginx.requests(20, method="PUT"), nginx.requests(40, method="POST")
    assert (len(puts), len(posts)) == (20, 40)
    assert {post["reply_coding"] for post in posts} == {"chunked"}
    assert len({request["connection"] for request in [*puts, *posts]}) == 2


def test_a_reload_is_not_noticed(plain, nginx):
    """Sends go on without a retry after a reload, in which nginx closes the idle connections."""
    outcomes = plain.send_all(nginx, [note() for _ in range(3)], between=nginx.reload, **through_gateway(plain, nginx))
    assert all(nginx.read(outcome.uploaded_assets["note"]) == b"a note" for outcome in outcomes)
    plain.fake.assert_event("document.ready", times=3)


def test_a_body_that_is_too_large_is_refused_early(plain, nginx):
    """The 413 that nginx answers after the head is read during the upload, is final, and spoils no later send."""
    origin = plain.origin_of(nginx.narrow)
    refused, sent = plain.send_all(
        nginx, [note(b"n" * 8_000_000), note()], grant=lambda asset, mime: nginx.url(origin, asset, mime)
    )
    assert isinstance(refused, FlowFlexUploadError)
    assert (refused.status, refused.attempts) == (413, 1)
    assert nginx.read(sent.uploaded_assets["note"]) == b"a note"
    assert [put["status"] for put in nginx.requests(2, method="PUT")] == ["413", "201"]
