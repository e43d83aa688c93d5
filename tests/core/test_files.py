"""What a file is called, which type it has, and what of it is refused."""

import io
import os
import pathlib

import pytest
from flowflex.file import EXT_TO_MIME  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from flowflex_core import CreateUploadUrl, FlowFlexError, FlowFlexUploadError, UploadFile, file
from flowflex_core.files import ALLOWED_MIMES, EXTENSION_TO_MIME, MAX_FILE_BYTES
from tests.core.drive import connection, json_of, play, start
from tests.core.generating import anything, examples


class Named:
    """Has a name as an open file has."""

    def __init__(self, name):
        self.name = name


class BytesPath:
    """A path that is bytes, as `os.scandir(b".")` gives them."""

    def __fspath__(self):
        return b"invoice.pdf"


TYPES = {
    "pdf": "application/pdf",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "ppt": "application/vnd.ms-powerpoint",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "txt": "text/plain",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "mp4": "video/mp4",
    "3gp": "video/3gpp",
    "aac": "audio/aac",
    "amr": "audio/amr",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
}


def test_the_types_are_the_documented_ones():
    """There are 17 extensions and 16 types, the same as the vendor's own table, and the limit is 25 MB."""
    assert TYPES == EXTENSION_TO_MIME == EXT_TO_MIME
    assert (len(EXTENSION_TO_MIME), len(ALLOWED_MIMES), MAX_FILE_BYTES) == (17, 16, 26_214_400)


@pytest.mark.parametrize(("extension", "mime"), TYPES.items())
def test_the_type_follows_from_the_extension(extension, mime):
    """Each extension gives its type, in any case; a type that is given wins."""
    assert file(f"a.b.{extension}").mime == file(f"A.{extension.upper()}").mime == mime
    assert file(f"a.{extension}", mime="text/plain").mime == "text/plain"


@pytest.mark.parametrize("name", ["noextension", "a.exe", "a.", "pdf", "a.pdf.zip", ".bashrc", "a.pdf2"])
def test_an_unknown_extension_asks_for_the_type(name):
    """Where the extension says nothing, the error says what to give."""
    with pytest.raises(FlowFlexUploadError, match=r"type of '.*' cannot be inferred .* takes 3gp, aac,.* give mime="):
        _ = file(name).mime


@pytest.mark.parametrize(
    "mime",
    [
        "",
        "text/html",
        "image/gif",
        "APPLICATION/PDF",
        "application/pdf; charset=x",
        " text/plain",
        "text/plain\r\nX: y",
    ],
)
def test_a_type_that_is_not_allowed_is_refused_when_given(mime):
    """Only the 16 types are taken, letter by letter; the refusal has the code that FlowFlex would answer."""
    with pytest.raises(
        FlowFlexUploadError, match="is not allowed: FlowFlex takes the types of the extensions"
    ) as caught:
        file("a.pdf", mime=mime)
    assert caught.value.code == "MIME_NOT_ALLOWED"
    assert caught.value.message.isprintable()
    assert caught.value.message.endswith("the extensions " + ", ".join(sorted(EXTENSION_TO_MIME)))


def test_a_type_that_is_no_string_is_told():
    """What was given in the place of a type is named by its own type."""
    wrong: object = 7
    with pytest.raises(FlowFlexUploadError, match=r"^mime must be a string, not int$"):
        file("a.pdf", mime=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "filename"),
    [
        ("/home/ada/invoice.pdf", "invoice.pdf"),
        ("invoice.pdf", "invoice.pdf"),
        ("./a/\u00fcber uns.pdf", "\u00fcber uns.pdf"),
        (pathlib.PurePosixPath("/tmp/a.pdf"), "a.pdf"),
        (pathlib.PureWindowsPath("a.pdf"), "a.pdf"),
        (Named("/srv/report.docx"), "report.docx"),
        (Named(pathlib.PurePosixPath("/srv/report.docx")), "report.docx"),
    ],
)
def test_the_name_follows_from_the_source(source, filename):
    """A path, or what an open file calls itself, gives the name; a name that is given wins."""
    assert file(source).filename == filename
    assert file(source, filename="other.txt").filename == "other.txt"


