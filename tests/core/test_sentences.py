"""Sentences that are read to their end: what a caller is told of a mistake is whole, and nothing else."""

import pytest

from flowflex_core import FlowFlexConfigError, FlowFlexUploadError, SendEvent, UploadFile, file, files_in
from flowflex_core.secrets import Mask
from tests.core.drive import NOW, connection, play, start


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


def test_the_longest_header_value():
    """1,024 characters are taken, and one more is refused with how many there are."""
    assert SendEvent.start(connection(), "e" * 1_024, idempotency_key="k" * 1_024)
    with pytest.raises(FlowFlexConfigError, match=r"^event is 1025 characters long: give at most 1024$"):
        SendEvent.start(connection(), "e" * 1_025, idempotency_key="k")


def test_the_repr_of_an_operation():
    """An operation is called by its event, or by where it ends, and tells whether it is done."""
    upload = UploadFile.start(connection(), file("a.pdf"), key="k")
    assert repr(upload) == "UploadFile('asset', under way)"
    play(operation := start())
    assert repr(operation) == "SendEvent('invoice.created', done)"


def test_the_characters_of_a_header():
    """Latin-1 is taken to its last letter, and the first letter behind it is refused by its number."""
    assert SendEvent.start(connection(), "\u00ff\u00a0\u00a1", idempotency_key="k")
    with pytest.raises(
        FlowFlexConfigError,
        match=r"^event '\u0100' holds U\+0100, which no HTTP header can carry: use latin-1 characters$",
    ):
        SendEvent.start(connection(), "\u0100", idempotency_key="k")
    for control in ("\x1f", "\x7f", "\x80", "\x9f"):
        with pytest.raises(
            FlowFlexConfigError, match=rf"holds the control character U\+{ord(control):04X}: remove it$"
        ):
            SendEvent.start(connection(), f"a{control}b", idempotency_key="k")


def test_settings_that_are_none():
    """What was given in the place of settings is named by its type."""
    with pytest.raises(FlowFlexConfigError, match=r"^settings must be a Settings, not dict$"):
        SendEvent.start({}, "e", idempotency_key="k")  # type: ignore[arg-type]


def test_a_file_name_that_is_too_long():
    """Of a name over 255 bytes its beginning is told."""
    with pytest.raises(FlowFlexUploadError) as caught:
        file("a.pdf", filename="a" * 256)
    assert caught.value.message == f"filename '{'a' * 40}'... is over 255 bytes: give a shorter filename="


def test_a_base_url_in_clear_text():
    """Where credentials would cross the network in clear text, the whole reason is told."""
    with pytest.raises(FlowFlexConfigError) as caught:
        connection(base_url="http://api.flowflex.test")
    assert caught.value.message == (
        "base_url must use https, not http, for api.flowflex.test: credentials would cross the network in clear text "
        "(plain http is for loopback only)"
    )


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("/BOX", "/BOX"),
        ("/BOX/api/", "/BOX"),
        ("/x//api", "/x"),
        ("/x//", "/x"),
        ("/api/api", "/api"),
        ("/apix", "/apix"),
    ],
)
def test_what_is_left_out_of_a_base_url(given, kept):
    """The last /api, and the slashes before and behind it, are left out, and nothing else."""
    assert connection(base_url=f"https://h.test{given}").base_url == f"https://h.test{kept}"
