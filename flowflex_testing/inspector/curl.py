"""A recorded request as a curl command for a POSIX shell, with variables in the place of what was masked.

What is pasted into a terminal came over the network: every word is quoted, and nothing in it moves the cursor.
"""

import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from flowflex_core.secrets import MASKED

_CREDENTIALS = '-u "$FLOWFLEX_API_KEY:$FLOWFLEX_API_SECRET"'
_UPLOAD_URL = '"$UPLOAD_URL"'

# What curl sets itself, or stands in the command in another form.
_LEFT_OUT = frozenset({"host", "content-length", "connection", "transfer-encoding", "expect", "authorization"})


def curl_command(shown: Mapping[str, Any], base_url: str) -> str:
    """Return the command that repeats a request, given as `Presentation.request` shows it."""
    path = shown["target"]
    is_api = shown["origin"] == "api"
    words = ["curl -X", _quoted(shown["method"])]
    if not is_api:
        words.append(_UPLOAD_URL)
    else:
        if any(character in path for character in "[]{}"):
            words.append("--globoff")
        if "/." in path:
            words.append("--path-as-is")
        words.append(_quoted(base_url + path))
    names = [name for name, _ in shown["headers"]]
    if is_api and "authorization" in names:
        words.append(_CREDENTIALS)
    for name, value in shown["headers"]:
        if name not in _LEFT_OUT and value != MASKED:
            # A header without a value is told to curl by a semicolon.
            words += ["-H", _quoted(f"{name}: {value}" if value else f"{name};")]
    if shown["received"] and "content-type" not in names:
        words.append("-H content-type:")  # curl would say that it is a form
    if shown["body"] and _is_shown(shown["body"]):
        words += ["--data-raw", _quoted(shown["body"])]
    elif shown["body"]:
        words = [f"printf -- {shlex.quote(_as_format(shown['body']))} |", *words, "--data-binary @-"]
    elif shown["received"]:
        filename = unquote(path.partition("?")[0].rpartition("/")[2])
        words += ["--data-binary", _quoted(f"@./{filename}")]
    return " ".join(words)


def _is_shown(character: str) -> bool:
    """Tell whether all of it is seen; the line breaks of a pretty-printed body are harmless within quotes."""
    return character.replace("\n", " ").isprintable()


def _quoted(word: str) -> str:
    return shlex.quote("".join(character if _is_shown(character) else "?" for character in word))


def _as_format(body: str) -> str:
    """Write a body as a format of `printf`, where what is not seen stands as octal numbers."""
    special = {"%": "%%", "\\": "\\\\"}
    return "".join(
        special.get(character, character)
        if _is_shown(character)
        else "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "replace"))
        for character in body
    )
