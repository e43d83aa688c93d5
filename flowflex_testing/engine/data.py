"""The data directory of a fake: what it holds outlives its process, in one SQLite file, with whole files beside it.

    with Data(Path("fake-data")) as data:
        fake = FakeFlowFlex(repository=data, clock=data.clock(rate=1))

Every effect is a transaction of its own, committed before its request is answered, so that a process that is killed
loses nothing that anybody was told of. (A power failure may take the last of them.) One process has a directory at a
time. Headers for credentials are masked in it; bodies and the signatures of upload URLs are not, and so nobody else may
read it.
"""

import dataclasses
import json
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from flowflex_core.secrets import MASKED
from flowflex_testing.clock import Clock, Time
from flowflex_testing.engine.journal import RecordedRequest
from flowflex_testing.engine.messages import Abort, Headers, Manner, Reply
from flowflex_testing.engine.store import Answer, Asset, Event, Store, Tenant, Upload
from flowflex_testing.masking import SECRET_HEADER

# "FFfk": what SQLite calls the application of a file.
_APPLICATION = 0x4646666B
# Raised with every change of the tables; an older file is then brought up to date here.
_VERSION = 1

_FILE = "flowflex-fake.sqlite3"

_TABLES = """
CREATE TABLE state (
    name TEXT PRIMARY KEY,
    value REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE uploads (
    tenant TEXT NOT NULL, asset_id TEXT PRIMARY KEY,
    filename TEXT NOT NULL, mime TEXT NOT NULL, size INTEGER, issued_at REAL NOT NULL
);
-- A file that was overwritten stays, for the events that took it; the last of an id is the one that is stored.
CREATE TABLE assets (
    number INTEGER PRIMARY KEY, tenant TEXT NOT NULL, id TEXT NOT NULL,
    filename TEXT NOT NULL, mime TEXT NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL, first_bytes BLOB NOT NULL,
    stored_at REAL NOT NULL
);
CREATE INDEX assets_by_id ON assets (id);
CREATE TABLE events (
    number INTEGER PRIMARY KEY, tenant TEXT NOT NULL, id TEXT NOT NULL,
    name TEXT NOT NULL, payload TEXT NOT NULL, idempotency_key TEXT, accepted_at REAL NOT NULL, failure TEXT NOT NULL
);
CREATE TABLE files (
    event_id TEXT NOT NULL, path TEXT NOT NULL, asset INTEGER NOT NULL REFERENCES assets
);
CREATE INDEX files_by_event ON files (event_id);
CREATE TABLE answers (
    tenant TEXT NOT NULL, idempotency_key TEXT NOT NULL, event_id TEXT NOT NULL,
    event_name TEXT NOT NULL, body BLOB NOT NULL, content BLOB NOT NULL, stored_at REAL NOT NULL,
    PRIMARY KEY (tenant, idempotency_key)
);
CREATE TABLE requests (
    number INTEGER PRIMARY KEY, at REAL NOT NULL, origin TEXT NOT NULL, operation TEXT,
    method TEXT NOT NULL, target TEXT NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL, received INTEGER NOT NULL,
    status INTEGER, code TEXT NOT NULL, rule TEXT, fault TEXT, tenant TEXT, asset_id TEXT, event_id TEXT,
    reply TEXT NOT NULL
);
"""


class DataError(Exception):
    """The directory cannot be used: one sentence says why, and what to do."""


