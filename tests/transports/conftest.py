"""A file, for the tests of this folder."""

import pytest

from tests.support.files import CONTENT


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file.pdf"
    path.write_bytes(CONTENT)
    return path
