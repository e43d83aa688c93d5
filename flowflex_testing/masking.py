"""What of a recorded request may be shown: text as it crossed the wire, with a mark in the place of each secret.

The text is masked as text, not as JSON or XML: a refused body may be neither, and holds the secret all the same.
"""

import re
from collections.abc import Container, Iterable

from flowflex_core.secrets import MASKED, spellings
from flowflex_testing.engine.messages import Headers

SECRET_HEADER = re.compile(
    r"(?:proxy-)?authorization|(?:set-)?cookie|.*(?:token|secret|signature|password|api-?key).*", re.IGNORECASE
)

# A credential so short is a word that stands everywhere.
_SHORTEST_SECRET = 6

# As they stand, in JSON, in XML or percent-encoded. Every repetition below is bounded, or takes all that it has looked
# at: a body may be a megabyte of half a secret.
_SLASH = r"(?:\\?/|%2F)"
_QUOTE = r"(?:\\{0,8}[\"']|&quot;|&\#34;|%22)"
# A character of a URL, never half of an escaped quote: JSON that was well formed remains so.
_WORD = r"(?:[^\s\"'<>\\]|\\[^\"'])"
# The query of a URL may be a signature, and so may that of the path of a file.
_PLACE = re.compile(rf"(?:https?(?::|%3A){_SLASH}{_SLASH}|{_SLASH}assets{_SLASH}){_WORD}*", re.IGNORECASE)
_QUERY_MARK = re.compile(r"\?|%3F", re.IGNORECASE)
_SUSPECTS = re.compile(
    rf"""
    # A field of a presigned query, wherever it stands.
    (?P<name>\bX-(?:Amz-)?(?:Signature|Credential|Security-Token)(?:=|%3D)) (?:(?!&){_WORD})*
    # A JSON field that holds a secret, also where the body breaks off within it.
  | (?P<field>{_QUOTE}(?:\w{{0,24}}(?:token|secret|password)|authorization|api_?key){_QUOTE}\s{{0,24}}:\s{{0,24}})
    (?P<quote>{_QUOTE}) (?:(?!(?P=quote))(?:\\.|[^\\]))* (?P<end>(?P=quote))?
    # What S3 repeats to whom it refuses: the words that were signed, and what they were signed with.
  | (?P<element><(?P<tag>StringToSign(?:Bytes)?|CanonicalRequest(?:Bytes)?|SignatureProvided|AWSAccessKeyId)>)
    .*? (?P<close></(?P=tag)>|\Z)
    # Credentials, wherever they stand.
  | (?P<scheme>\b(?:Basic|Bearer)\ ) (?!credentials\b)[A-Za-z0-9+/._~=-]{{8,}}
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_TOKEN = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])")


class Masking:
    """Masks the secrets of one fake, and whatever looks like one.

    Args:
        credentials: The keys, secrets and Authorization headers of the tenants.
        tokens: The tokens of the upload URLs that were issued, also of those to come.
    """

    def __init__(self, credentials: Iterable[str], tokens: Container[str] = ()) -> None:
        known = {
            spelling
            for credential in credentials
            if len(credential) >= _SHORTEST_SECRET
            for spelling in spellings(credential)
        }
        # The longest first: of a secret within another no part is left.
        words = "|".join(re.escape(spelling) for spelling in sorted(known, key=len, reverse=True))
        self._credentials = re.compile(words or r"(?!)")
        self._tokens = tokens

    def text(self, text: str) -> str:
        """Return `text` with a mark in the place of each secret."""
        masked = _PLACE.sub(_mask_query, self._credentials.sub(MASKED, text))
        return _TOKEN.sub(self._mask_token, _SUSPECTS.sub(_mask_suspect, masked))

    def target(self, target: str) -> str:
        """Return a path without its query, as a query may be a signature."""
        path, mark, _ = target.partition("?")
        return self.text(path) + (mark + MASKED if mark else "")

    def headers(self, headers: Headers) -> list[list[str]]:
        """Return pairs of names in lower case and values, those of secret headers masked whole."""
        return [
            [name.lower(), MASKED if SECRET_HEADER.fullmatch(name) else self.text(value)] for name, value in headers
        ]

    def _mask_token(self, match: re.Match[str]) -> str:
        return MASKED if match[0].lower() in self._tokens else match[0]


def _mask_query(match: re.Match[str]) -> str:
    mark = _QUERY_MARK.search(match[0])
    return match[0] if mark is None else match[0][: mark.end()] + MASKED


def _mask_suspect(match: re.Match[str]) -> str:
    parts = match.groupdict("")
    before = parts["name"] or parts["field"] + parts["quote"] or parts["element"] or parts["scheme"]
    return before + MASKED + (parts["end"] or parts["close"])
