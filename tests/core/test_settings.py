"""Connection settings: what is taken, what is refused, and that nothing shows their credentials."""

import base64
import copy
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowflex_core import FlowFlexConfigError, SendEvent, Settings
from tests.core.drive import API_KEY, API_SECRET, BASIC_TOKEN, SECRETS, connection
from tests.core.generating import anything, examples


def event_url(**changes):
    """Return where the event goes."""
    return SendEvent.start(connection(**changes), "e", idempotency_key="k").advance(0.0).requests[0].url


@pytest.mark.parametrize("name", ["api_key", "api_secret", "integration_code", "base_url"])
@pytest.mark.parametrize("value", [None, ""])
def test_what_is_missing_is_named(name, value):
    """Each of the four is required; the error names the one that is missing."""
    with pytest.raises(FlowFlexConfigError, match=rf"^{name} is required"):
        connection(**{name: value})
    with pytest.raises(FlowFlexConfigError, match=r"^api_key is required"):
        Settings()


@pytest.mark.parametrize("name", ["api_key", "api_secret"])
@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("SECRETSECRET\n", "blanks"),
        (" SECRETSECRET", "blanks"),
        ("SECRET\r\nX: SECRET", r"U\+000D"),
        ("SECRET\u200bSECRET", r"U\+200B"),
        ("SECRET\u202eSECRET", r"U\+202E"),
        ("SECRET\x85SECRET", r"U\+0085"),
        ("SECRET\ud800SECRET", r"U\+D800"),
        (b"SECRETSECRET", "must be a string, not bytes"),
        (["SECRETSECRET"], "must be a string, not list"),
    ],
)
def test_a_bad_credential_is_refused_unseen(name, value, why):
    """A credential that cannot be right is refused by name, and shown nowhere, not in the cause either."""
    with pytest.raises(FlowFlexConfigError, match=rf"^{name} .*{why}") as caught:
        connection(**{name: value})
    assert "SECRET" not in "".join(traceback.format_exception(caught.value)).replace("api_secret", "")


def test_a_key_with_a_colon_is_refused():
    """Basic authentication ends the key at its first colon; the secret may hold any."""
    with pytest.raises(FlowFlexConfigError, match=r"^api_key holds a colon, which Basic authentication cannot carry$"):
        connection(api_key="SECRET:SECRET")
    assert connection(api_secret="a:b:c")


@examples(100)
@given(
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1).filter(lambda s: ":" not in s),
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1),
)
def test_authorization_is_basic(key, secret):
    """The header is Basic with key and secret in UTF-8, whatever letters they hold."""
    scheme, _, token = connection(api_key=key, api_secret=secret).authorization.partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(token, validate=True) == f"{key}:{secret}".encode()


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://h.test", "https://h.test/v1/events/ic_1"),
        ("https://h.test/", "https://h.test/v1/events/ic_1"),
        ("https://h.test/api", "https://h.test/v1/events/ic_1"),
        ("https://h.test/api/", "https://h.test/v1/events/ic_1"),
        ("https://h.test//", "https://h.test/v1/events/ic_1"),
        ("https://h.test/proxy/api", "https://h.test/proxy/v1/events/ic_1"),
        ("https://h.test/proxy/", "https://h.test/proxy/v1/events/ic_1"),
        ("https://h.test/myapi", "https://h.test/myapi/v1/events/ic_1"),
        ("https://h.test/api/v2", "https://h.test/api/v2/v1/events/ic_1"),
        ("https://h.test/API", "https://h.test/API/v1/events/ic_1"),
        ("HTTPS://H.Test:443/Api", "https://h.test/Api/v1/events/ic_1"),
        ("https://h.test:8443/api", "https://h.test:8443/v1/events/ic_1"),
        ("http://localhost:8080", "http://localhost:8080/v1/events/ic_1"),
        ("http://localhost.:8080", "http://localhost.:8080/v1/events/ic_1"),
        ("http://127.0.0.1", "http://127.0.0.1/v1/events/ic_1"),
        ("http://127.8.9.1:1", "http://127.8.9.1:1/v1/events/ic_1"),
        ("http://[::1]:9/api", "http://[::1]:9/v1/events/ic_1"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]/v1/events/ic_1"),
    ],
)
def test_base_url_forms(base_url, url):
    """Https anywhere and http on loopback are taken; trailing slashes and one trailing /api are stripped."""
    assert event_url(base_url=base_url) == url