class Data:
    """One data directory, in use by this process until `close`.

    Args:
        directory: Where it is; made, for its owner alone, where it is not there.

    Attributes:
        files: Where whole files are.

    Raises:
        DataError: It is in use, is not the fake's own or is newer than this version, or others can write to it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.files = directory / "files"
        self._lock = threading.Lock()
        self._clock: Time | None = None
        try:
            _make_directory(directory)
            self._connection = _connect(directory / _FILE)
        except OSError as error:
            raise DataError(f"the data directory {str(directory)!r} cannot be used: {error.strerror}") from None
        try:
            self._open()
        except sqlite3.Error as error:
            self._connection.close()
            raise DataError(_sentence(directory, error)) from None
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Keep what time it is, and give the directory back."""
        try:
            self.note_time()
        finally:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def clock(self, rate: float) -> Clock:
        """Return a clock of this rate that goes on from where the last one was; in real time, it has run meanwhile."""
        now, real = self.remembered("now"), self.remembered("real_now")
        if now is None or real is None:
            return Clock(rate=rate)
        return Clock(now + max(0.0, time.time() - real) if rate == 1 else now, rate=rate)

    def remembered(self, name: str) -> float | None:
        """Return a number that was kept under `name`."""
        with self._lock:
            row = self._connection.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def remember(self, name: str, value: float) -> None:
        """Keep a number under `name`, over resets too."""
        with self._transaction() as connection:
            _set(connection, name, value)

    # What the store tells, as `flowflex_testing.engine.store.Repository` has it.

    def restore(self, store: Store) -> None:
        """Put the requests that it keeps and the counts of ids and dropped requests into a new store."""
        self._clock = store.clock
        store.ids_given = int(self.remembered("ids_given") or 0)
        store.dropped = int(self.remembered("requests_dropped") or 0)
        if store.keep_requests is not None:
            with self._transaction() as connection:
                # All that are older than the newest ones: another fake may have kept more.
                row = connection.execute(_SELECT_DROPPED, (store.keep_requests,)).fetchone()
                if row is not None:
                    (store.dropped,) = row
                    _drop_requests(connection, store.dropped)
        with self._lock:
            store.requests += [_request(row) for row in self._rows(_SELECT_REQUESTS)]

    def restore_tenant(self, tenant: Tenant) -> None:
        """Put what a tenant of this name has sent into a new one."""
        name = (tenant.name,)
        with self._lock:
            for asset_id, *upload in self._rows(_SELECT_UPLOADS, name):
                tenant.uploads[asset_id] = Upload(asset_id, *upload)
            assets: dict[int, Asset] = {}
            for number, *fields in self._rows(_SELECT_ASSETS, name):
                assets[number] = asset = Asset(*fields)
                tenant.assets[asset.id] = asset
            files: dict[str, dict[str, Asset]] = {}
            for event_id, path, number in self._rows(_SELECT_FILES, name):
                files.setdefault(event_id, {})[path] = assets[number]
            for event_id, event_name, payload, key, accepted_at, failure in self._rows(_SELECT_EVENTS, name):
                event_files = files.get(event_id, {})
                tenant.events.append(
                    Event(event_id, event_name, json.loads(payload), key, event_files, accepted_at, failure)
                )
            for key, *answer in self._rows(_SELECT_ANSWERS, name):
                tenant.answers[key] = Answer(*answer)

    def add_upload(self, tenant: Tenant, upload: Upload, ids_given: int) -> None:
        """Keep an upload URL that is issued."""
        with self._transaction() as connection:
            _set(connection, "ids_given", ids_given)
            _insert(connection, "uploads", (tenant.name, *dataclasses.astuple(upload)))

    def add_asset(self, tenant: Tenant, asset: Asset) -> None:
        """Keep a file that is stored, in place of one with its id."""
        with self._transaction() as connection:
            _insert(connection, "assets", (None, tenant.name, *dataclasses.astuple(asset)))

    def add_event(self, tenant: Tenant, event: Event, answer: Answer | None, ids_given: int) -> None:
        """Keep an event that is accepted, and the answer for its idempotency key."""
        key = event.idempotency_key
        with self._transaction() as connection:
            _set(connection, "ids_given", ids_given)
            row = (event.id, event.name, json.dumps(event.payload), key, event.accepted_at, event.failure)
            _insert(connection, "events", (None, tenant.name, *row))
            for path, asset in event.files.items():
                connection.execute(_INSERT_FILE, (event.id, path, asset.id))
            if answer is not None:
                _insert(connection, "answers", (tenant.name, key, *dataclasses.astuple(answer)))

    def add_request(self, request: RecordedRequest, dropped: int) -> None:
        """Keep a request that has its outcome, and none up to the number `dropped`."""
        assert request.reply is not None
        fields = {name: getattr(request, name) for name in _REQUEST_FIELDS}
        headers = [[name, MASKED if SECRET_HEADER.fullmatch(name) else value] for name, value in request.headers]
        fields |= {"headers": json.dumps(headers), "reply": _reply_text(request.reply)}
        with self._transaction() as connection:
            _insert(connection, "requests", tuple(fields.values()))
            if dropped:
                _drop_requests(connection, dropped)

    def note_time(self) -> None:
        """Keep what time it is."""
        with self._transaction():
            pass  # every transaction does

    def clear(self) -> None:
        """Forget all but the time, and what was remembered."""
        with self._transaction() as connection:
            for table in ("uploads", "files", "assets", "events", "answers", "requests"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - one of these names
            _set(connection, "ids_given", 0)
            _set(connection, "requests_dropped", 0)

    # Inside.

    def _open(self) -> None:
        """Take the file for this process alone, and make its tables where it is new."""
        connection = self._connection
        # In this mode the first transaction takes a lock that goes with the process.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN IMMEDIATE")
        application, version = self._pragma("application_id"), self._pragma("user_version")
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if (application, version, tables) == (0, 0, 0):
            for statement in _TABLES.split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {_VERSION}")
        elif application != _APPLICATION:
            raise DataError(f"the data directory {str(self._directory)!r} holds a {_FILE} that is not of a fake")
        elif version > _VERSION:
            raise DataError(
                f"the data directory {str(self._directory)!r} was written by a newer version of flowflex-kit "
                f"(its format is {version}, and this one knows {_VERSION}): update, or name another directory"
            )
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")

    def _pragma(self, name: str) -> int:
        (value,) = self._connection.execute(f"PRAGMA {name}").fetchone()
        return int(value)

    def _rows(self, query: str, parameters: tuple[str, ...] = ()) -> Iterator[Any]:
        return self._connection.execute(query, parameters)

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        with self._lock:
            connection = self._connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                if self._clock is not None:
                    _set(connection, "now", self._clock.now())
                    _set(connection, "real_now", time.time())
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")


_REQUEST_FIELDS = (
    *("number", "at", "origin", "operation", "method", "target", "headers", "body", "received"),
    *("status", "code", "rule", "fault", "tenant", "asset_id", "event_id", "reply"),
)
_SELECT_REQUESTS = f"SELECT {', '.join(_REQUEST_FIELDS)} FROM requests ORDER BY number"  # noqa: S608 - the names above
_SELECT_DROPPED = "SELECT number FROM requests ORDER BY number DESC LIMIT 1 OFFSET ?"
_SELECT_UPLOADS = "SELECT asset_id, filename, mime, size, issued_at FROM uploads WHERE tenant = ? ORDER BY rowid"
_SELECT_ASSETS = (
    "SELECT number, id, filename, mime, size, sha256, first_bytes, stored_at FROM assets WHERE tenant = ? "
    "ORDER BY number"
)
_SELECT_EVENTS = (
    "SELECT id, name, payload, idempotency_key, accepted_at, failure FROM events WHERE tenant = ? ORDER BY number"
)
_SELECT_FILES = (
    "SELECT event_id, path, asset FROM files JOIN events ON events.id = files.event_id WHERE tenant = ? "
    "ORDER BY files.rowid"
)
_SELECT_ANSWERS = "SELECT idempotency_key, event_id, event_name, body, content, stored_at FROM answers WHERE tenant = ?"
_INSERT_FILE = "INSERT INTO files SELECT ?, ?, max(number) FROM assets WHERE id = ?"


def _make_directory(directory: Path) -> None:
    """Make the directory, or see to it that no other user could have laid something into it."""
    try:
        directory.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        status = directory.stat()
        is_shared = os.name == "posix" and (status.st_uid != os.geteuid() or status.st_mode & 0o022)
        if not stat.S_ISDIR(status.st_mode):
            raise DataError(f"the data directory {str(directory)!r} is no directory") from None
        if is_shared:
            raise DataError(
                f"the data directory {str(directory)!r} can be written to by other users: chmod 700 it, or name another"
            ) from None


def _connect(path: Path) -> sqlite3.Connection:
    # Made here, for its owner alone; SQLite gives the files that it lays beside it the same mode.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    os.close(descriptor)
    return sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)


