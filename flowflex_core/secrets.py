"""How a secret is recognised in words from outside, in every spelling that servers repeat one in, and masked."""

import html
import json
import re
from typing import Any
from urllib.parse import quote, unquote

MASKED = "[secret]"

# What is kept of a sentence from outside.
MAX_SENTENCE = 300

# Fields whose value is a secret whatever it is, should an error reply repeat them.
_SECRET_FIELDS = frozenset({"authorization", "token", "uploadurl"})

# The query of any URL may be a signature. The whole URL is matched, query or none, so that no character is looked at
# twice: words from outside may be a megabyte of half a URL.
_URL = re.compile(r"https?://[^\s\"'<>]*", re.IGNORECASE)


class Mask:
    """Masks secrets in words and JSON from outside.

    Args:
        secrets: What is masked, in all spellings, longest first: no part of one is masked before the whole of it.
    """

    __slots__ = ("_secrets",)

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = secrets

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a mask knows the secrets and is not pickled")

    def also(self, *secrets: str) -> "Mask":
        """Return a mask for more secrets than this one."""
        return Mask(tuple(sorted({*self._secrets, *spellings(*secrets)}, key=len, reverse=True))) if secrets else self

    def known(self, value: Any) -> Any:
        """Return parsed JSON without the secrets of this mask, and otherwise as it is."""
        if isinstance(value, str):
            for secret in self._secrets:
                value = value.replace(secret, MASKED)
            return value
        if isinstance(value, list):
            return [self.known(child) for child in value]
        if isinstance(value, dict):
            return {self.known(key): self.known(child) for key, child in value.items()}
        return value

    def value(self, value: Any) -> Any:
        """Return parsed JSON without the secrets of this mask, nor what may be one: the query of a URL, a token."""
        return _without_suspects(self.known(value))

    def sentence(self, words: str | None) -> str | None:
        """Return one short line of `words` without any secret; None for no words."""
        if words is None:
            return None
        masked = str(self.value(words))  # before it is cut: half a secret is not recognised
        line = "".join(character if character.isprintable() else " " for character in masked)
        return line[:MAX_SENTENCE].strip() or None


def _without_suspects(value: Any) -> Any:
    if isinstance(value, str):
        return _URL.sub(_without_query, value)
    if isinstance(value, list):
        return [_without_suspects(child) for child in value]
    if isinstance(value, dict):
        return {
            _without_suspects(key): MASKED if key.lower() in _SECRET_FIELDS else _without_suspects(child)
            for key, child in value.items()
        }
    return value


def _without_query(url: re.Match[str]) -> str:
    place, mark, _ = url[0].partition("?")
    return place + mark + MASKED if mark else place


def secrets_of_url(url: str, token: str | None) -> set[str]:
    """List what of an upload URL nobody else may see: its query, whole, in parts, and decoded; the token."""
    query = url.partition("?")[2]
    fields = [field.partition("=") for field in query.split("&")]
    # The names of fields are no secrets, and stand in error codes: SignatureDoesNotMatch.
    parts = {query, token or "", *(value if mark else name for name, mark, value in fields)}
    parts |= {unquote(part) for part in parts}
    # A word of five letters is a name or a number that is no secret, and would be masked in plain sentences.
    return {part for part in parts if len(part) > 5}


def spellings(*secrets: str) -> tuple[str, ...]:
    """List each secret as it stands, percent-encoded, and escaped as in JSON and HTML; longest first."""
    found: set[str] = set()
    for secret in secrets:
        bare = secret.rstrip("=")  # base64 loses its padding in URLs and tokens
        for value in {secret, bare} - {""}:
            percent = [quote(value, safe=""), quote(value)]
            escaped = [json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]]
            found.update([value, *percent, *escaped, html.escape(value)])
            found.update(code.replace("/", "\\/") for code in escaped)  # as PHP writes every slash
            found.update(_lower_escapes(code) for code in percent)
    return tuple(sorted(found, key=len, reverse=True))


def _lower_escapes(percent_encoded: str) -> str:
    first, *rest = percent_encoded.split("%")
    return "%".join([first, *(code[:2].lower() + code[2:] for code in rest)])
