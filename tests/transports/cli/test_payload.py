"""What `flowflex send` makes of --data and --file."""

import io
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowflex_core import FileRef, FlowFlexConfigError, files_in
from flowflex_transports.cli.payload import read_payload


def _shape(value):
    """Replace each file by its source, so that payloads can be compared."""
    if isinstance(value, FileRef):
        return f"<{value.source}>"
    if isinstance(value, dict):
        return {key: _shape(child) for key, child in value.items()}
    return [_shape(child) for child in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("data", "files", "payload"),
    [
        (None, [], {}),
        ('{"a": 1, "b": [true, null, 1.5]}', [], {"a": 1, "b": [True, None, 1.5]}),
        (None, ["invoice=x.pdf"], {"invoice": "<x.pdf>"}),
        (None, ["order.receipt=x.pdf"], {"order": {"receipt": "<x.pdf>"}}),
        (None, ["g[0]=x.pdf", "g[1]=y.pdf"], {"g": ["<x.pdf>", "<y.pdf>"]}),
        (None, ["g[0].a[0]=x.pdf"], {"g": [{"a": ["<x.pdf>"]}]}),
        (None, ['a["x.y"].b=x.pdf'], {"a": {"x.y": {"b": "<x.pdf>"}}}),
        (None, ['["a=b \\"c\\""]=x.pdf'], {'a=b "c"': "<x.pdf>"}),
        (None, ["a=b=c.pdf"], {"a": "<b=c.pdf>"}),
        (None, ["größe=x.pdf"], {"größe": "<x.pdf>"}),
        (None, ["it's a key=x.pdf"], {"it's a key": "<x.pdf>"}),
        (
            '{"a": {"b": 1}, "g": [1]}',
            ["a.c=x.pdf", "g[1]=y.pdf"],
            {"a": {"b": 1, "c": "<x.pdf>"}, "g": [1, "<y.pdf>"]},
        ),
    ],
)
def test_data_and_files_make_the_payload(data, files, payload):
    """--data is the payload, and each --file stands at its path, in containers made on the way."""
    assert _shape(read_payload(data, files)) == payload


@pytest.mark.parametrize(
    ("data", "files", "words"),
    [
        ("{", [], "--data is not JSON"),
        ("[1]", [], "must be a JSON object, not an array"),
        ("null", [], "must be a JSON object, not null"),
        ('"a"', [], "must be a JSON object, not a string"),
        ("true", [], "must be a JSON object, not a boolean"),
        ("1.5", [], "must be a JSON object, not a number"),
        ('{"a": {"b": 1, "b": 2}}', [], 'has the key "b" twice'),
        ('{"a": NaN}', [], "holds NaN"),
        ('{"a": -Infinity}', [], "holds -Infinity"),
        ('{"a":' + "[" * 100_000, [], "nested too deep"),
        ('{"a": ' + "9" * 5000 + "}", [], "--data is not JSON"),
        ("@missing.json", [], "--data @missing.json: No such file"),
        (None, ["a"], "is not PAYLOAD.PATH=FILE"),
        (None, ["=x.pdf"], "is not PAYLOAD.PATH=FILE"),
        (None, [".a=x.pdf"], "is not PAYLOAD.PATH=FILE"),
        (None, ["a.=x.pdf"], "is not PAYLOAD.PATH=FILE"),
        (None, ["a..b=x.pdf"], "is not PAYLOAD.PATH=FILE"),
        (None, ["a[]=x.pdf"], "is not PAYLOAD.PATH=FILE"),
        (None, ["a[-1]=x.pdf"], "is not PAYLOAD.PATH=FILE"),
        (None, ["a[0]b=x.pdf"], "is not PAYLOAD.PATH=FILE"),
        (None, ["[0]=x.pdf"], "is not PAYLOAD.PATH=FILE"),
        (None, ['a["\\q"]=x.pdf'], "is not a JSON string"),
        (None, ["a="], "is not PAYLOAD.PATH=FILE"),
        (None, ["a[1]=x.pdf"], "--file a[1]: a has only 0 items yet: start at a[0]"),
        ('{"o": {"a": [1]}}', ["o.a[2]=x.pdf"], "--file o.a[2]: o.a has only 1 items yet: go on at o.a[1]"),
        (None, ["a=x.exe"], "rename the file so that its extension is one of 3gp, aac,"),
        (None, ["a=pdf"], "rename the file"),
        (None, ["a=x.pdf", "a=y.pdf"], "--file a: there is a file already"),
        (None, ["a=x.pdf", "a.b=y.pdf"], "--file a.b: a is a file, not an object"),
        (None, ["a[0]=x.pdf", "a.b=y.pdf"], "--file a.b: a is an array, not an object"),
        (None, ["a.b=x.pdf", "a[0]=y.pdf"], "--file a[0]: a is an object, not an array"),
        ('{"a": "text"}', ["a.b=x.pdf"], "--file a.b: a is a string, not an object"),
        ('{"a": null}', ["a=x.pdf"], "--file a: there is null already"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(data, files, words, tmp_path, monkeypatch):
    """Whatever two readers could take in two ways is refused, and nothing that is there is replaced."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FlowFlexConfigError) as caught:
        read_payload(data, files)
    assert words in caught.value.message
    assert "\n" not in caught.value.message


def test_data_comes_from_a_file_or_stdin(tmp_path, monkeypatch):
    """@file and - are read as UTF-8."""
    (tmp_path / "data.json").write_bytes('{"a": "ü"}'.encode())
    assert read_payload(f"@{tmp_path / 'data.json'}", []) == {"a": "ü"}
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b'{"b": 2}')))
    assert read_payload("-", []) == {"b": 2}


def test_the_name_of_a_file_in_the_place_of_json_is_told_how_a_file_is_read(tmp_path, monkeypatch):
    """--data data.json, where there is such a file, is answered with @data.json; where there is none it is not."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.json").write_text("{}")
    with pytest.raises(FlowFlexConfigError, match=r"is not JSON: .*; to read a file, write @data\.json$"):
        read_payload("data.json", [])
    for data in ("other.json", "\0", "x" * 5000):
        with pytest.raises(FlowFlexConfigError) as caught:
            read_payload(data, [])
        assert "write @" not in caught.value.message


@pytest.mark.parametrize("text", [b"", b"\n"])
def test_an_empty_stdin_is_told_as_such(monkeypatch, text):
    """With --data -, nothing on stdin is no riddle about line 1, column 1."""
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text)))
    with pytest.raises(FlowFlexConfigError, match=r"^--data -: stdin was empty$"):
        read_payload("-", [])


def test_data_that_is_not_text_is_refused(tmp_path):
    """Bytes that are not UTF-8 are an error, not a guess."""
    (tmp_path / "data.json").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(FlowFlexConfigError, match="not UTF-8"):
        read_payload(f"@{tmp_path / 'data.json'}", [])


# A plain key may hold "=", and is quoted then: the first one outside quotes ends the path.
KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6).filter(lambda key: "=" not in key)


@given(st.lists(KEYS | st.just(0), max_size=6), KEYS)
def test_the_path_that_the_core_writes_is_the_path_that_is_read(keys, first):
    """Whatever payload path an error or result names can be given to --file, and is the same place."""
    ref = FileRef("x.pdf")
    payload: Any = ref
    for key in reversed([first, *keys]):
        payload = [payload] if isinstance(key, int) else {key: payload}
    path = files_in(payload)[ref]
    assert _shape(read_payload(None, [f"{path}=x.pdf"])) == _shape(payload)