@pytest.mark.parametrize(
    "source",
    [
        b"bytes",
        bytearray(b"x"),
        memoryview(b"x"),
        io.BytesIO(b"x"),
        Named("<stdin>"),
        Named(3),
        Named(""),
        Named(b"a.pdf"),
        BytesPath(),
        None,
        7,
    ],
)
def test_a_source_without_a_name_asks_for_one(source):
    """Where the source has no name, the error says what to give."""
    with pytest.raises(FlowFlexUploadError, match=r"the file has no name: give filename= to file\(\)"):
        _ = file(source).filename


@pytest.mark.parametrize(
    ("filename", "why"),
    [
        ("a/b.pdf", "is a path: give the name alone"),
        ("/etc/passwd", "is a path"),
        ("..\\b.pdf", "is a path"),
        ("C:\\b.pdf", "is a path"),
        (".", "is a path"),
        ("..", "is a path"),
        ("", "is empty"),
        (" a.pdf", "blanks"),
        ("a.pdf\n", "blanks"),
        ("a\x00.pdf", r"U\+0000"),
        ("a\r\nX: y.pdf", r"U\+000D"),
        ("a\x85.pdf", r"U\+0085"),
        ("a\u202efdp.exe", r"U\+202E"),
        ("a\u200b.pdf", r"U\+200B"),
        ("a\udcff.pdf", r"U\+DCFF"),
        ("a" * 252 + ".pdf", "over 255 bytes"),
        ("\u00fc" * 126 + ".pdf", "over 255 bytes"),
        (7, "must be a string, not int"),
        (b"a.pdf", "must be a string, not bytes"),
    ],
)
def test_a_bad_name_is_refused_when_given(filename, why):
    """A name that is a path, too long, or holds what cannot be seen is refused at once, in one printable sentence."""
    with pytest.raises(FlowFlexUploadError, match=rf"^filename .*{why}") as caught:
        file(b"", filename=filename)
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    "filename", ["a" * 251 + ".pdf", "\u00fc" * 125 + "x.pdf", "...", "a b.pdf", "\u5831\u544a.pdf", "a%2fb.pdf"]
)
def test_a_good_name_is_kept(filename):
    """Any visible name of up to 255 bytes is taken as it is."""
    assert file(b"", filename=filename, mime="text/plain").filename == filename


def test_a_bad_name_of_a_path_is_refused_before_sending():
    """A path whose last part is no good name is refused as soon as its name is asked for."""
    for source in ("/tmp/a\x01.pdf", "/tmp/\udcff.pdf"):
        with pytest.raises(FlowFlexUploadError, match=r"^filename"):
            _ = file(source).filename


@pytest.mark.parametrize("path", ["/tmp/", ".", "..", "photos/"])
def test_a_directory_is_told_as_such(path):
    """A path that can only name a directory has no file's name."""
    with pytest.raises(FlowFlexUploadError, match=rf"^'{path}' names a directory"):
        _ = file(path).filename


@pytest.mark.parametrize("size", [-1, True, 1.5, "3", float("nan"), pytest.param(-(10**5000), id="endless")])
def test_a_bad_size_is_refused_when_given(size):
    """A size is a whole number of bytes, 0 or more."""
    with pytest.raises(FlowFlexUploadError, match=r"^size must be"):
        file("a.pdf", size=size)


@pytest.mark.parametrize(
    ("source", "size"),
    [
        (b"abc", 3),
        (bytearray(b"abcd"), 4),
        (memoryview(b"abcdef").cast("H"), 6),
        (b"", 0),
        ("a.pdf", None),
        (io.BytesIO(b"abc"), None),
    ],
)
def test_the_size_is_known_for_bytes_alone(source, size):
    """Bytes in memory have a size, in bytes; paths and open files are not touched; a size that is given wins."""
    assert file(source).size == size
    assert file(source, size=9).size == 9


def test_a_file_reads_nothing():
    """Making a reference neither opens, reads nor moves anything."""
    handle = io.BytesIO(b"abc")
    handle.seek(1)
    ref = file(handle, filename="a.txt")
    assert (ref.filename, ref.mime, ref.size, handle.tell()) == ("a.txt", "text/plain", None, 1)
    assert file("/nowhere/at all/a.pdf").filename == "a.pdf"