@pytest.mark.parametrize(
    ("base_url", "why"),
    [
        ("http://h.test", "must use https, not http, for h.test"),
        ("http://localhost.evil.test", "must use https"),
        ("http://127.0.0.1.evil.test", "must use https"),
        ("http://0.0.0.0:80", "must use https"),
        ("http://10.0.0.1", "must use https"),
        ("http://[::ffff:127.0.0.1]", "must use https"),
        ("http://2130706433", "number"),
        ("http://0x7f.0.0.1", "number"),
        ("ftp://h.test", "form"),
        ("h.test", "form"),
        ("localhost:8080", "form"),
        ("https://h.test?x=SECRETSECRET", "query"),
        ("https://h.test/?", "query"),
        ("https://h.test#x", "fragment"),
        ("https://u:SECRETSECRET@h.test", "user name"),
        ("https://h.test\\@evil.test", "backslash"),
        ("https://h.test /", "blank"),
        (" https://h.test", "blank"),
        ("https://h.test\r\n", "printable ASCII"),
        ("https://h.test/../x", "dot segment"),
        ("https://h.test:0", "port"),
        ("https://h.test:99999", "port"),
        ("https://\u24d7.test", "printable ASCII"),
        (b"https://h.test", "string"),
        (7, "string"),
    ],
)
def test_odd_base_urls_are_refused(base_url, why):
    """A base_url that could lead elsewhere, or show credentials to the network, is refused by name and reason."""
    with pytest.raises(FlowFlexConfigError, match=rf"^base_url .*{why}") as caught:
        connection(base_url=base_url)
    assert "SECRET" not in caught.value.message


@pytest.mark.parametrize(
    ("code", "segment"),
    [
        ("ic_abc123", "ic_abc123"),
        ("a/b", "a%2Fb"),
        ("../admin", "..%2Fadmin"),
        ("a?b#c", "a%3Fb%23c"),
        ("%2e%2e", "%252e%252e"),
        ("...", "..."),
        ("a b", "a%20b"),
        ("caf\u00e9", "caf%C3%A9"),
        (":@!$&'()*+,;=", "%3A%40%21%24%26%27%28%29%2A%2B%2C%3B%3D"),
    ],
)
def test_the_code_is_encoded_whole(code, segment):
    """The code is one path segment, whatever it holds."""
    assert event_url(integration_code=code) == f"https://api.flowflex.test/v1/events/{segment}"


@pytest.mark.parametrize("code", [".", ".."])
def test_a_dot_segment_is_no_code(code):
    """A dot segment would change the endpoint that is called."""
    with pytest.raises(FlowFlexConfigError, match=r"^integration_code .* is a dot segment"):
        connection(integration_code=code)


@pytest.mark.parametrize("code", [" ic", "ic\n", "i\x00c", "i\u200bc", "i\ud800c", 7])
def test_an_odd_code_is_refused(code):
    """Blanks around the code, and what cannot be seen in it, are refused."""
    with pytest.raises(FlowFlexConfigError, match=r"^integration_code"):
        connection(integration_code=code)


@pytest.mark.parametrize("name", ["timeout_seconds", "deadline_seconds"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "30", True, [], 10**9])
def test_odd_times_are_refused(name, value):
    """A time that is not finite and positive is refused by name."""
    with pytest.raises(FlowFlexConfigError, match=rf"^{name} must be a"):
        connection(**{name: value})
    with pytest.raises(FlowFlexConfigError, match=rf"^{name} must be a"):
        connection().replace(**{name: value})


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("max_retries", -1),
        ("max_retries", 1.5),
        ("max_retries", True),
        ("max_retries", None),
        ("max_file_bytes", -1),
        ("max_file_bytes", 1e6),
        ("max_parallel_uploads", 0),
        ("max_parallel_uploads", "4"),
    ],
)
def test_odd_counts_are_refused(name, bad):
    """A count that is no whole number, or too small, is refused by name."""
    with pytest.raises(FlowFlexConfigError, match=rf"^{name} must be"):
        connection(**{name: bad})


@pytest.mark.parametrize(("name", "least"), [("max_retries", 0), ("max_file_bytes", 0), ("max_parallel_uploads", 1)])
def test_the_least_counts_are_taken(name, least):
    """No retry, no byte in a file and one upload at a time are bounds as good as others."""
    assert getattr(connection(**{name: least}), name) == least


def test_a_hook_must_be_callable():
    """`default` is a function or None."""
    with pytest.raises(FlowFlexConfigError, match=r"^default must be a function of one value, not int$"):
        connection(default=3)


def test_what_is_left_out_has_the_documented_value():
    """30 s a request, no deadline, 25 MB, two retries, 16 uploads at a time, no hook."""
    settings = connection()
    bounds = (settings.timeout_seconds, settings.deadline_seconds, settings.max_file_bytes)
    assert bounds == (30.0, None, 26_214_400)
    assert (settings.max_retries, settings.max_parallel_uploads, settings.default) == (2, 16, None)


