"""Broken transports, each with the fault that its name tells, and one of the kind that people really write."""

import dataclasses
import http.client
import socket
import ssl
import threading
from typing import ClassVar
from urllib.parse import quote, unquote, urlsplit

import requests

from examples.http_client_transport import HttpClientTransport
from flowflex_core import Failure, Response
from flowflex_testing.memory import MemoryTransport
from flowflex_transports.sync.transport import Urllib3Transport


class Wrapper:
    """Passes everything on to a good transport."""

    def __init__(self):
        self.good = Urllib3Transport(ssl_context=ssl.create_default_context())

    def perform(self, request, body):
        return self.good.perform(request, body)

    def close(self):
        self.good.close()


class Rewriting(Wrapper):
    """Changes the request before it is sent; what changes is given by `change`."""

    def change(self, request):
        raise NotImplementedError

    def perform(self, request, body):
        return self.good.perform(dataclasses.replace(request, **self.change(request)), body)


class ReencodesTheUrl(Rewriting):
    def change(self, request):
        origin, path = request.url[:8], request.url[8:]
        return {"url": origin + quote(unquote(path), safe="/:?=&")}


class AddsAuthorization(Rewriting):
    def change(self, request):
        return {"headers": {"Authorization": "Basic own", **request.headers}}


class StripsHeaders(Rewriting):
    def change(self, request):
        return {"headers": {name: " ".join(value.split()) for name, value in request.headers.items()}}


class IgnoresTotal(Rewriting):
    def change(self, request):
        return {"total": 1000.0}


class IgnoresTimeout(Rewriting):
    def change(self, request):
        return {"timeout": 1000.0}


class TakesTimeoutForTotal(Rewriting):
    def change(self, request):
        return {"total": min(request.timeout, request.total)}


class FollowsRedirects(Wrapper):
    def perform(self, request, body):
        outcome = self.good.perform(request, body)
        if isinstance(outcome, Response) and 300 <= outcome.status < 400 and outcome.header("location"):
            return self.good.perform(dataclasses.replace(request, url=outcome.header("location")), body)
        return outcome


class RepeatsByItself(Wrapper):
    def perform(self, request, body):
        outcome = self.good.perform(request, body)
        if isinstance(outcome, Failure) or outcome.status >= 500:
            return self.good.perform(request, body)
        return outcome


class SaysNotSent(Wrapper):
    def perform(self, request, body):
        outcome = self.good.perform(request, body)
        return outcome if isinstance(outcome, Response) else dataclasses.replace(outcome, sent=False)


class SaysSent(Wrapper):
    def perform(self, request, body):
        outcome = self.good.perform(request, body)
        return outcome if isinstance(outcome, Response) else dataclasses.replace(outcome, sent=True)


class CallsNothingEarly(Wrapper):
    def perform(self, request, body):
        outcome = self.good.perform(request, body)
        return dataclasses.replace(outcome, early=False) if isinstance(outcome, Response) else outcome


class CallsAllEarly(Wrapper):
    def perform(self, request, body):
        outcome = self.good.perform(request, body)
        return dataclasses.replace(outcome, early=True) if isinstance(outcome, Response) else outcome


class TellsTheUrl(Wrapper):
    def perform(self, request, body):
        outcome = self.good.perform(request, body)
        return outcome if isinstance(outcome, Response) else dataclasses.replace(outcome, message=request.url)


class RaisesForTrouble(Wrapper):
    def perform(self, request, body):
        outcome = self.good.perform(request, body)
        if isinstance(outcome, Failure):
            raise ConnectionError(outcome.message)
        return outcome


class ForgetsWhichRequest(Wrapper):
    def perform(self, request, body):
        return dataclasses.replace(self.good.perform(request, body), request_id="0")


class ReturnsNothing(Wrapper):
    def perform(self, request, body):
        self.good.perform(request, body)


class OneAtATime(Wrapper):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()

    def perform(self, request, body):
        with self.lock:
            return self.good.perform(request, body)


class SwallowsSourceErrors(Wrapper):
    def perform(self, request, body):
        try:
            return self.good.perform(request, body)
        except Exception:
            return Response(request.id, 200)


class PadsBrokenSources(Wrapper):
    def perform(self, request, body):
        if isinstance(body, bytes):
            return self.good.perform(request, body)
        content = bytearray()
        try:
            for chunk in body.chunks():
                content += chunk
        except Exception:
            content += bytes(body.length - len(content))
        return self.good.perform(request, bytes(content))


class TrustsEverybody(Wrapper):
    def __init__(self):
        super().__init__()
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.good = Urllib3Transport(ssl_context=context)


class ClosesNotTwice(Wrapper):
    def close(self):
        del self.good


class SendsChunked(Wrapper):
    def perform(self, request, body):
        url = urlsplit(request.url)
        connection = http.client.HTTPConnection(url.netloc)
        chunks = [body] if isinstance(body, bytes) else body.chunks()
        connection.request(request.method, url.path, chunks, dict(request.headers), encode_chunked=True)
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        return Response(request.id, reply.status, reply.getheaders(), content)


class AlwaysSucceeds:
    """Sends nothing, and reports what one likes to hear."""

    def __init__(self, _fake=None):
        pass

    def perform(self, request, body):
        return Response(request.id, 200)

    def close(self):
        pass


class AlwaysFails(AlwaysSucceeds):
    """Sends nothing, and says so in a way that no peer gives reason for."""

    def perform(self, request, body):
        return Failure(request.id, "source", "no", sent=True)


