"""The very moments from which on something is held for old."""

import pytest

from flowflex_core.lifetimes import is_forgotten, is_gone, is_old_asset, is_old_url
from tests.core.drive import HOUR


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