def test_replace_bounds_one_call():
    """`replace` changes the bounds that are given, keeps all else, and leaves the original alone."""
    settings = connection(max_retries=5)
    other = settings.replace(timeout_seconds=1, deadline_seconds=9)
    assert (other.timeout_seconds, other.deadline_seconds, other.max_retries) == (1.0, 9.0, 5)
    assert (settings.timeout_seconds, settings.deadline_seconds) == (30.0, None)
    assert settings.replace(max_retries=0).max_retries == 0
    assert (other.base_url, other.authorization) == (settings.base_url, settings.authorization)
    assert other.mask.value(API_SECRET) == "[secret]"
    assert settings.replace() is settings
    with pytest.raises(FlowFlexConfigError, match=r"^max_retries must be a whole number from 0"):
        settings.replace(max_retries=-1)


def test_settings_are_immutable():
    """No attribute, public or not, known or new, can be set or deleted."""
    settings = connection()
    for name in ("base_url", "timeout_seconds", "_authorization", "mask", "new"):
        with pytest.raises(AttributeError, match="settings are immutable"):
            setattr(settings, name, "https://evil.test")
        with pytest.raises(AttributeError, match="settings are immutable"):
            delattr(settings, name)
    assert settings.base_url == "https://api.flowflex.test"


def test_settings_do_not_show_their_credentials():
    """Neither the repr nor `vars` gives a credential away."""
    settings = connection()
    for secret in SECRETS:
        assert secret not in repr(settings) + str(settings) + f"{[settings]}"
    assert "https://api.flowflex.test" in repr(settings)
    with pytest.raises(TypeError):
        vars(settings)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_settings_are_not_pickled(protocol):
    """A pickle would hold the secret: it is refused under every protocol, with what to do instead."""
    with pytest.raises(
        FlowFlexConfigError,
        match=r"^settings hold credentials and are not pickled: make them anew where they are used$",
    ):
        pickle.dumps(connection(), protocol)


def test_settings_are_their_own_copy():
    """What never changes need not be copied."""
    settings = connection()
    assert copy.copy(settings) is settings
    assert copy.deepcopy([settings])[0] is settings


def test_the_mask_knows_every_spelling_of_every_credential():
    """Key, secret and Basic token are masked as they stand, encoded as servers encode them, and in longer words."""
    settings = connection(api_secret="S&CRET/S+CRET=")
    token = settings.authorization.removeprefix("Basic ")
    for words in (
        API_KEY,
        "S&CRET/S+CRET=",
        token,
        "S%26CRET%2FS%2BCRET%3D",
        "S%26CRET/S%2BCRET%3D",
        "S%26CRET%2fS%2bCRET%3d",
        r"S&CRET\/S+CRET=",
        "S&amp;CRET/S+CRET=",
        token.rstrip("="),
        token.replace("/", r"\/"),
        f"x{token}y",
        f"{API_KEY}:S&CRET/S+CRET=",
    ):
        masked = settings.mask.value(f"before {words} after")
        assert masked.startswith("before ")
        assert masked.endswith(" after")
        assert "CRET" not in masked.replace("[secret]", "")
        assert API_KEY not in masked
        assert token not in masked


printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=12)


@examples(200)
@given(printable.filter(lambda key: ":" not in key), printable, st.text(max_size=8), st.text(max_size=8), st.data())
def test_redaction_never_leaks(key, secret, before, after, data):
    """Whatever surrounds a credential, and however often it stands there, it is not in what the mask returns."""
    settings = connection(api_key=key, api_secret=secret)
    secrets = (key, secret, settings.authorization.removeprefix("Basic "))
    words = before + "".join(data.draw(st.lists(st.sampled_from(secrets), min_size=1, max_size=4))) + after
    masked = settings.mask.value(words)
    for value in secrets:
        # A credential may be part of the mask itself.
        assert value not in masked or value in "[secret]"


@examples(300)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "api_key",
                "api_secret",
                "integration_code",
                "base_url",
                "timeout_seconds",
                "deadline_seconds",
                "max_file_bytes",
                "max_retries",
                "max_parallel_uploads",
                "default",
            ]
        ),
        anything,
        min_size=1,
        max_size=3,
    )
)
def test_any_arguments_are_taken_or_refused(changes):
    """Whatever the arguments are, settings are made or a FlowFlexConfigError is raised, in printable words."""
    try:
        said = connection(**changes).event_url
    except FlowFlexConfigError as error:
        said = error.message
    assert said.isprintable()


def test_the_test_secrets_are_what_they_say():
    """The token that other tests look for is the one that is sent."""
    assert connection().authorization == f"Basic {BASIC_TOKEN}"


def test_masking_takes_time_in_proportion_to_the_words():
    """Half a URL, a hundred thousand times, is masked without looking at any character twice."""
    words = "http://" * 100_000  # minutes, where every beginning is followed to the end
    masked = connection().mask.value(words + " https://x.test/a?b=c")
    assert masked.endswith("https://x.test/a?[secret]")
    assert masked.startswith(words)
