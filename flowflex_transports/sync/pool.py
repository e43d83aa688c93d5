"""The connections of one process: those in use, which can be abandoned, and those that wait to be used again."""

import threading
import time

from flowflex_core import Request
from flowflex_transports.sync.connection import Connection

# Enough for the parallel uploads of a client, to storage and API.
_MOST_IDLE = 32
# Servers and the boxes in between close what is idle for a minute or more, often without a word.
_LONGEST_IDLE_SECONDS = 45.0


class Pool:
    """Lends connections, each to one request at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[tuple[str, Connection]] = []
        self._in_use: dict[int, tuple[int, Connection]] = {}  # with the thread that uses it
        self._closed = False

    def take(self, request: Request, route_key: str) -> Connection | None:
        """Lend the connection of that key that was used last, if one is left that its peer has not closed."""
        while True:
            with self._lock:
                found = next((i for i in range(len(self._idle) - 1, -1, -1) if self._idle[i][0] == route_key), None)
                if found is None:
                    return None
                connection = self._idle.pop(found)[1]
                self._in_use[id(request)] = (threading.get_ident(), connection)
            if time.monotonic() - connection.idle_since < _LONGEST_IDLE_SECONDS and connection.line.is_quiet():
                return connection
            self.end(request, connection)

    def lend(self, request: Request, connection: Connection) -> None:
        """Note that a new connection serves `request`."""
        with self._lock:
            self._in_use[id(request)] = (threading.get_ident(), connection)

    def give_back(self, request: Request, route_key: str, connection: Connection) -> None:
        """Keep a connection for the next request, and close the oldest where there are too many."""
        connection.idle_since = time.monotonic()
        with self._lock:
            self._idle.append((route_key, connection))
            self._in_use.pop(id(request), None)
            surplus = self._idle if self._closed else self._idle[:-_MOST_IDLE]
            self._idle = [] if self._closed else self._idle[-_MOST_IDLE:]
        for _, oldest in surplus:
            oldest.hang_up()

    def end(self, request: Request, connection: Connection) -> None:
        """Close a connection that is of no more use."""
        connection.hang_up()
        with self._lock:
            self._in_use.pop(id(request), None)

    def abandon(self, request: Request) -> None:
        """End the exchange of `request`, if it is under way, or was until something struck the thread that asks."""
        with self._lock:
            user, connection = self._in_use.pop(id(request), (0, None))
        if connection is None:
            return
        if user == threading.get_ident():
            connection.hang_up()
        else:
            connection.line.abandon()

    def close(self) -> None:
        """Close every idle connection now, and every other after its exchange."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.hang_up()

    def let_go(self) -> None:
        """Close the descriptors of connections that belong to the parent of this process; takes no lock."""
        for _, connection in [*self._in_use.values(), *self._idle]:
            connection.line.let_go()
