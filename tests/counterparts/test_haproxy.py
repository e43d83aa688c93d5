"""HAProxy, which ends the TLS before the API and before each storage."""

import pytest

from flowflex_core import FlowFlexConnectionError, FlowFlexUploadError, file
from flowflex_core.files import MAX_FILE_BYTES


def test_what_is_stored_over_tls_is_what_the_file_holds(encrypted, storage, tmp_path):
    """The largest file and the event go through TLS byte for byte, under the host that the signature covers."""
    path = tmp_path / "film.mp4"
    path.write_bytes(bytes(range(256)) * (MAX_FILE_BYTES // 256))
    result = encrypted.send(storage, {"film": file(path)}, max_retries=0)
    assert storage.read(result.uploaded_assets["film"]) == path.read_bytes()
    encrypted.fake.assert_event("document.ready", files={"film": path}, times=1)


def test_a_certificate_of_another_authority_is_refused(encrypted, nginx):
    """Where the authority is not trusted the error says so at once, and no request arrives."""
    with pytest.raises(FlowFlexConnectionError, match=r"(?i)certificate") as caught:
        encrypted.send(nginx, None, ca_file=None)
    assert caught.value.attempts == 1
    encrypted.fake.assert_nothing_sent()


def test_a_certificate_of_another_name_is_refused(encrypted, nginx):
    """Where the certificate is for another name the error says so at once, and no request arrives."""
    with pytest.raises(FlowFlexConnectionError, match=r"(?i)certificate|address mismatch") as caught:
        encrypted.send(nginx, None, base_url=encrypted.base_url.replace("localhost", "127.0.0.1"))
    assert caught.value.attempts == 1
    encrypted.fake.assert_nothing_sent()


def test_a_body_that_is_too_large_is_refused_early(encrypted, nginx, haproxy):
    """The 413 that HAProxy answers after the head is read during the upload through TLS, and spoils no later send."""
    origin = f"https://localhost:{haproxy.narrow}"
    payloads = [{"note": file(b"n" * size, filename="note.txt")} for size in (8_000_000, 5)]
    refused, sent = encrypted.send_all(
        nginx, payloads, grant=lambda asset, mime: nginx.url(origin, asset, mime), max_retries=0
    )
    assert isinstance(refused, FlowFlexUploadError)
    assert refused.status == 413
    assert nginx.read(sent.uploaded_assets["note"]) == b"nnnnn"


def test_a_storage_that_is_down_is_tried_again(encrypted, nginx, haproxy):
    """The 503 of HAProxy before a server that is down is tried again; at last it is the error, and no event is sent."""
    origin = f"https://localhost:{haproxy.down}"
    with pytest.raises(FlowFlexUploadError) as caught:
        encrypted.send(
            nginx,
            {"note": file(b"note", filename="note.txt")},
            grant=lambda asset, mime: nginx.url(origin, asset, mime),
            max_retries=1,
        )
    assert (caught.value.status, caught.value.attempts) == (503, 2)
    encrypted.fake.assert_attempts("event", 0)
