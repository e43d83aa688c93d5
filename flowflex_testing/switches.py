"""The switches of a fake: where FlowFlex is not documented, more than one behaviour exists in the field.

`strict=` turns off what is an assumed strictness (the rows of `rules.toml` that say so); each other switch chooses
between behaviours that real services have.
"""

from dataclasses import dataclass, fields
from typing import Literal, get_args

from flowflex_testing.rules import enforced

StorageDialect = Literal["s3", "supabase"]
ApiDialect = Literal["error/code", "message/name"]
KeyFingerprint = Literal["body", "key"]
ReusedKeyStatus = Literal[422, 400]
MissingFile = Literal["refused", "failed-run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """How one fake behaves where the field is of two minds.

    Attributes:
        strict: Whether the rules that are an assumed strictness hold.
        storage_dialect: How storage words its errors, and takes a second PUT to one URL.
        api_dialect: The names of the two fields of an API error that hold its sentence and its code.
        key_fingerprint: What a repeated idempotency key is compared by: the event and the body under it, or the key
            alone, so that another body gets the stored answer.
        reused_key_status: The status for a key that comes again with another body.
        refuses_key_in_flight: Whether a key whose first request is still being worked on is refused by 409. Without,
            the second request is worked on as well, and the answer that was stored first is its answer.
        missing_file: What becomes of an event whose file was never uploaded or has expired: it is refused at once, or
            accepted and its run fails.
    """

    strict: bool = True
    storage_dialect: StorageDialect = "s3"
    api_dialect: ApiDialect = "error/code"
    key_fingerprint: KeyFingerprint = "body"
    reused_key_status: ReusedKeyStatus = 422
    refuses_key_in_flight: bool = True
    missing_file: MissingFile = "refused"

    def __post_init__(self) -> None:
        for switch in fields(self):
            allowed = _ALLOWED.get(switch.name, (True, False))
            value = getattr(self, switch.name)
            if value not in allowed or isinstance(value, bool) != isinstance(allowed[0], bool):
                raise ValueError(f"{switch.name} is one of {', '.join(map(repr, allowed))}, not {value!r}")

    @property
    def enforced(self) -> frozenset[str]:
        """The ids of the rules that hold."""
        return enforced(strict=self.strict)


_ALLOWED: dict[str, tuple[object, ...]] = {
    "storage_dialect": get_args(StorageDialect),
    "api_dialect": get_args(ApiDialect),
    "key_fingerprint": get_args(KeyFingerprint),
    "reused_key_status": get_args(ReusedKeyStatus),
    "missing_file": get_args(MissingFile),
}
