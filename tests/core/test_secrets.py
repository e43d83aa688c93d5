"""What of words from outside is masked, where several secrets meet. What surrounds a secret is in test_settings."""

import json
import pickle

import pytest

from flowflex_core.secrets import Mask, secrets_of_url, spellings


@pytest.mark.parametrize(
    ("words", "masked"),
    [
        ("abcdefgh", "[secret]"),
        ("xabcdefghijklmnopx", "x[secret]x"),
        ("abcdefgh ghijklmnop", "[secret] [secret]"),
        ("abcdefghabcdefgh", "[secret][secret]"),
        ("abcdefabcdefgh", "abcdef[secret]"),
        ("abcdefg", "abcdefg"),
        ("", ""),
    ],
)
def test_secrets_that_overlap_leave_nothing_of_each_other(words, masked):
    """Where the end of one secret is the beginning of another, both are masked whole."""
    mask = Mask().also(["abcdefgh", "ghijklmnop"])
    assert mask.known(words) == masked
    assert mask.known({words: [words, 1, None]}) == {masked: [masked, 1, None]}


@pytest.mark.parametrize("part", ["abcdef", "bcdefg", "cdefgh"])
def test_a_secret_with_another_in_it_is_masked_whole(part):
    """Where one secret is part of another, nothing of the longer one is left."""
    assert Mask().also(["abcdefgh", part]).known(f"x abcdefgh {part} x") == "x [secret] [secret] x"


@pytest.mark.parametrize(
    ("limit", "beginning"), [(1, "x"), (2, "x["), (9, "x[secret]"), (10, "x[secret]"), (11, "x[secret]y")]
)
def test_a_beginning_ends_with_no_half_of_a_secret(limit, beginning):
    """Of a secret that begins before the cut, the mark is all that is kept."""
    assert Mask().also(["abcdefghi"]).beginning("xabcdefghiyz", limit) == beginning


def test_the_secrets_of_an_upload_url():
    """They are the token and every value in the query, decoded too, that is long enough to be more than a word."""
    url = "https://s.test/a/longpath?sig=SIGN%2FATURE&expires=7200&LONELYVALUE&x=short&y=abc=====&Signature=ok"
    assert secrets_of_url(url, "TOKENTOKEN") == {"SIGN%2FATURE", "SIGN/ATURE", "LONELYVALUE", "TOKENTOKEN"}
    assert secrets_of_url("https://s.test/a", None) == set()
    assert secrets_of_url("https://s.test/a?sig=sixsix&v=fives", "") == {"sixsix"}


def test_a_url_without_a_query_is_left_as_it_is():
    """Only a query may be a signature: the rest of a URL is told, so that people know which place is meant."""
    words = "see https://docs.test/mime and http://s.test/a?b=1"
    assert Mask().value([words]) == ["see https://docs.test/mime and http://s.test/a?[secret]"]


def test_a_mask_is_not_pickled():
    """It knows the secrets, so a pickle would hold them."""
    with pytest.raises(TypeError, match=r"^a mask knows the secrets and is not pickled$"):
        pickle.dumps(Mask())


def test_a_secret_without_its_padding_is_masked():
    """Base64 loses its final "=" in URLs and tokens: the secret is recognised with it and without it."""
    mask = Mask().also(["SECRETBOX=="])
    assert mask.known("a SECRETBOX== b SECRETBOX c") == "a [secret] b [secret] c"
    assert spellings("==ab==") == {"==ab==", "==ab", "%3D%3Dab%3D%3D", "%3D%3Dab", "%3d%3dab%3d%3d", "%3d%3dab"}


def test_a_secret_of_nothing_but_padding_leaves_the_rest():
    """What is left of such a secret without its padding is nothing, and nothing stands everywhere."""
    assert Mask().also(["==="]).known("plain words, and ===") == "plain words, and [secret]"


def test_a_secret_is_known_as_json_escapes_it():
    """A secret with quotes or letters beyond ASCII is masked as both kinds of JSON writers write it."""
    secret = 'S\u00dcSSES"/GEHEIMNIS'
    found = spellings(secret)
    for ensure_ascii in (True, False):
        escaped = json.dumps(secret, ensure_ascii=ensure_ascii)[1:-1]
        assert {escaped, escaped.replace("/", "\\/")} <= found
