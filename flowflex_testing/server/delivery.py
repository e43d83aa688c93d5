"""How a reply goes out over a socket where a fault has it go out in a manner of its own."""

import socket
import threading

from flowflex_testing.engine.messages import Manner


def deliver(sock: socket.socket, head: bytes, body: bytes, manner: Manner, stopping: threading.Event) -> bool:
    """Send a reply in its manner; return False where `stopping` was set before all of it was out."""
    if stopping.wait(manner.delay):
        return False
    for _ in range(manner.interims):
        sock.sendall(b"HTTP/1.1 %d Injected\r\n\r\n" % manner.interim_status)
    data = head + body
    if not manner.piece:
        sock.sendall(data)
        return True
    at = 0 if manner.drips_head else len(head)
    sock.sendall(data[:at])
    while at < len(data):
        if at and stopping.wait(manner.pause):
            return False
        sock.sendall(data[at : at + manner.piece])
        at += manner.piece
    return True
