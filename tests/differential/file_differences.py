"""Permitted differences in what may be a file, what it may be called, and when that is checked."""

from tests.differential.shapes import ACCEPTED, CONFIG, MIME, SEND, UPLOAD, Permitted, outcome, refused, works

FILES: Permitted = {
    "A source may be any path-like or bytes-like object.": {
        "source: another PathLike": works(UPLOAD, SEND),
        "source: memoryview": works(UPLOAD, ["upload-url", "PUT /bucket/asset_apdf1", "event"]),
    },
    "A text handle has decoded its file already: to encode it again is to send other bytes.": {
        "source: text handle": refused(UPLOAD, ["upload-url", "PUT /bucket/asset_atxt1", "event"]),
    },
    "What is no file that can be read is an error of ours, whatever the reason.": {
        "source: closed file": outcome("ValueError", UPLOAD),
        "upload_file: not a file": outcome("AttributeError", CONFIG),
    },
    "Every file is measured before anything is sent; so a path names a regular file, which has a size.": {
        "source: a device": refused(UPLOAD, ["upload-url", "PUT /bucket/asset_apdf1", "event"]),
        "source: a second file that is missing": {"requests": (["upload-url", "PUT /bucket/asset_apdf1"], [])},
        "size: a second file over the limit": {"requests": (["upload-url", "PUT /bucket/asset_apdf1"], [])},
    },
    "A second send of a file has the bytes of the first: a handle is put back to where it stood, a pipe is kept.": {
        "reuse: open file from its middle sent twice": {
            "PUT /bucket/asset_invoicepdf2 body": (b"%PDF-1.7 of no consequence", b"of no consequence")
        },
        "reuse: pipe sent twice": {"PUT /bucket/asset_apdf2 body": (b"", b"%PDF-1.7 of no consequence")},
    },
    "Files are found in tuples and in every mapping.": {
        "place: tuple": works("TypeError", ["upload-url", "PUT /bucket/asset_apdf1", "event"]),
        "place: read-only mapping": works("TypeError", SEND),
    },
    "No two files share a payload path: a key that reads like a path is quoted.": {
        "place: key with a dot": {
            "results": ([(ACCEPTED, {"a.b": "asset_apdf1"})], [(ACCEPTED, {'["a.b"]': "asset_apdf1"})])
        },
        "place: paths that collide": {
            "results": (
                [(ACCEPTED, {"a.b": "asset_ypdf1"})],
                [(ACCEPTED, {'["a.b"]': "asset_xpdf1", "a.b": "asset_ypdf1"})],
            )
        },
        "place: empty key": {"results": ([(ACCEPTED, {"": "asset_apdf1"})], [(ACCEPTED, {'[""]': "asset_apdf1"})])},
    },
    "A given name, type or size is checked where it is given; an empty one is not the same as none.": {
        "name: empty": refused(UPLOAD, SEND),
        "name: a path": refused(UPLOAD, ["upload-url", "PUT /bucket/asset_etcapdf1", "event"]),
        "name: control character": refused(UPLOAD, ["upload-url", "PUT /bucket/asset_abpdf1", "event"]),
        "name: right-to-left override": refused(UPLOAD, ["upload-url", "PUT /bucket/asset_afdpexepdf1", "event"]),
        "name: 256 bytes": refused(UPLOAD, ["upload-url", f"PUT /bucket/asset_{'a' * 252}pdf1", "event"]),
        "type: empty": refused(MIME, SEND),
        "type: not allowed": refused(MIME, ["upload-url", "PUT /bucket/asset_ahtml1", "event"]),
        "type: with a parameter": refused(MIME, SEND),
        "type: in upper case": refused(MIME, SEND),
        "type: control character": {"outcome": (UPLOAD, MIME), "requests": (["upload-url"], [])},
        "size: not the true one": refused(UPLOAD, SEND),
        "size: negative": refused(UPLOAD, SEND),
        "size: zero for a file that has bytes": refused(UPLOAD, SEND),
        "create_upload_url: negative size": refused(UPLOAD, ["upload-url"]),
        "create_upload_url: type not allowed": refused(MIME, ["upload-url"]),
        "create_upload_url: empty name": refused(UPLOAD, ["upload-url"]),
        "create_upload_url: over the limit": refused(UPLOAD, ["upload-url"]),
    },
}
