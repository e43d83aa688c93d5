"""Compares a message with the text of it that was looked at and found good.

After a message was changed on purpose: `UPDATE_GOLDEN=1 pytest tests/testing`, and then read the difference in git.
"""

import os
from pathlib import Path

HERE = Path(__file__).parent


def assert_golden(name: str, text: str) -> None:
    """Fail unless `text` is what stands in the file `name`."""
    path = HERE / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text + "\n")
    assert text + "\n" == path.read_text(), f"{path.name} holds another message"
