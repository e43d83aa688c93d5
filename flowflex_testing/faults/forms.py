"""Faults as JSON, for whoever arms them from another process: which kinds there are, and a plan out of a form.

Every mistake in a form is one ValueError that names the field.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from flowflex_testing.faults.kinds import (
    Aim,
    AlreadyStored,
    Delay,
    Drip,
    Fault,
    HtmlPage,
    Interims,
    LoseReply,
    MalformedBody,
    Refuse,
    Reset,
    ResetOnAccept,
    Status,
    TruncateReply,
)
from flowflex_testing.faults.plan import ArmedFault
from flowflex_testing.faults.presets import PRESETS

_KINDS: tuple[type[Fault], ...] = (
    Status,
    HtmlPage,
    Delay,
    Drip,
    LoseReply,
    TruncateReply,
    MalformedBody,
    AlreadyStored,
    Reset,
    ResetOnAccept,
    Refuse,
    Interims,
)
KINDS: Mapping[str, type[Fault]] = {kind.__name__: kind for kind in _KINDS}

_AIMS = ("occurrence", "times", "chance", "seed", "tenant")


@dataclass(frozen=True, slots=True)
class FieldForm:
    """One field of a kind of fault.

    Attributes:
        name: As it stands in the form.
        type: Its type in words, such as `float | str | None`; a choice is told as its values.
        required: Whether it has no default.
        default: Its default as JSON; None where it has none.
    """

    name: str
    type: str
    required: bool
    default: object


def sentence_of(kind: object) -> str:
    """Return the first line of a docstring."""
    return (kind.__doc__ or "").partition("\n")[0]


def fields_of(kind: type[Fault]) -> list[FieldForm]:
    """Return the fields of a kind of fault."""
    hints = get_type_hints(kind)
    return [
        FieldForm(
            field.name,
            " | ".join(_name(choice) for choice in _choices(hints[field.name])),
            field.default is MISSING,
            None if field.default is MISSING else _as_json(field.default),
        )
        for field in _fields(kind)
    ]


def catalogue() -> dict[str, Any]:
    """Return all that can be armed, as JSON: `kinds` with their fields, and `presets`."""
    kinds = [
        {
            "kind": name,
            "sentence": sentence_of(kind),
            "fields": [
                {"name": form.name, "type": form.type, "required": form.required, "default": form.default}
                for form in fields_of(kind)
            ],
        }
        for name, kind in KINDS.items()
    ]
    return {"kinds": kinds, "presets": [{"name": name, "sentence": sentence_of(PRESETS[name])} for name in PRESETS]}


def as_form(armed: ArmedFault) -> dict[str, Any]:
    """Return an armed fault as JSON, with how it fares."""
    aim = armed.aim
    return {
        "id": armed.id,
        "operation": aim.operation,
        "kind": type(aim.fault).__name__,
        "fields": {field.name: _as_json(getattr(aim.fault, field.name)) for field in _fields(type(aim.fault))},
        **{name: getattr(aim, name) for name in _AIMS},
        "seen": armed.seen,
        "hits": armed.hits,
        "text": str(armed),
    }


def read_form(form: object) -> list[Aim]:
    """Return what a form wants armed: `{"operation", "kind", "fields", ...}`, or `{"preset": name}`."""
    if not isinstance(form, dict):
        raise ValueError(f"a fault is told as an object, not as {form!r}")
    given: dict[str, Any] = form
    if "preset" in given:
        _refuse_others(given, ("preset",), "a preset")
        name = given["preset"]
        if not isinstance(name, str) or name not in PRESETS:
            raise ValueError(f"preset is one of {', '.join(PRESETS)}, not {name!r}")
        return PRESETS[name]()
    _refuse_others(given, ("operation", "kind", "fields", *_AIMS), "a fault")
    for name in ("operation", "kind"):
        if name not in given:
            raise ValueError(f"{name} is missing")
    fault = build(given["kind"], given.get("fields", {}))
    return [Aim(given["operation"], fault, **{name: given[name] for name in _AIMS if name in given})]


def build(kind: object, values: object) -> Fault:
    """Return the fault of a kind, out of the JSON values of its fields."""
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"kind is one of {', '.join(KINDS)}, not {kind!r}")
    if not isinstance(values, dict):
        raise ValueError(f"fields is an object, not {values!r}")
    given: dict[str, Any] = values
    made = KINDS[kind]
    hints = get_type_hints(made)
    own = _fields(made)
    _refuse_others(given, [field.name for field in own], kind)
    for field in own:
        if field.default is MISSING and field.name not in given:
            raise ValueError(f"{field.name} is missing: {kind} has no default for it")
    return made(**{name: _read(name, value, hints[name]) for name, value in given.items()})


def _fields(kind: type[Fault]) -> tuple[Field[Any], ...]:
    return fields(kind) if is_dataclass(kind) else ()


def _refuse_others(given: Mapping[str, object], known: "list[str] | tuple[str, ...]", what: str) -> None:
    for name in given:
        if name not in known:
            has = f"has {', '.join(known)}" if known else "has none"
            raise ValueError(f"there is no field {name!r}: {what} {has}")


def _choices(hint: Any) -> tuple[Any, ...]:
    """Return what a field may hold: types, and the values of a Literal."""
    if isinstance(hint, UnionType):
        return tuple(choice for member in get_args(hint) for choice in _choices(member))
    return get_args(hint) if get_origin(hint) is Literal else (hint,)


def _name(choice: Any) -> str:
    if choice is NoneType:
        return "None"
    if choice is bytes:
        return "str"
    return choice.__name__ if isinstance(choice, type) else repr(choice)


def _read(name: str, value: object, hint: Any) -> object:
    choices = _choices(hint)
    for choice in choices:
        if isinstance(choice, type):
            # JSON knows no bytes, and has one kind of number; to Python, true is a number as well.
            if choice is bytes and isinstance(value, str):
                return value.encode("utf-8", "surrogatepass")
            if choice is float and isinstance(value, int) and not isinstance(value, bool):
                return value
            if isinstance(value, choice) and (choice is bool or not isinstance(value, bool)):
                return value
        elif value == choice:
            return value
    raise ValueError(f"{name} is {' | '.join(map(_name, choices))}, not {value!r}")


def _as_json(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):  # a fault of one's own holds what it likes
        return repr(value)
    return value
