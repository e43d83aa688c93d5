"""How a secret is recognised in words from outside, in every spelling that servers repeat one in, and masked."""

import html
import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, unquote

MASKED = "[secret]"

# What is kept of a sentence from outside, and what is looked at of it: an upload URL, with more words behind it.
MAX_SENTENCE = 300
MAX_WORDS = 16_384

# So many characters of a secret are hardly ever met where the secret is not.
_LONGEST_STEM = 6

# So many searches for one beginning each are quicker than one for all of them, place by place.
_FEW = 64

# Fields whose value is a secret whatever it is, should an error reply repeat them.
_SECRET_FIELDS = frozenset({"authorization", "token", "uploadurl"})

# The query of any URL may be a signature. The whole URL is matched, query or none, so that no character is looked at
# twice: words from outside may be a megabyte of half a URL.
_URL = re.compile(r"https?://[^\s\"'<>]*", re.IGNORECASE)


class Mask:
    """Masks secrets in words and JSON from outside.

    It looks at each place of the words once, however many secrets there are: a run has those of all its files.

    Args:
        secrets: What is masked, in all spellings.
    """

    __slots__ = ("_lengths", "_secrets", "_stem")

    def __init__(self, secrets: frozenset[str] = frozenset()) -> None:
        self._secrets = secrets
        self._stem = min([_LONGEST_STEM, *map(len, secrets)])
        # The first characters of secrets -> how long those are that begin so.
        self._lengths: dict[str, set[int]] = {}
        for secret in secrets:
            self._lengths.setdefault(secret[: self._stem], set()).add(len(secret))

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a mask knows the secrets and is not pickled")

    def also(self, secrets: Iterable[str]) -> "Mask":
        """Return a mask for more secrets than this one."""
        return Mask(self._secrets.union(*map(spellings, set(secrets))))

    def known(self, value: Any) -> Any:
        """Return parsed JSON without the secrets of this mask, and otherwise as it is."""
        if isinstance(value, str):
            return self._masked(value)
        if isinstance(value, list):
            return [self.known(child) for child in value]
        if isinstance(value, dict):
            return {self.known(key): self.known(child) for key, child in value.items()}
        return value

    def value(self, value: Any) -> Any:
        """Return parsed JSON without the secrets of this mask, nor what may be one: the query of a URL, a token."""
        return _without_suspects(self.known(value))

    def beginning(self, words: str, limit: int) -> str:
        """Return the first `limit` characters of `words` without any secret."""
        # No half of a secret is left at the end, for the whole of it was recognised before.
        return str(_without_suspects(self._masked(words, limit)))[:limit]

    def sentence(self, words: str | None) -> str | None:
        """Return one short line of `words` without any secret; None for no words."""
        if words is None:
            return None
        line = self.beginning(words, MAX_WORDS)
        if not line.isprintable():
            line = "".join(character if character.isprintable() else " " for character in line)
        return line[:MAX_SENTENCE].strip() or None

    def _masked(self, words: str, limit: int | None = None) -> str:
        """Put a mark in the place of each secret; of what begins behind `limit` characters, keep nothing.

        Secrets that overlap get one mark: no part of one is left because another was found first.
        """
        stem, secrets = self._stem, self._secrets
        # Nearly all words are without a secret, which few secrets show at once, and many in the one pass below.
        if len(self._lengths) <= _FEW and not any(beginning in words for beginning in self._lengths):
            return words[:limit]
        kept: list[str] = []
        end = 0  # of the last stretch of secrets
        for start in range(len(words[:limit])):
            for length in self._lengths.get(words[start : start + stem], ()):
                if words[start : start + length] in secrets:
                    if start >= end:
                        kept += (words[end:start], MASKED)
                    end = max(end, start + length)
        kept.append(words[end:limit])
        return "".join(kept)


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
    """List what of an upload URL nobody else may see: the values in its query, as they stand and decoded; the token."""
    fields = [field.partition("=") for field in url.partition("?")[2].split("&")]
    # The names of fields are no secrets, and stand in error codes: SignatureDoesNotMatch.
    parts = {token or "", *(value if mark else name for name, mark, value in fields)}
    parts |= {unquote(part) for part in parts}
    # A word of five letters is a name or a number that is no secret, and would be masked in plain sentences.
    return {part for part in parts if len(part.rstrip("=")) > 5}


# What stands as it is in a URL, in JSON and in HTML.
_PLAIN = re.compile(r"[A-Za-z0-9._~-]+", re.ASCII)


def spellings(secret: str) -> set[str]:
    """Return a secret as it stands, percent-encoded, and escaped as in JSON and HTML."""
    found: set[str] = set()
    bare = secret.rstrip("=")  # base64 loses its padding in URLs and tokens
    for value in {secret, bare} - {""}:
        found.add(value)
        if _PLAIN.fullmatch(value) is None:
            percent = [quote(value, safe=""), quote(value)]
            escaped = [json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]]
            found.update([*percent, *escaped, html.escape(value)])
            found.update(code.replace("/", "\\/") for code in escaped)  # as PHP writes every slash
            found.update(_lower_escapes(code) for code in percent)
    return found


def _lower_escapes(percent_encoded: str) -> str:
    first, *rest = percent_encoded.split("%")
    return "%".join([first, *(code[:2].lower() + code[2:] for code in rest)])
