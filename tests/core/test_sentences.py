"""Sentences that are read to their end: what a caller is told of a mistake is whole, and nothing else."""

import pytest

from flowflex_core import FlowFlexConfigError, FlowFlexUploadError, file, files_in
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


def test_sizes_that_are_no_mapping():
    """What was given in the place of sizes is named by its type."""
    with pytest.raises(FlowFlexConfigError, match=r"^sizes must be a mapping of files to bytes, not list$"):
        start(sizes=[])  # type: ignore[arg-type]


def test_a_file_in_the_place_of_the_payload():
    """A file without a name that is given as the payload itself has no path: the payload is named."""
    with pytest.raises(FlowFlexUploadError, match=r"^payload: the file has no name: give filename= to file\(\)$"):
        start(file(b"x"))


def test_an_odd_key_is_quoted_as_it_can_be_read():
    """A key that has to be quoted in a path keeps its letters, as far as they can be printed."""
    ref = file("a.pdf")
    assert files_in({"gr\u00f6\u00dfe.x": ref}) == {ref: '["gr\u00f6\u00dfe.x"]'}
