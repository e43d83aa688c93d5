"""What comes out in place of an ExceptionGroup."""

import pytest
import trio

from flowflex_transports.trio.causes import single_cause
from tests.support.trio_peer import in_trio


async def a_cancelled() -> trio.Cancelled:
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as cancelled:
            return cancelled
    raise AssertionError


def out_of(error: BaseException) -> BaseException:
    with pytest.raises(BaseException) as caught, single_cause():  # noqa: PT011
        raise error
    return caught.value


@in_trio
async def test_an_error_counts_more_than_a_cancel_and_ctrl_c_more_than_both():
    """Of several exceptions the one that the caller must see comes out, wherever in the group it stands."""
    cancelled, error, interrupt = await a_cancelled(), ValueError("cause"), KeyboardInterrupt()
    assert out_of(BaseExceptionGroup("", [cancelled, error])) is error
    assert out_of(BaseExceptionGroup("", [cancelled, ExceptionGroup("", [error])])) is error
    assert out_of(BaseExceptionGroup("", [cancelled, error, interrupt])) is interrupt
    assert out_of(BaseExceptionGroup("", [cancelled])) is cancelled


def test_the_first_of_equals_comes_out():
    """Of two errors, the one that came first."""
    first, second = ValueError("first"), KeyError("second")
    assert out_of(ExceptionGroup("", [first, second])) is first


def test_a_cause_keeps_its_own_history():
    """The group does not become the context of its own member, and what the member came from stays."""
    origin = LookupError("origin")
    error = ValueError("cause")
    error.__cause__ = origin
    assert out_of(ExceptionGroup("", [error])) is error
    assert error.__cause__ is origin
    assert error.__context__ is None


def test_an_exception_alone_passes():
    """What is no group is left as it is."""
    error = ValueError("alone")
    assert out_of(error) is error
