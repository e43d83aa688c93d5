"""An error as `--json` tells it: one object on stdout."""

import json
from contextlib import suppress
from typing import Any


def print_error(sentence: str, error: BaseException | None = None, **more: object) -> None:
    """Print the sentence that stands on stderr too, with the fields of the error to branch on."""
    told: dict[str, Any] = {"error": sentence}
    told |= {name: getattr(error, name, None) for name in ("code", "status", "idempotency_key")}
    with suppress(OSError):
        print(json.dumps(told | more), flush=True)