def _sentence(directory: Path, error: sqlite3.Error) -> str:
    what = f"the data directory {str(directory)!r}"
    if error.sqlite_errorname.startswith("SQLITE_BUSY"):
        return f"{what} is in use by another fake: stop it, or name another directory"
    if error.sqlite_errorname in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
        return f"{what} holds a {_FILE} that is not of a fake, or is damaged"
    return f"{what} cannot be used: {error}"


def _set(connection: sqlite3.Connection, name: str, value: float) -> None:
    connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (name, value))


def _drop_requests(connection: sqlite3.Connection, last: int) -> None:
    connection.execute("DELETE FROM requests WHERE number <= ?", (last,))
    _set(connection, "requests_dropped", last)


def _insert(connection: sqlite3.Connection, table: str, row: tuple[object, ...]) -> None:
    places = ", ".join("?" * len(row))
    connection.execute(f"INSERT OR REPLACE INTO {table} VALUES ({places})", row)  # noqa: S608 - a name from here


def _request(row: tuple[Any, ...]) -> RecordedRequest:
    fields: dict[str, Any] = dict(zip(_REQUEST_FIELDS, row, strict=True))
    fields["headers"] = _pairs(json.loads(fields["headers"]))
    fields["reply"] = _reply(fields["reply"])
    return RecordedRequest(**fields)


def _pairs(headers: list[list[str]]) -> Headers:
    return tuple((name, value) for name, value in headers)


def _reply_text(reply: Reply | Abort) -> str:
    """Write what went out as JSON; bytes as characters below 256."""
    return json.dumps(dataclasses.asdict(reply), default=lambda data: data.decode("latin-1"))


def _reply(text: str) -> Reply | Abort:
    fields = json.loads(text)
    if "reset" in fields:
        begun = fields.pop("begun")
        return Abort(**fields, begun=None if begun is None else _whole(begun))
    return _whole(fields)


def _whole(fields: dict[str, Any]) -> Reply:
    manner = None if fields["manner"] is None else Manner(**fields["manner"])
    return Reply(fields["status"], _pairs(fields["headers"]), fields["body"].encode("latin-1"), manner)
