"""Scenarios about files: every kind of source, where a file may stand in a payload, names, types and sizes."""

import io
import os
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

from tests.differential.scenario import CONTENT, Kit, Scenario, send, upload


@dataclass
class _PathLike:
    path: str

    def __fspath__(self) -> str:
        return self.path


class _Reader:
    """As some libraries hand out a body: no seek, no tell, no name."""

    def __init__(self) -> None:
        self._left = io.BytesIO(CONTENT)

    def read(self, size: int = -1) -> bytes:
        return self._left.read(size)


class _Wrapped:
    """As web frameworks hand out an uploaded file."""

    def __init__(self, wrapped: BinaryIO) -> None:
        self._wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)


def _link(path: Path) -> Path:
    link = path.with_name("link.pdf")
    link.symlink_to(path)
    return link


def _by_bytes(kit: Kit) -> BinaryIO:
    return kit.stack.enter_context(open(bytes(kit.path()), "rb"))  # noqa: PTH123 - a Path is never bytes


def _named(source: io.BytesIO, name: object) -> io.BytesIO:
    source.name = name
    return source


def _closed(source: BinaryIO) -> BinaryIO:
    source.close()
    return source


# Those that the vendor documents.
_EXTENSIONS = (
    *("pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "txt", "jpg"),
    *("jpeg", "png", "mp4", "3gp", "aac", "amr", "mp3", "ogg"),
)


def _of_extension(extension: str) -> Scenario:
    return Scenario(f"type: of .{extension}", lambda kit: send({"a": kit.file(kit.path(f"a.{extension}"))}))


SOURCES = [
    Scenario("source: path as str", lambda kit: send({"assetId": kit.file(str(kit.path()))})),
    Scenario("source: Path", lambda kit: send({"assetId": kit.file(kit.path())})),
    Scenario("source: another PathLike", lambda kit: send({"assetId": kit.file(_PathLike(str(kit.path())))})),
    Scenario(
        "source: bytes", lambda kit: send({"assetId": kit.file(CONTENT, filename="a.pdf", mime="application/pdf")})
    ),
    Scenario("source: bytearray", lambda kit: send({"assetId": kit.file(bytearray(CONTENT), filename="a.pdf")})),
    Scenario("source: memoryview", lambda kit: send({"assetId": kit.file(memoryview(CONTENT), filename="a.pdf")})),
    Scenario("source: open file", lambda kit: send({"assetId": kit.file(kit.handle())})),
    Scenario("source: open file from its middle", lambda kit: send({"assetId": kit.file(kit.handle(at=9))})),
    Scenario("source: open file at its end", lambda kit: send({"assetId": kit.file(kit.handle(at=len(CONTENT)))})),
    Scenario("source: BytesIO", lambda kit: send({"assetId": kit.file(kit.memory(), filename="a.pdf")})),
    Scenario("source: BytesIO with a name", lambda kit: send({"assetId": kit.file(_named(kit.memory(), "x/a.pdf"))})),
    Scenario(
        "source: named temporary file",
        lambda kit: send({"assetId": kit.file(kit.named_temporary(), filename="same.pdf")}),
    ),
    Scenario("source: pipe", lambda kit: send({"assetId": kit.file(kit.pipe(), filename="a.pdf")})),
    Scenario("source: temporary file", lambda kit: send({"a": kit.file(kit.temporary(), filename="a.pdf")})),
    Scenario("source: spooled temporary file", lambda kit: send({"a": kit.file(kit.spooled(), filename="a.pdf")})),
    Scenario("source: unbuffered file", lambda kit: send({"a": kit.file(kit.opened("rb", buffering=0))})),
    Scenario("source: file open for writing too", lambda kit: send({"a": kit.file(kit.opened("r+b"))})),
    Scenario("source: path of a link", lambda kit: send({"a": kit.file(_link(kit.path()))})),
    Scenario("source: member of an archive", lambda kit: send({"a": kit.file(kit.archived())})),
    Scenario("source: compressed file", lambda kit: send({"a": kit.file(kit.compressed(), filename="a.pdf")})),
    Scenario("source: memory map", lambda kit: send({"a": kit.file(kit.mapped(), filename="a.pdf")})),
    Scenario("source: object that can only read", lambda kit: send({"a": kit.file(_Reader(), filename="a.pdf")})),
    Scenario("source: wrapped file", lambda kit: send({"a": kit.file(_Wrapped(kit.handle()), filename="a.pdf")})),
    Scenario("source: file opened by a path in bytes", lambda kit: send({"a": kit.file(_by_bytes(kit))})),
    Scenario("source: a device", lambda kit: send({"a": kit.file(os.devnull, filename="a.pdf")})),
    Scenario("source: zero bytes", lambda kit: send({"assetId": kit.file(b"", filename="empty.txt")})),
    Scenario("source: file of zero bytes", lambda kit: send({"assetId": kit.file(kit.path("empty.txt", b""))})),
    Scenario("source: one megabyte", lambda kit: send({"assetId": kit.file(kit.path("film.mp4", bytes(2**20)))})),
    Scenario(
        "source: all byte values", lambda kit: send({"a": kit.file(bytes(range(256)) + b"\r\n.\r\n", filename="a.png")})
    ),
    Scenario("source: text handle", lambda kit: send({"a": kit.file(io.StringIO("text"), filename="a.txt")})),
    Scenario("source: closed file", lambda kit: send({"a": kit.file(_closed(kit.handle()))})),
    Scenario("source: missing file", lambda kit: send({"assetId": kit.file(kit.folder / "missing.pdf")})),
    Scenario("source: directory", lambda kit: send({"assetId": kit.file(kit.folder, filename="a.pdf")})),
    Scenario("source: None", lambda kit: send({"assetId": kit.file(None, filename="a.pdf")})),
    Scenario("source: a number", lambda kit: send({"assetId": kit.file(7, filename="a.pdf")})),
    Scenario(
        "source: a second file that is missing",
        lambda kit: send({"a": kit.pdf("a.pdf"), "b": kit.file(kit.folder / "missing.pdf")}),
    ),
]

REUSE = [
    Scenario("reuse: one ref in two places", lambda kit: (lambda ref: send({"a": ref, "b": [ref]}))(kit.pdf())),
    Scenario("reuse: a path sent twice", lambda kit: [send({"a": ref}) for ref in [kit.file(kit.path())] * 2]),
    Scenario("reuse: bytes sent twice", lambda kit: [send({"a": ref}) for ref in [kit.pdf()] * 2]),
    Scenario("reuse: open file sent twice", lambda kit: [send({"a": ref}) for ref in [kit.file(kit.handle())] * 2]),
    Scenario(
        "reuse: open file from its middle sent twice",
        lambda kit: [send({"a": ref}) for ref in [kit.file(kit.handle(at=9))] * 2],
    ),
    Scenario(
        "reuse: pipe sent twice",
        lambda kit: [send({"a": ref}) for ref in [kit.file(kit.pipe(), filename="a.pdf")] * 2],
    ),
]

PLACES = [
    Scenario("place: nested mapping", lambda kit: send({"order": {"receipt": kit.pdf(), "total": 3}})),
    Scenario("place: list", lambda kit: send({"gallery": [kit.pdf("a.pdf"), "text", kit.pdf("b.pdf")]})),
    Scenario(
        "place: mixed",
        lambda kit: send(
            {
                "invoice": kit.pdf("invoice.pdf"),
                "gallery": [kit.pdf("a.pdf"), {"inner": [kit.pdf("b.pdf")]}],
                "order": {"receipt": kit.pdf("receipt.pdf"), "lines": [[kit.pdf("line.pdf")]]},
                "note": "passes through",
            }
        ),
    ),
    Scenario(
        "place: twelve files", lambda kit: send({f"file{i}": kit.pdf(f"f{i}.pdf", bytes([i])) for i in range(12)})
    ),
    Scenario("place: key with a dot", lambda kit: send({"a.b": kit.pdf("a.pdf")})),
    Scenario("place: paths that collide", lambda kit: send({"a.b": kit.pdf("x.pdf"), "a": {"b": kit.pdf("y.pdf")}})),
    Scenario("place: empty key", lambda kit: send({"": kit.pdf("a.pdf")})),
    Scenario("place: key with blanks", lambda kit: send({"a key": kit.pdf("a.pdf")})),
    Scenario("place: unicode key", lambda kit: send({"Rechnung für Ada": kit.pdf("a.pdf")})),
    Scenario("place: tuple", lambda kit: send({"gallery": (kit.pdf("a.pdf"),)})),
    Scenario("place: read-only mapping", lambda kit: send({"order": MappingProxyType({"receipt": kit.pdf()})})),
    Scenario("place: the payload itself", lambda kit: send(kit.pdf())),
]

NAMES = [
    Scenario("name: given over a path", lambda kit: send({"a": kit.file(kit.path(), filename="Invoice-2026.pdf")})),
    Scenario("name: decides the type", lambda kit: send({"a": kit.file(kit.path("a.pdf"), filename="a.png")})),
    Scenario("name: upper-case extension", lambda kit: send({"a": kit.file(kit.path("SCAN.PDF"))})),
    Scenario("name: two dots", lambda kit: send({"a": kit.file(kit.path("a.tar.docx"))})),
    Scenario("name: blanks and unicode", lambda kit: send({"a": kit.file(kit.path("Rechnung für Ada 1.pdf"))})),
    Scenario("name: quotes", lambda kit: send({"a": kit.pdf('a "quoted" name.pdf')})),
    Scenario("name: looks like a header", lambda kit: send({"a": kit.pdf("X-Event: other.pdf")})),
    Scenario("name: looks like a URL", lambda kit: send({"a": kit.pdf("a?b=c#d%2Fe.pdf")})),
    Scenario("name: relative path", lambda kit: send({"a": kit.file(os.path.relpath(kit.path()))})),
    Scenario("name: none to infer", lambda kit: send({"a": kit.file(CONTENT)})),
    Scenario("name: none from a pipe", lambda kit: send({"a": kit.file(kit.pipe(), mime="application/pdf")})),
    Scenario("name: empty", lambda kit: send({"a": kit.file(kit.path(), filename="")})),
    Scenario("name: a path", lambda kit: send({"a": kit.pdf("../../etc/a.pdf")})),
    Scenario("name: control character", lambda kit: send({"a": kit.pdf("a\r\nb.pdf")})),
    Scenario("name: right-to-left override", lambda kit: send({"a": kit.pdf("a\u202efdp.exe.pdf")})),
    Scenario("name: 256 bytes", lambda kit: send({"a": kit.pdf("a" * 252 + ".pdf")})),
]

TYPES = [
    Scenario("type: given over the name", lambda kit: send({"a": kit.file(kit.path("a.txt"), mime="image/png")})),
    Scenario("type: given for no extension", lambda kit: send({"a": kit.file(kit.path("LICENSE"), mime="text/plain")})),
    Scenario("type: unknown extension", lambda kit: send({"a": kit.file(kit.path("a.exe"))})),
    Scenario("type: no extension", lambda kit: send({"a": kit.file(kit.path("README"))})),
    Scenario("type: empty", lambda kit: send({"a": kit.file(kit.path(), mime="")})),
    Scenario("type: not allowed", lambda kit: send({"a": kit.file(kit.path("a.html"), mime="text/html")})),
    Scenario("type: with a parameter", lambda kit: send({"a": kit.file(kit.path(), mime="text/plain; charset=utf-8")})),
    Scenario("type: in upper case", lambda kit: send({"a": kit.file(kit.path(), mime="Application/PDF")})),
    Scenario("type: control character", lambda kit: send({"a": kit.file(kit.path(), mime="text/plain\r\nX: y")})),
    *(_of_extension(extension) for extension in _EXTENSIONS),
]

SIZES = [
    Scenario("size: given", lambda kit: send({"a": kit.file(kit.path(), size=len(CONTENT))})),
    Scenario("size: given for bytes", lambda kit: send({"a": kit.file(CONTENT, filename="a.pdf", size=len(CONTENT))})),
    Scenario("size: not the true one", lambda kit: send({"a": kit.file(kit.path(), size=3)})),
    Scenario("size: negative", lambda kit: send({"a": kit.file(kit.path(), size=-1)})),
    Scenario("size: zero for a file that has bytes", lambda kit: send({"a": kit.file(kit.path(), size=0)})),
    Scenario("size: at the limit", lambda kit: send({"a": kit.pdf()}), {"max_file_bytes": len(CONTENT)}),
    Scenario("size: over the limit", lambda kit: send({"a": kit.pdf()}), {"max_file_bytes": len(CONTENT) - 1}),
    Scenario("size: path over the limit", lambda kit: send({"a": kit.file(kit.path())}), {"max_file_bytes": 5}),
    Scenario("size: a limit of zero", lambda kit: send({"a": kit.file(b"", filename="a.txt")}), {"max_file_bytes": 0}),
    Scenario(
        "size: a second file over the limit",
        lambda kit: send({"a": kit.pdf("a.pdf", b"12345"), "b": kit.pdf("b.pdf", b"123456")}),
        {"max_file_bytes": 5},
    ),
    Scenario("size: upload_file over the limit", lambda kit: upload(kit.pdf()), {"max_file_bytes": 5}),
]

FILE_SCENARIOS = [*SOURCES, *REUSE, *PLACES, *NAMES, *TYPES, *SIZES]
