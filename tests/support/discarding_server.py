"""A FlowFlex that keeps nothing, in a process of its own: for measuring a client alone.

python discarding_server.py [CERTIFICATE_AND_KEY.pem]      prints its port, then serves until its stdin ends
"""

import asyncio
import itertools
import json
import ssl
import sys

count = itertools.count()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    scheme = "https" if writer.get_extra_info("ssl_object") else "http"
    port = writer.get_extra_info("sockname")[1]
    while True:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        left = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        while left:
            left -= len(await reader.read(min(left, 1_048_576)))
        url = f"{scheme}://127.0.0.1:{port}/put/{next(count)}"
        reply = json.dumps({"assetId": f"asset_{next(count):08d}", "uploadUrl": url, "token": "t"}).encode()
        content = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(reply)
        writer.write(b"HTTP/1.1 200 OK\r\n" + content + reply)


async def main() -> None:
    context = None
    if len(sys.argv) > 1:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1])
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context, limit=1_048_576)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
