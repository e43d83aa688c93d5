"""The pytest plugin, loaded in every run of whoever installed this: it imports pytest, and the rest when it is used."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flowflex_testing.fake import FakeFlowFlex


@pytest.fixture
def flowflex_fake() -> "Iterator[FakeFlowFlex]":
    """Serve a fake FlowFlex, fresh for this test; an armed fault that never fired is an error at its teardown."""
    from flowflex_testing.fake import FakeFlowFlex

    with FakeFlowFlex() as fake:
        yield fake
    fake.faults.assert_fired()
