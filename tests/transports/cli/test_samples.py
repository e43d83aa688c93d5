"""The two files that the demo makes are what their names say."""

import re
import struct
import zlib

from flowflex_transports.cli.samples import sample_pdf, sample_png


def test_the_pdf_is_one():
    """Each offset in the table leads to its object, and startxref leads to the table."""
    pdf = sample_pdf()
    assert pdf.startswith(b"%PDF-1.4\n")
    assert pdf.endswith(b"%%EOF\n")
    start = int(re.findall(rb"startxref\n(\d+)\n", pdf)[0])
    assert pdf[start:].startswith(b"xref\n0 6\n")
    rows = re.findall(rb"^(\d{10}) 00000 n $", pdf[start:], re.MULTILINE)
    assert len(rows) == 5
    for number, offset in enumerate(rows, start=1):
        assert pdf[int(offset) :].startswith(b"%d 0 obj\n" % number)
    ((length, stream),) = re.findall(rb"/Length (\d+) >>\nstream\n(.*)\nendstream", pdf)
    assert int(length) == len(stream)


def test_the_png_is_one():
    """The chunks have true lengths and checksums, and the pixels fill the size in the header."""
    png = sample_png()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    position, chunks = 8, {}
    while position < len(png):
        (length,) = struct.unpack_from(">I", png, position)
        kind = png[position + 4 : position + 8]
        content = png[position + 8 : position + 8 + length]
        assert struct.unpack_from(">I", png, position + 8 + length) == (zlib.crc32(kind + content),)
        chunks[kind] = content
        position += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, depth, colours, *_ = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, colours) == (8, 2)
    assert len(zlib.decompress(chunks[b"IDAT"])) == height * (1 + 3 * width)
