"""Sentences that are read to their end: what a caller is told of a mistake is whole, and nothing else."""

import pytest

from flowflex_core import FlowFlexConfigError
from flowflex_core.secrets import Mask
from tests.core.drive import NOW, start


def test_a_result_that_is_asked_for_too_early():
    """An operation that is not done has no result, and the error says when it will have one."""
    operation = start()
    operation.advance(NOW)
    with pytest.raises(FlowFlexConfigError, match=r"^the operation is not done: advance it until turn\.done$"):
        operation.result()


def test_what_cannot_be_printed_is_a_blank():
    """Of words from outside each character that cannot be printed becomes one blank."""
    assert Mask().sentence("\x1ba\nb\u202ec\t") == "a b c"
