"""Stands between a face and its fake: what the fake itself raises is a bug of it, and must not be lost in a thread."""

from collections.abc import Callable

from flowflex_testing.engine.messages import Abort, BodyReader, Head, Reply


class Guard:
    """Asks a fake, and keeps what it raises.

    Args:
        handle: `FakeFlowFlex.handle`.
    """

    def __init__(self, handle: Callable[[Head, BodyReader], Reply | Abort]) -> None:
        self._handle = handle
        self._errors: list[Exception] = []

    def answer(self, head: Head, body: BodyReader) -> Reply | Abort:
        """Ask the fake; an error in it is a 500 on the wire, one of the network passes."""
        try:
            return self._handle(head, body)
        except OSError:
            raise
        except Exception as error:
            self._errors.append(error)
            return Reply(500, (("Content-Type", "text/plain"),), b"the fake itself failed")

    def check(self) -> None:
        """Raise what the fake raised."""
        if self._errors:
            raise RuntimeError(f"the fake itself failed: {self._errors[0]!r}") from self._errors[0]
