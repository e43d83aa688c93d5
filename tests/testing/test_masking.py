"""Secrets in text that crossed the wire, in every shape that it may have, whole or broken."""

import time

import pytest

from flowflex_testing.engine.journal import RecordedRequest
from flowflex_testing.masking import Masking

TOKEN = "0f" * 32
MASKING = Masking(["cik_test_key", "cis test&secret", "a"], [TOKEN])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        # Credentials of a tenant, in the spellings that servers repeat them in.
        ("cik_test_key:cis test&secret", "[secret]:[secret]"),
        ("cis%20test%26secret", "[secret]"),
        ("cis test&amp;secret", "[secret]"),
        ("Authorization is Basic Y2lrOm5vdCBvdXJz.", "Authorization is Basic [secret]"),
        # Upload URLs, whole and broken, plain, in JSON of two kinds and percent-encoded.
        ("http://h/a.pdf?X-Expires=1&X-Signature=ab", "http://h/a.pdf?[secret]"),
        ('{"uploadUrl": "https://h/a?x=1", "n": 1}', '{"uploadUrl": "https://h/a?[secret]", "n": 1}'),
        (r'{"uploadUrl": "https:\/\/h\/a?x=1"}', r'{"uploadUrl": "https:\/\/h\/a?[secret]"}'),
        (r'{"u": "https://h/a?x=\"b\""}', r'{"u": "https://h/a?[secret]\"b\""}'),
        (r'{"u": "https://h/a?x=1\u0026X-Signature=ab"}', r'{"u": "https://h/a?[secret]"}'),
        ('{"uploadUrl": "https://h/a?x=1', '{"uploadUrl": "https://h/a?[secret]'),
        ("https%3A%2F%2Fh%2Fa%3FX-Signature%3Dab", "https%3A%2F%2Fh%2Fa%3F[secret]"),
        ("/assets/default/asset_1/a.pdf?X-Expires=1", "/assets/default/asset_1/a.pdf?[secret]"),
        ("X-Amz-Signature=ab&b=2", "X-Amz-Signature=[secret]&b=2"),
        # Tokens, by the name of their field or because they were issued here.
        ('{"token": "ab\\"c", "n": 1}', '{"token": "[secret]", "n": 1}'),
        ('{"upload_token" : "ab', '{"upload_token" : "[secret]'),
        (r'"{\"api_key\":\"ab\"}"', r'"{\"api_key\":\"[secret]\"}"'),
        ("'password': 'ab'", "'password': '[secret]'"),
        (f"it is {TOKEN}, {TOKEN.upper()}", "it is [secret], [secret]"),
        # What S3 repeats.
        (
            "<Error><Code>X</Code><StringToSign>PUT\n/a\n</StringToSign><RequestId>1</RequestId></Error>",
            "<Error><Code>X</Code><StringToSign>[secret]</StringToSign><RequestId>1</RequestId></Error>",
        ),
        ("<Error><StringToSign>PUT\n/a", "<Error><StringToSign>[secret]"),
    ],
)
def test_a_secret_is_masked(text, shown):
    """A mark stands in its place, and all else as it was."""
    assert MASKING.text(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a short credential is a word like any other",
        "https://example.org/path",
        '{"token": null, "tokens": ["x"], "Basic English": 1}',
        "sha256 " + "ab" * 32,
        "asset_1234567890",
    ],
)
def test_what_is_no_secret_stays(text):
    """A mask that hides too much shows nothing."""
    assert MASKING.text(text) == text


def test_a_fake_without_credentials_masks_all_the_same():
    """There is nothing to know, and what looks like a secret is one."""
    assert Masking([]).text("https://h/a?b") == "https://h/a?[secret]"


def test_a_target_is_shown_without_its_query():
    """A path may hold a credential, too."""
    assert MASKING.target("/v1/events/cik_test_key?x=1") == "/v1/events/[secret]?[secret]"
    assert MASKING.target("/v1/assets/upload-url") == "/v1/assets/upload-url"


@pytest.mark.parametrize(
    "name", ["Authorization", "proxy-authorization", "Cookie", "set-cookie", "x-api-key", "x-token"]
)
def test_a_header_for_secrets_is_masked_whole(name):
    """Its value is one, whatever it looks like."""
    assert MASKING.headers(((name, "abc"), ("X-Event", "abc"))) == [[name.lower(), "[secret]"], ["x-event", "abc"]]


@pytest.mark.parametrize(
    "piece",
    ["http://", '"token', "<StringToSign>", "X-Signature=", "/assets/", '"token":"', "Basic ", "\\", '"', "_", '\\"'],
)
def test_half_a_secret_that_goes_on_and_on_takes_no_longer_than_its_length(piece):
    """Ten times the text takes about ten times as long, and not a hundred."""
    seconds = []
    for size in (20_000, 200_000):
        text = (piece * (size // len(piece) + 1))[:size]
        begin = time.process_time()
        MASKING.text(text)
        seconds.append(time.process_time() - begin)
    assert seconds[1] < 40 * max(seconds[0], 0.005)


@pytest.mark.parametrize("name", ["x-api-secret", "x-api-key", "x-auth-token", "authorization", "cookie"])
def test_the_line_of_a_request_shows_no_secret_header(name):
    """The line that failures and reports show masks the same headers as the inspector does."""
    request = RecordedRequest(1, 0.0, "api", "event", "POST", "/v1/events/ic", ((name, "s3cret"), ("x-event", "e")))
    assert "s3cret" not in repr(request)
    assert f"{name}=[secret]" in repr(request)
    assert "x-event='e'" in repr(request)


def test_words_about_credentials_are_none():
    """What a rule says of the Basic credentials is no credential."""
    sentence = "Every request carries the Basic credentials of an integration."
    assert MASKING.text(sentence) == sentence
