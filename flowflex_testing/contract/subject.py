"""What is under check, as its author declares it. Nothing about it is guessed."""

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from flowflex_testing.fake import FakeFlowFlex

# An asynchronous function of no arguments, as `trio.run` takes it.
AsyncFunction = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, kw_only=True)
class Asynchronous:
    """How to run what is asynchronous: the one thing that this package cannot know.

    Attributes:
        run: Runs an async function in a new event loop until it returns: `trio.run` as it stands.
        together: Runs async functions at the same time, as tasks, until all have returned. None of them raises.
        sleep: Sleeps for so many seconds: `trio.sleep` as it stands.
    """

    run: Callable[[AsyncFunction], object]
    together: Callable[[Iterable[AsyncFunction]], Awaitable[object]]
    sleep: Callable[[float], Awaitable[object]]


@dataclass(frozen=True, kw_only=True)
class WireSubject:
    """A transport that speaks HTTP over sockets. Every field is to be given: None and False leave checks out.

    What would make a failure look like a success cannot be left out: the checks for that apply to every subject.

    Attributes:
        make: Makes the transport, with whatever it trusts by default.
        trusting: Makes one that trusts the authorities in a PEM file, named by its path; None where it cannot.
        proxied: Makes one that goes through the HTTP proxy at a URL; None where it cannot.
        reuses_connections: Whether it promises to keep connections and use them again.
        reads_strictly: Whether it promises to refuse every reply that is cut off or could be read in two ways;
            http.client, and what is built on it, takes some of them for good.
        bounds_total: Whether it bounds the whole attempt by `total`. Without, a peer that drips can outlast the
            deadline.
        skips_interim: Whether it passes over interim replies (1xx). Without, one other than 100 ends the attempt as a
            failure, though the final reply may have been a success: the outcome is unknown.
        reads_early_replies: Whether it reads a reply that comes while the body is being sent, and marks it `early`.
            Without, a refusal by the head alone may be seen as a failure of the connection, and be repeated.
        reads_unframed_replies: Whether it takes a reply that states no length and ends with its connection. Without,
            it is a failure.
        asynchronous: How to run it where its `perform` is awaited and it is closed by `aclose`; None where it is not.
    """

    make: Callable[[], Any]
    trusting: Callable[[str], Any] | None
    proxied: Callable[[str], Any] | None
    reuses_connections: bool
    reads_strictly: bool
    bounds_total: bool
    skips_interim: bool
    reads_early_replies: bool
    reads_unframed_replies: bool
    asynchronous: Asynchronous | None


@dataclass(frozen=True, kw_only=True)
class SemanticsSubject:
    """A transport of any kind, to send events to a fake through. Every field is to be given.

    Attributes:
        make: Makes the transport; given the fake for the sake of one that calls it directly.
        live: Whether it needs the fake to be served over sockets.
        asynchronous: How to run it where its `perform` is awaited; None where it is not.
    """

    make: Callable[[FakeFlowFlex], Any]
    live: bool
    asynchronous: Asynchronous | None


@dataclass(frozen=True, kw_only=True)
class RuntimeSubject:
    """A runtime: what drives the core's operations. Every field is to be given.

    Attributes:
        run: `run(operation, perform)` drives an operation of the core to its end, performing each request by
            `perform(request)`, and returns `operation.result()`; awaited, as is `perform`, where it is asynchronous.
        at_once: Whether it promises to perform the requests of a turn, and those of later turns, at the same time,
            and to hand in each outcome when it is there. Then `perform` is called from several threads or tasks.
        gives_up: Whether it promises to return as soon as the operation is done, though a request is under way.
        asynchronous: How to run it where `run` is an async function; None where it is not.
    """

    run: Callable[[Any, Any], Any]
    at_once: bool
    gives_up: bool
    asynchronous: Asynchronous | None
