"""What a file is to FlowFlex: `FileRef`, the types that it takes, and how name and type are inferred.

Nothing here opens or reads a source. The core carries it untouched to the driver, which opens it.
"""

import os
from typing import Any

from flowflex_core import checks
from flowflex_core.errors import FlowFlexConfigError, FlowFlexUploadError

# 25 MB, documented by the vendor.
MAX_FILE_BYTES = 26_214_400

# Documented by the vendor: 17 extensions, 16 MIME types.
EXTENSION_TO_MIME = {
    "3gp": "video/3gpp",
    "aac": "audio/aac",
    "amr": "audio/amr",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "ogg": "audio/ogg",
    "pdf": "application/pdf",
    "png": "image/png",
    "ppt": "application/vnd.ms-powerpoint",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "txt": "text/plain",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
ALLOWED_MIMES = frozenset(EXTENSION_TO_MIME.values())


def check_filename(filename: Any) -> str:
    """Return `filename` where it can name a stored file: no path, nothing invisible, at most 255 bytes."""
    try:
        checks.visible_text(filename, "filename")
    except FlowFlexConfigError as error:
        raise FlowFlexUploadError(error.message) from None
    if "/" in filename or "\\" in filename or filename in (".", ".."):
        raise FlowFlexUploadError(f"filename {filename!r} is a path: give the name alone")
    # The limit of common file systems, and of the fake's FILENAME_INVALID.
    if len(filename.encode()) > 255:
        raise FlowFlexUploadError(f"filename {filename[:40]!r}... is over 255 bytes: give a shorter filename=")
    return str.__str__(filename)  # of an enum's member the value, and not its name


def check_mime(mime: Any) -> str:
    """Return `mime` where FlowFlex takes it: one of the 16 documented types."""
    if not isinstance(mime, str):
        raise FlowFlexUploadError(f"mime must be a string, not {type(mime).__name__}")
    if mime not in ALLOWED_MIMES:
        allowed = ", ".join(sorted(EXTENSION_TO_MIME))
        raise FlowFlexUploadError(
            f"mime {mime!r} is not allowed: FlowFlex takes the types of the extensions {allowed}",
            code="MIME_NOT_ALLOWED",
        )
    return mime


def check_size(size: Any) -> int:
    """Return `size` where it is a number of bytes."""
    try:
        return checks.whole_number(size, "size", least=0)
    except FlowFlexConfigError as error:
        raise FlowFlexUploadError(error.message) from None


class FileRef:
    """A file to attach: where its bytes come from, and what it is called.

    Immutable, and equal only to itself: one `FileRef` in several places of a payload is uploaded once. What
    `source` may be is the driver's business; `flowflex_transports` takes a path, bytes or a binary file object.

    Args:
        source: Where the bytes come from; not touched before the event is sent.
        filename: The name that the file is stored under; by default that of the path or file object.
        mime: One of the types that FlowFlex takes; by default inferred from the extension of the filename.
        size: The number of bytes, where the caller knows it; a source of another size is then an error.

    Raises:
        FlowFlexUploadError: A given name, type or size is one that FlowFlex would refuse.
    """

    __slots__ = ("__weakref__", "_filename", "_mime", "_size", "_source")

    def __init__(
        self,
        source: Any,
        *,
        filename: str | None = None,
        mime: str | None = None,
        size: int | None = None,
    ) -> None:
        self._source = source
        self._filename = None if filename is None else check_filename(filename)
        self._mime = None if mime is None else check_mime(mime)
        self._size = None if size is None else check_size(size)

    @property
    def source(self) -> Any:
        """Where the bytes come from, as it was given."""
        return self._source

    @property
    def filename(self) -> str:
        """The name that the file is stored under, given or inferred; `FlowFlexUploadError` where it cannot be."""
        if self._filename is not None:
            return self._filename
        name = _name_of(self._source)
        if isinstance(name, str) and name and not name.startswith("<"):
            last = os.path.basename(name)  # noqa: PTH119 - a pure Path would drop a final "/"
            if last in ("", ".", ".."):
                raise FlowFlexUploadError(f"{name!r} names a directory: give a file")
            return check_filename(last)
        raise FlowFlexUploadError("the file has no name: give filename= to file()")

    @property
    def mime(self) -> str:
        """The MIME type, given or inferred; `FlowFlexUploadError` where it cannot be."""
        if self._mime is not None:
            return self._mime
        filename = self.filename
        mime = EXTENSION_TO_MIME.get(filename.rpartition(".")[2].lower()) if "." in filename else None
        if mime is None:
            allowed = ", ".join(sorted(EXTENSION_TO_MIME))
            raise FlowFlexUploadError(
                f"the type of {filename!r} cannot be inferred from its extension: FlowFlex takes {allowed}; if the "
                "content is of such a type, give mime= to file()"
            )
        return mime

    @property
    def size(self) -> int | None:
        """The number of bytes where it is known without reading: given, or that of a bytes-like source."""
        if self._size is None and isinstance(self._source, bytes | bytearray | memoryview):
            return memoryview(self._source).nbytes
        return self._size

    def __repr__(self) -> str:
        given = [f"{name}={value!r}" for name, value in self._given() if value is not None]
        source = repr(self._source) if isinstance(self._source, str | os.PathLike) else type(self._source).__name__
        return f"FileRef({', '.join([source, *given])})"

    def _given(self) -> list[tuple[str, Any]]:
        return [("filename", self._filename), ("mime", self._mime), ("size", self._size)]


def _name_of(source: Any) -> Any:
    """Return what a source calls itself, be it no name at all; None where its own code fails in telling."""
    try:
        # An open file tells its path; a file opened by descriptor tells a number, a pipe tells "<fdopen>".
        name = source if isinstance(source, str | os.PathLike) else getattr(source, "name", None)
        return os.fspath(name) if isinstance(name, os.PathLike) else name
    except Exception:
        return None


def file(
    source: Any,
    *,
    filename: str | None = None,
    mime: str | None = None,
    size: int | None = None,
) -> FileRef:
    """Wrap a file so that it can stand anywhere in an event's payload; the arguments are those of `FileRef`."""
    return FileRef(source, filename=filename, mime=mime, size=size)