def test_a_file_is_itself_alone():
    """References are equal only to themselves, though all that they hold is equal."""
    first, second = file("a.pdf"), file("a.pdf")
    assert first != second
    assert len({first, second, first}) == 2
    assert first.source == "a.pdf"


@pytest.mark.parametrize("name", ["source", "filename", "mime", "size", "other"])
def test_a_file_is_immutable(name):
    """No public attribute of a reference can be set or deleted."""
    ref = file("a.pdf")
    with pytest.raises(AttributeError):
        setattr(ref, name, "x")
    with pytest.raises(AttributeError):
        delattr(ref, name)


def test_the_repr_of_a_file_shows_no_content():
    """A path is shown, the bytes of a file in memory are not."""
    assert repr(file("a.pdf", size=3)) == "FileRef('a.pdf', size=3)"
    assert repr(file(b"SECRETSECRET", filename="a.pdf", mime="text/plain")) == (
        "FileRef(bytes, filename='a.pdf', mime='text/plain')"
    )


@examples(200)
@given(source=anything, filename=anything, mime=anything, size=anything)
def test_any_arguments_are_taken_or_refused(source, filename, mime, size):
    """Whatever is given to `file`, it and its properties raise a FlowFlexError or nothing."""
    try:
        ref = file(source, filename=filename, mime=mime, size=size)
        found = ref.filename, ref.mime
    except FlowFlexError as error:
        found = error.message, "text/plain"
    assert found[0]
    assert found[0].isprintable()
    assert found[1] in ALLOWED_MIMES


@examples(200)
@given(st.text(max_size=10), st.sampled_from(sorted(TYPES)))
def test_no_name_that_is_taken_can_leave_its_folder(stem, extension):
    """Whatever name is taken holds no separator and no invisible character, and is no dot segment."""
    try:
        name = file(b"", filename=f"{stem}.{extension}").filename
    except FlowFlexUploadError:
        return
    assert name == f"{stem}.{extension}"
    assert not set(name) & set("/\\\r\n\0\u202e")
    assert len(name.encode()) <= 255


@pytest.mark.parametrize(
    "arguments",
    [
        {"filename": "a/b.pdf", "mime": "application/pdf"},
        {"filename": "a.pdf", "mime": "text/html"},
        {"filename": "a.pdf", "mime": None},
        {"filename": None, "mime": "application/pdf"},
        {"filename": "a.pdf", "mime": "application/pdf", "size": -1},
        {"filename": "a.pdf", "mime": "application/pdf", "size": "3"},
        {"filename": "a.pdf", "mime": "application/pdf", "size": MAX_FILE_BYTES + 1},
    ],
)
def test_create_upload_url_checks_the_same(arguments):
    """What `file` refuses, and a size over the limit, is refused for a bare upload URL as well."""
    with pytest.raises(FlowFlexUploadError):
        CreateUploadUrl.start(connection(), key="k", **arguments)


@pytest.mark.parametrize("size", [0, MAX_FILE_BYTES])
def test_sizes_up_to_the_limit_are_sent(size):
    """A file of no bytes and one of exactly the limit are uploaded."""
    operation = UploadFile.start(connection(), file("a.pdf"), size=size, key="k")
    played = play(operation)
    assert json_of(played.requests[0])["size"] == size
    assert operation.result()


class Untold(os.PathLike[str]):
    """A path of somebody's own that fails in telling itself."""

    def __fspath__(self) -> str:
        raise RuntimeError("not now")


class Unnamed:
    """A file object of somebody's own that fails in telling its name."""

    @property
    def name(self) -> str:
        raise RuntimeError("not now")


@pytest.mark.parametrize("source", [Untold(), Unnamed()])
def test_a_source_whose_code_fails_has_no_name(source):
    """Nothing but a FlowFlexUploadError comes of it, which names the payload path."""
    with pytest.raises(FlowFlexUploadError, match=r"^receipt: the file has no name: give filename="):
        start({"receipt": file(source)})
