"""The table of what is stored: it answers like a dict, and no change reaches an older copy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowflex_core.ledger import Ledger, Stored
from tests.core.generating import examples


def entry(index, asset_id="asset_1"):
    """Make what is stored of a file."""
    return Stored(index, asset_id, 0.0)


@examples(100)
@given(st.sampled_from([1, 31, 32, 33, 1_024, 1_025, 40_000]), st.data())
def test_a_ledger_answers_like_a_dict(length, data):
    """After any puts it holds the last entry of each index, in the order of the files, and counts each once."""
    indices = data.draw(st.lists(st.integers(0, length - 1) | st.just(length - 1) | st.just(0), max_size=20))
    ledger, expected = Ledger(length), dict[int, Stored]()
    for number, index in enumerate(indices):
        expected[index] = entry(index, f"asset_{number}")
        ledger = ledger.put(expected[index])
    assert list(ledger) == [expected[index] for index in sorted(expected)]
    assert ledger.count == len(expected)
    for index in {*indices, 0, length // 2, length - 1}:
        assert ledger.get(index) is expected.get(index)


def test_older_ledgers_stay_as_they_were():
    """Each put gives another ledger: all earlier ones still answer as before."""
    ledgers = [Ledger(100)]
    for index in range(100):
        ledgers.append(ledgers[-1].put(entry(index)))
    replaced = ledgers[-1].put(entry(7, "asset_2"))
    for count, ledger in enumerate(ledgers):
        assert (ledger.count, len(list(ledger))) == (count, count)
    assert replaced.count == 100
    found = replaced.get(7), ledgers[-1].get(7)
    assert [stored and stored.asset_id for stored in found] == ["asset_2", "asset_1"]


@pytest.mark.parametrize("length", [0, 1, 50])
def test_an_empty_ledger_holds_nothing(length):
    """Where nothing is stored there is nothing to go through."""
    assert (list(Ledger(length)), Ledger(length).count) == ([], 0)
    assert Ledger(max(length, 1)).get(0) is None


@pytest.mark.parametrize("length", [1, 32, 40])
def test_a_request_about_no_file_of_the_send_is_about_nothing(length):
    """An id that names a file behind the last one, as the reply to another send may, finds nothing of this one."""
    ledger = Ledger(length)
    for index in range(length):
        ledger = ledger.put(entry(index))
    for index in (length, length + 1, 64, 1_024, 99_999_999_999):
        assert ledger.of(f"put/{index}/1") is None
    assert ledger.of(f"put/{length - 1}/1") is ledger.get(length - 1)
