"""The checks on text and numbers that a caller gives: each returns its value, or raises one clear sentence.

Here stands what is wrong with a value as such; what a value means is decided where it is used.
"""

import unicodedata

from flowflex_core.errors import FlowFlexConfigError

# In seconds. Timers of operating systems overflow not far above, and nobody waits so long.
A_YEAR = 31_536_000.0

# Common servers refuse a request whose headers are over 8 KiB in all.
LONGEST_HEADER_VALUE = 1_024

# What 64 bits hold: no file is larger, and no count is.
LARGEST_NUMBER = 2**63 - 1

# Control and format characters (all bidirectional overrides are format characters), surrogates, and the two
# separators that some software breaks lines at.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def invisible_character(value: str) -> str | None:
    """Name the first character of `value` that cannot be seen or encoded, as `U+202E`; None where all can."""
    if value.isascii() and value.isprintable():
        return None
    for character in value:
        if unicodedata.category(character) in _INVISIBLE:
            return f"U+{ord(character):04X}"
    return None


def text(value: object, name: str) -> str:
    """Return `value` where it is a string that is not empty."""
    if not isinstance(value, str):
        raise FlowFlexConfigError(f"{name} must be a string, not {type(value).__name__}")
    if not value:
        raise FlowFlexConfigError(f"{name} is required: it is empty")
    return value


def visible_text(value: object, name: str, *, shown: bool = True) -> str:
    """Return `value` where it is a string with no outer blanks and no invisible characters.

    `shown=False` keeps the value itself out of the message: it may be a secret.
    """
    string = text(value, name)
    what = f"{name} {string!r}" if shown else name
    if string != string.strip():
        raise FlowFlexConfigError(f"{what} has blanks around it: remove them")
    character = invisible_character(string)
    if character is not None:
        raise FlowFlexConfigError(f"{what} holds the invisible character {character}: remove it")
    return string


def header_value(value: object, name: str) -> str:
    """Return `value` where it can stand in an HTTP header as it is (RFC 9110, section 5.5).

    Header values are latin-1 on the wire; control characters, C0 and C1, could start a header of their own.
    """
    string = text(value, name)
    if len(string) > LONGEST_HEADER_VALUE:
        raise FlowFlexConfigError(f"{name} is {len(string)} characters long: give at most {LONGEST_HEADER_VALUE}")
    if string.isascii() and string.isprintable() and string[0] != " " and string[-1] != " ":
        return string
    if string != string.strip():
        raise FlowFlexConfigError(f"{name} {string!r} has blanks around it: remove them")
    for character in string:
        code = ord(character)
        if code < 0x20 or 0x7F <= code <= 0x9F:
            raise FlowFlexConfigError(f"{name} {string!r} holds the control character U+{code:04X}: remove it")
        if code > 0xFF:
            raise FlowFlexConfigError(
                f"{name} {string!r} holds U+{code:04X}, which no HTTP header can carry: use latin-1 characters"
            )
    invisible = invisible_character(string)
    if invisible is not None:
        raise FlowFlexConfigError(f"{name} {string!r} holds the invisible character {invisible}: remove it")
    return string


def seconds(value: object, name: str) -> float:
    """Return `value` where it is a finite, positive number of seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FlowFlexConfigError(f"{name} must be a number of seconds, not {type(value).__name__}")
    if not 0 < value <= A_YEAR:  # NaN compares false
        raise FlowFlexConfigError(f"{name} must be a finite number of seconds, above 0 and at most a year")
    return float(value)


def whole_number(value: object, name: str, *, least: int) -> int:
    """Return `value` where it is an integer of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise FlowFlexConfigError(f"{name} must be a whole number, not {type(value).__name__}")
    if not least <= value <= LARGEST_NUMBER:
        raise FlowFlexConfigError(f"{name} must be a whole number from {least} to {LARGEST_NUMBER}")
    return value
