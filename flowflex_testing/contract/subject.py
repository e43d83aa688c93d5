"""What is under check, as its author declares it. Nothing about it is guessed."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

# An asynchronous function of no arguments, as `trio.run` takes it.
AsyncFunction = Callable[[], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Asynchronous:
    """How to run what is asynchronous: the one thing that this package cannot know.

    Attributes:
        run: Runs an async function in a new event loop until it returns: `trio.run` as it stands.
        together: Runs async functions at the same time, as tasks, until all have returned. None of them raises.
    """

    run: Callable[[AsyncFunction], object]
    together: Callable[[Iterable[AsyncFunction]], Awaitable[object]]


@dataclass(frozen=True, kw_only=True)
class WireSubject:
    """A transport that speaks HTTP over sockets. Every field is to be given: None and False leave checks out.

    Attributes:
        make: Makes the transport, with whatever it trusts by default.
        trusting: Makes one that trusts the authorities in a PEM file, named by its path; None where it cannot.
        proxied: Makes one that goes through the HTTP proxy at a URL; None where it cannot.
        reuses_connections: Whether it promises to keep connections and use them again.
        asynchronous: How to run it where its `perform` is awaited and it is closed by `aclose`; None where it is not.
    """

    make: Callable[[], Any]
    trusting: Callable[[str], Any] | None
    proxied: Callable[[str], Any] | None
    reuses_connections: bool
    asynchronous: Asynchronous | None
