"""Storage that was written by others, and checks what it is given: nginx with WebDAV, and SeaweedFS with S3 V4."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from flowflex_core import FlowFlexUploadError, file
from flowflex_core.files import MAX_FILE_BYTES

TOO_OLD = 3 * 3600.0


def test_what_is_stored_is_what_the_files_hold(plain, storage):
    """Every byte of files of several sizes and types is stored under the ids in the event that the fake accepts."""
    contents = {
        "empty": b"",
        "letter": b"x",
        "photos[0]": bytes(range(256)) * 4_000,
        "photos[1]": b"\r\n0\r\n\r\n" * 100_000,
    }
    payload = {
        "empty": file(contents["empty"], filename="empty.txt"),
        "letter": file(contents["letter"], filename="letter.pdf"),
        "photos": [
            file(contents["photos[0]"], filename="one.png"),
            file(contents["photos[1]"], filename="größer & +%.jpg"),
        ],
    }
    result = plain.send(storage, payload, max_retries=0)
    assert {path: storage.read(asset) for path, asset in result.uploaded_assets.items()} == contents
    plain.fake.assert_event("document.ready", files=contents, times=1)


def test_the_largest_file_is_stored_whole(plain, storage, tmp_path):
    """A file of 26,214,400 bytes, the most that FlowFlex takes, is stored byte for byte."""
    path = tmp_path / "film.mp4"
    path.write_bytes(bytes(range(256)) * (MAX_FILE_BYTES // 256))
    result = plain.send(storage, {"film": file(path)}, max_retries=0)
    assert storage.read(result.uploaded_assets["film"]) == path.read_bytes()


def test_an_expired_url_is_replaced_once(plain, storage):
    """A URL that storage calls expired is replaced by a new one, which needs no retry."""
    grant = plain.first_of(storage, TOO_OLD, 0)
    result = plain.send(storage, {"note": file(b"late", filename="note.txt")}, grant=grant, max_retries=0)
    assert storage.read(result.uploaded_assets["note"]) == b"late"
    plain.fake.assert_attempts("upload-url", 2)


def test_a_second_expired_url_is_an_error(plain, storage):
    """Where the new URL has expired as well the error says so, and no event is sent."""
    grant = plain.first_of(storage, TOO_OLD, TOO_OLD)
    with pytest.raises(FlowFlexUploadError, match="expired") as caught:
        plain.send(storage, {"note": file(b"late", filename="note.txt")}, grant=grant)
    assert caught.value.status == 403
    plain.fake.assert_attempts("upload-url", 2)
    plain.fake.assert_attempts("event", 0)


@pytest.mark.parametrize("size", [5, 8_000_000])
def test_a_forged_url_is_an_error_at_once(plain, storage, size):
    """A signature for another path is refused, which the error says without the signature; nothing is stored."""
    granted = []

    def forged(asset, mime):
        url = storage.url(plain.origin_of(storage.storage), f"{asset}x", mime)
        granted.append((asset, url))
        return url.replace(f"{asset}x", asset)

    with pytest.raises(FlowFlexUploadError) as caught:
        plain.send(storage, {"note": file(b"n" * size, filename="note.txt")}, grant=forged)
    [(asset, url)] = granted
    [signature] = [value for name, value in parse_qsl(urlsplit(url).query) if name.lower().endswith("signature")]
    assert (caught.value.status, caught.value.attempts) == (403, 1)
    assert signature not in f"{caught.value!r} {vars(caught.value)}"
    assert storage.read(asset) is None
    plain.fake.assert_attempts("upload-url", 1)
    plain.fake.assert_attempts("event", 0)
