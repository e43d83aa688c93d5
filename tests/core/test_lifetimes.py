"""The very moments from which on something is held for old."""

import json

import pytest

from flowflex_core import file
from flowflex_core.lifetimes import is_forgotten, is_gone, is_old_asset, is_old_url
from tests.core.drive import HOUR, NOW, fail, grant, reply, start


@pytest.mark.parametrize(
    ("is_so", "age"),
    [
        (is_old_url, 2 * HOUR - 300),
        (is_old_asset, 47 * HOUR),
        (is_gone, 48 * HOUR),
        (is_forgotten, 23 * HOUR),
    ],
)
def test_the_moment_from_which_on(is_so, age):
    """Upload URLs are old after two hours less five minutes, files after 47 hours and gone after 48, keys after 23."""
    assert is_so(1_000.0, 1_000.0 + age)
    assert not is_so(1_000.0, 999.0 + age)


def test_a_file_lives_from_its_first_put_on():
    """Neither the time of its upload URL nor that of a repeated put counts: storage may have it from the first on."""
    operation = start({"a": file("a.pdf")})
    [url] = operation.advance(NOW).requests
    [put] = operation.advance(NOW + 100, grant()(url)).requests
    turn = operation.advance(NOW + 100, fail(sent=True)(put))
    [again] = operation.advance(NOW + 100 + (turn.wait or 0.0)).requests
    operation.advance(NOW + 200, reply(200)(again))
    [entry] = json.loads(operation.snapshot())["files"]
    assert entry["stored_at"] == NOW + 100
