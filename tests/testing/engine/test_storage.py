"""What storage decides, beyond one example a rule."""

import hashlib

import pytest

from flowflex_testing.clock import Clock
from flowflex_testing.fake import FakeFlowFlex
from tests.testing.caller import Caller
from tests.testing.rule_examples import CAP


@pytest.fixture
def caller():
    return Caller(FakeFlowFlex())


def test_every_byte_of_path_and_query_is_signed(caller):
    """Whatever byte of an upload URL is changed, left out or doubled, the PUT is refused."""
    url = caller.url()
    for place in range(len("/assets/"), len(url)):
        changed = "b" if url[place] != "b" else "c"
        for tampered in (url[:place] + changed + url[place + 1 :], url[:place] + url[place + 1 :]):
            assert caller.put(tampered).status == 403, tampered
    assert caller.put(url).status == 200


@pytest.mark.parametrize("suffix", ["&", "&a=b", "&X-Signature=0", "%20", "#", "\xe9"])
def test_nothing_can_be_added_to_an_upload_url(caller, suffix):
    """What follows the signature is no part of the URL that was issued."""
    assert caller.put(caller.url() + suffix).rule == "put.signature"


@pytest.mark.parametrize("target", ["/assets/", "/assets/default", "/assets/other/asset_1/a?X-Expires=1&X-Signature=2"])
def test_a_url_that_was_never_issued_is_a_bad_signature(caller, target):
    """Storage does not tell what exists."""
    assert caller.put(target).rule == "put.signature"


def test_a_refused_put_does_not_burn_its_url(caller):
    """After any refusal the same URL still stores the file."""
    url = caller.url()
    assert caller.put(url, extra=[("authorization", "Basic x")]).status == 400
    assert caller.put(url, media_type="text/plain").status == 403
    assert caller.put(url, b"12345").status == 400
    assert caller.put(url).status == 200


def test_authorization_is_refused_before_the_signature_is_read(caller):
    """The order is that of S3: two ways to authenticate are one too many, whatever they are worth."""
    assert caller.put("/assets/x", extra=[("authorization", "")]).rule == "put.authorization"


def test_the_body_of_a_refused_head_is_never_read(caller):
    """What the head already tells needs no byte of the file."""
    assert caller.put(caller.url() + "0", b"x" * 1000).read_bytes == 0
    assert caller.put(caller.url(size=...), b"x" * 1000, length=CAP + 1).read_bytes == 0


def test_a_body_of_unknown_length_is_refused_at_the_first_byte_too_many(caller):
    """With strict=False a chunked PUT is taken, and counted."""
    lenient = Caller(FakeFlowFlex(strict=False))
    assert lenient.put(lenient.url(size=...), b"x" * CAP, chunked=True).rule == "put.stored"
    answer = lenient.put(lenient.url(size=...), b"x" * (CAP + 1), chunked=True)
    assert (answer.status, answer.rule) == (413, "put.size-limit")


def test_an_upload_url_lives_two_hours_from_any_moment():
    """Its age is counted from when it was issued, not from the second before."""
    clock = Clock(1000.75)
    caller = Caller(FakeFlowFlex(clock=clock))
    url = caller.url()
    clock.advance(hours=2)
    assert caller.put(url).status == 200
    clock.advance(seconds=0.25)
    assert caller.put(url).rule == "put.expired"


def test_of_a_file_digest_size_and_first_bytes_are_kept(caller):
    """An asset says what was stored, and does not hold the file."""
    content = bytes(range(256)) * 1000
    assert caller.put(caller.url(size=len(content), filename="b.pdf"), content).status == 200
    (asset,) = caller.fake.assets.values()
    assert (asset.filename, asset.mime, asset.size) == ("b.pdf", "application/pdf", len(content))
    assert asset.sha256 == hashlib.sha256(content).hexdigest()
    assert asset.first_bytes == content[:4096]
    assert asset.stored_at == caller.fake.clock.now()


def test_s3_stores_the_second_file_over_the_first(caller):
    """In the dialect `s3` the last PUT counts, and its 48 hours begin anew."""
    url = caller.url()
    caller.put(url)
    caller.fake.clock.advance(hours=1)
    assert caller.put(url, b"tada").status == 200
    (asset,) = caller.fake.assets.values()
    assert (asset.first_bytes, asset.stored_at) == (b"tada", caller.fake.clock.now())


def test_supabase_keeps_the_first_file():
    """In the dialect `supabase` a second PUT is a Duplicate, in a 400, and changes nothing."""
    caller = Caller(FakeFlowFlex(storage_dialect="supabase"))
    url = caller.url()
    caller.put(url)
    answer = caller.put(url, b"tada")
    assert (answer.status, answer.json()["statusCode"], answer.json()["error"]) == (400, "409", "Duplicate")
    (asset,) = caller.fake.assets.values()
    assert asset.first_bytes == b"data"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_stored_file_cannot_be_read_back(caller, method):
    """Storage is private: 405, and the way to use it in Allow."""
    url = caller.url()
    caller.put(url)
    answer = caller.put(url, b"", method=method)
    assert (answer.status, answer.headers["Allow"]) == (405, "PUT")


def test_an_unknown_path_is_not_found_whatever_the_method(caller):
    """There is nothing beside the presigned URLs."""
    assert caller.put("/", b"", method="GET").rule == "storage.path"
