"""What counts as a difference between two runs, and what does not."""

from typing import Any

import pytest

from tests.differential.facts import Facts, differing

VENDOR: Facts = {
    "outcome": "FlowFlexError 400 C",
    "kinds": ["FlowFlexError"],
    "details": {"error": "E"},
    "leaks": [],
    "requests": ["upload-url", "PUT /bucket/a", "event"],
    "upload-url body": {"filename": "a.pdf"},
    "PUT /bucket/a body": b"12345",
    "event x-event": "order.placed",
    "event body": {"n": 1},
}


def ours(**changed: Any) -> Facts:
    return {**VENDOR, **{name.replace("_", " "): value for name, value in changed.items()}}


def test_two_runs_alike_do_not_differ():
    """The same facts are no difference."""
    assert differing(VENDOR, ours()) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("outcome", "FlowFlexError 401 C"),
        ("outcome", "FlowFlexError 400 D"),
        ("outcome", "ValueError"),
        ("details", {"error": "F"}),
        ("leaks", ["api secret"]),
        ("requests", ["upload-url", "event"]),
        ("event x-event", "order.shipped"),
        ("event body", {"n": True}),
        ("event body", {"n": 1.0}),
        ("event body", {"n": 1, "m": 2}),
        ("PUT /bucket/a body", b"1234"),
    ],
)
def test_a_fact_that_differs_is_reported(name, value):
    """Another status, code, class, detail, secret, request, header or body is a difference, to the type of a number."""
    assert differing(VENDOR, {**VENDOR, name: value}) == {name: (VENDOR[name], value)}


def test_an_error_may_be_a_subclass():
    """Ours may raise a subclass of the vendor's error, with the same status and code."""
    kinds = ["FlowFlexTimeoutError", "FlowFlexError"]
    assert differing(VENDOR, ours(outcome="FlowFlexTimeoutError 400 C", kinds=kinds)) == {}
    assert "outcome" in differing(VENDOR, ours(outcome="FlowFlexTimeoutError 400", kinds=kinds))
    assert "outcome" in differing({**VENDOR, "outcome": "ValueError"}, ours(outcome="OtherError", kinds=["ValueError"]))


@pytest.mark.parametrize(("size", "is_fine"), [(5, True), (6, False)])
def test_a_size_may_be_added_where_it_is_true(size, is_fine):
    """Ours may declare a size that the vendor does not know, but only the size of what is then sent."""
    declared = ours(**{"upload-url body": {"filename": "a.pdf", "size": size}})
    assert (differing(VENDOR, declared) == {}) is is_fine


def test_a_size_that_is_declared_must_not_be_dropped():
    """Where the vendor declares a size, ours do too."""
    vendor = {**VENDOR, "upload-url body": {"filename": "a.pdf", "size": 5}}
    assert "upload-url body" in differing(vendor, ours())