class WritesAnything:
    """Writes bytes of its own in place of a request."""

    written = b""

    def perform(self, request, body):
        url = urlsplit(request.url)
        with socket.create_connection((url.hostname, url.port)) as connection:
            connection.sendall(self.written)
            connection.recv(1000)
        return Response(request.id, 200)

    def close(self):
        pass


class SpeaksHttp10(WritesAnything):
    written = b"POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n"


class MisstatesTheLength(WritesAnything):
    written = b"POST / HTTP/1.1\r\nContent-Length: None\r\n\r\n"


class SpeaksGibberish(WritesAnything):
    written = b"POST /a b HTTP/1.1\r\n\r\n"


class KeepsOneConnection:
    """Keeps one connection, whatever becomes of it: takes what comes next for its reply, and never closes it."""

    left_open: ClassVar["list[KeepsOneConnection]"] = []

    def __init__(self):
        self.connection = None

    def perform(self, request, body):
        url = urlsplit(request.url)
        if self.connection is None:
            self.connection = http.client.HTTPConnection(url.netloc, timeout=request.timeout)
            self.connection.connect()
            self.received = self.connection.sock.makefile("rb", 0)
        try:
            self.connection.sock.sendall(
                f"{request.method} / HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: 0\r\n\r\n".encode()
            )
            status = int(self.received.readline().split()[1])
            length = 0
            while (line := self.received.readline().strip()) != b"":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            return Response(request.id, status, (), self.received.read(length) if length else b"")
        except (OSError, IndexError) as error:
            return Failure(request.id, "connection", str(error), sent=True)

    def close(self):
        self.left_open.append(self)

    @classmethod
    def clean_up(cls):
        while cls.left_open:
            left = cls.left_open.pop()
            if left.connection is not None:
                left.received.close()
                left.connection.close()


class Naive:
    """What one writes over requests on a Friday afternoon."""

    def __init__(self):
        self.session = requests.Session()

    def perform(self, request, body):
        data = body if isinstance(body, bytes) else _Readable(body)
        try:
            reply = self.session.request(
                request.method, request.url, headers=dict(request.headers), data=data, timeout=request.timeout
            )
        except requests.Timeout as error:
            return Failure(request.id, "timeout", str(error), sent=True)
        except requests.exceptions.SSLError as error:
            return Failure(request.id, "tls", str(error), sent=False)
        except requests.RequestException as error:
            return Failure(request.id, "connection", str(error), sent=False)
        return Response(request.id, reply.status_code, reply.headers, reply.content)

    def close(self):
        self.session.close()


class BlocksTheLoop:
    """Asynchronous by name alone."""

    def __init__(self):
        self.good = HttpClientTransport(ssl.create_default_context())

    async def perform(self, request, body):
        return self.good.perform(request, body)

    async def aclose(self):
        pass


class InMemory:
    """Passes everything on to the transport in memory."""

    def __init__(self, fake):
        self.good = MemoryTransport(fake)

    def perform(self, request, body):
        return self.good.perform(request, body)

    def close(self):
        pass


class DropsHeaders(InMemory):
    def perform(self, request, body):
        headers = {name: value for name, value in request.headers.items() if not name.startswith("x-")}
        return self.good.perform(dataclasses.replace(request, headers=headers), body)


class DropsReplyHeaders(InMemory):
    def perform(self, request, body):
        outcome = self.good.perform(request, body)
        return outcome if isinstance(outcome, Failure) else dataclasses.replace(outcome, headers=())


class CutsReplies(InMemory):
    def perform(self, request, body):
        outcome = self.good.perform(request, body)
        return outcome if isinstance(outcome, Failure) else dataclasses.replace(outcome, body=outcome.body[:20])


class TakesTroubleForSuccess(InMemory):
    def perform(self, request, body):
        outcome = self.good.perform(request, body)
        return Response(request.id, 200) if isinstance(outcome, Failure) else outcome


class RaisesForStatus(InMemory):
    def perform(self, request, body):
        outcome = self.good.perform(request, body)
        if isinstance(outcome, Response) and outcome.status >= 400:
            raise OSError(f"status {outcome.status}")
        return outcome


class CallsRefusalsTrouble(InMemory):
    def perform(self, request, body):
        outcome = self.good.perform(request, body)
        if isinstance(outcome, Response) and outcome.status >= 400:
            return Failure(request.id, "protocol", f"status {outcome.status}", sent=True)
        return outcome


class ReencodesText(InMemory):
    def perform(self, request, body):
        if isinstance(body, bytes):
            return self.good.perform(request, body)
        content = b"".join(body.chunks()).decode("utf-8", "replace").encode()
        return self.good.perform(request, content)


class PadsSources(InMemory):
    def perform(self, request, body):
        if isinstance(body, bytes):
            return self.good.perform(request, body)
        content = bytearray()
        try:
            for chunk in body.chunks():
                content += chunk
        except Exception:
            content += bytes(body.length - len(content))
        return self.good.perform(request, bytes(content))


class RepeatsInMemory(InMemory):
    def perform(self, request, body):
        outcome = self.good.perform(request, body)
        if isinstance(outcome, Failure) or outcome.status == 503:
            outcome = self.good.perform(request, body)
        return outcome


class CredentialsEverywhere(InMemory):
    def perform(self, request, body):
        headers = {"Cookie": "session=1", **request.headers}
        return self.good.perform(dataclasses.replace(request, headers=headers), body)


class _Readable:
    def __init__(self, source):
        self.length = source.length
        self.chunks = source.chunks()

    def __len__(self):
        return self.length

    def read(self, _size=-1):
        return next(self.chunks, b"")
