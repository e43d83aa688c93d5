"""Every error: its class, its fields, and that it survives any way of being copied."""

import copy
import pickle

import flowflex  # type: ignore[import-untyped]
import pytest

import flowflex_core
from flowflex_core import (
    FlowFlexConfigError,
    FlowFlexConnectionError,
    FlowFlexError,
    FlowFlexOutcomeUnknownError,
    FlowFlexTimeoutError,
    FlowFlexUploadConnectionError,
    FlowFlexUploadError,
    FlowFlexUploadTimeoutError,
)
from tests.core.drive import failed, file_pair, reply, start

CLASSES = [
    value for value in vars(flowflex_core).values() if isinstance(value, type) and issubclass(value, FlowFlexError)
]
FIELDS = {
    "status": 422,
    "code": "ASSET_NOT_FOUND",
    "details": {"a": [1]},
    "idempotency_key": "key-1",
    "request_id": "req_1",
    "retry_after": 7.5,
    "attempts": 3,
}


def whole(cls):
    """Make an error with every field set."""
    error = cls("what went wrong", **FIELDS)
    error.uploaded_assets = {"a": "asset_1"}
    error.failures = {"b": FlowFlexUploadError("inner", status=403), "c": error}
    error.snapshot = "{}"
    return error


def assert_same(ours, copied):
    """Both errors say the same."""
    assert type(copied) is type(ours)
    assert str(copied) == str(ours) == copied.message
    assert copied.args == ours.args
    for name, value in FIELDS.items():
        assert getattr(copied, name) == value
    assert copied.uploaded_assets == {"a": "asset_1"}
    assert copied.snapshot == "{}"
    assert list(copied.failures) == ["b", "c"]
    assert (type(copied.failures["b"]), copied.failures["b"].message, copied.failures["b"].status) == (
        FlowFlexUploadError,
        "inner",
        403,
    )


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_pickles_whole(cls, protocol):
    """Each class of error keeps every field under every protocol of pickle, also where it is among its own failures."""
    error = whole(cls)
    assert_same(error, pickle.loads(pickle.dumps(error, protocol)))


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy])
def test_every_error_copies_whole(cls, how):
    """Each class of error keeps every field when it is copied."""
    error = whole(cls)
    assert_same(error, how(error))


def test_an_error_in_real_use_pickles_whole():
    """The error of a failed send, with its failures and snapshot, arrives whole in another process."""
    first, second = file_pair()
    error = failed(start({"a": first, "b": second}), put=[reply(200), reply(403, b"<Code>AccessDenied</Code>")])
    copied = pickle.loads(pickle.dumps(error))
    assert (type(copied), copied.message, copied.status, copied.code) == (
        FlowFlexUploadError,
        error.message,
        403,
        "AccessDenied",
    )
    assert list(copied.uploaded_assets) == ["a"]
    assert list(copied.failures) == ["b"]
    assert copied.snapshot == error.snapshot is not None


def test_errors_are_made_as_the_vendor_makes_them():
    """The vendor's constructor, message and three keywords, works unchanged for its three names."""
    for name in ("FlowFlexError", "FlowFlexConfigError", "FlowFlexUploadError"):
        theirs = getattr(flowflex, name)("no", status=400, code="C", details={"a": 1})
        ours = getattr(flowflex_core, name)("no", status=400, code="C", details={"a": 1})
        assert (str(ours), ours.message, ours.status, ours.code, ours.details) == (
            str(theirs),
            theirs.message,
            theirs.status,
            theirs.code,
            theirs.details,
        )


def test_an_error_of_the_root_class_alone_holds_nothing():
    """What is not known is None or empty, never missing."""
    error = FlowFlexError("no")
    fields = (error.status, error.code, error.details, error.idempotency_key, error.request_id, error.retry_after)
    assert fields == (None,) * 6
    assert (error.attempts, error.uploaded_assets, error.failures, error.snapshot) == (0, {}, {}, None)


def test_the_tree_is_what_callers_branch_on():
    """Whoever catches uploads catches each failed one; whoever catches timeouts or lost connections, too."""
    assert issubclass(FlowFlexUploadTimeoutError, FlowFlexUploadError)
    assert issubclass(FlowFlexUploadTimeoutError, FlowFlexTimeoutError)
    assert issubclass(FlowFlexUploadConnectionError, FlowFlexUploadError)
    assert issubclass(FlowFlexUploadConnectionError, FlowFlexConnectionError)
    for cls in CLASSES:
        assert issubclass(cls, FlowFlexError)


def test_only_an_unknown_outcome_is_caught_as_one():
    """No other error is an FlowFlexOutcomeUnknownError, nor is that one a timeout, a lost connection or an upload's."""
    assert [cls for cls in CLASSES if issubclass(cls, FlowFlexOutcomeUnknownError)] == [FlowFlexOutcomeUnknownError]
    assert FlowFlexOutcomeUnknownError.__bases__ == (FlowFlexError,)


def test_config_errors_are_caught_alone():
    """What the caller gave wrong is no failed upload and no lost connection."""
    assert FlowFlexConfigError.__bases__ == (FlowFlexError,)


def test_a_subclass_of_a_caller_pickles():
    """An error class of a caller's own pickles whole too."""
    assert_same(whole(OwnError), pickle.loads(pickle.dumps(whole(OwnError))))


class OwnError(FlowFlexUploadError):
    """What a caller may derive."""
