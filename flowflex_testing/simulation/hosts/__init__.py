"""What a loop of one's own is given in place of a runtime: it performs requests, tells the time, sleeps and saves.

    def my_loop(operation, host):
        turn = operation.advance(host.now())
        while not turn.done:
            if turn.checkpoint:
                host.save(operation.snapshot())
            outcomes = [host.perform(request) for request in turn.requests]
            if not outcomes:
                host.sleep(turn.wait)
            turn = operation.advance(host.now(), *outcomes)
        return operation.result()

    finding = judge(Tape.of_seed("1"), "safety", blocking(my_loop))

`blocking` takes such a function, `on_asyncio` an async one that runs on an event loop of asyncio, in which
`asyncio.sleep` and timeouts take no real time, and `on_trio` one that runs on trio. With `dies=True` processes are
killed where they perform, sleep or save, and the loop is given an operation that goes on from the last snapshot that
was saved.

`blocking_client` takes a function of a host alone, for a client that has its loop within: the host is its transport.

    def with_my_client(host):
        client = MyClient(host.settings, transport=host)
        return client.send_event(host.event, payload=host.payload, idempotency_key=host.key)

`client_on_trio` takes an async one. With `resumes=True` callers go on after an error: the function is called again, and
`host.snapshot` is what came with the error.
"""

from flowflex_testing.simulation.hosts.asynchronous import AsyncHost
from flowflex_testing.simulation.hosts.asyncio_runtime import on_asyncio
from flowflex_testing.simulation.hosts.blocking import BlockingHost, blocking, blocking_client
from flowflex_testing.simulation.hosts.host import ProcessDied
from flowflex_testing.simulation.hosts.trio_runtime import client_on_trio, on_trio

__all__ = [
    "AsyncHost",
    "BlockingHost",
    "ProcessDied",
    "blocking",
    "blocking_client",
    "client_on_trio",
    "on_asyncio",
    "on_trio",
]
