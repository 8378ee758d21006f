"""A TCP proxy that holds back every byte for a while in each direction: a network between here and AWS."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

CHUNK = 65_536


@contextmanager
def delayed(endpoint_url: str, *, seconds: float) -> Iterator[str]:
    """Give the URL of a proxy to `endpoint_url` that adds `seconds` each way."""
    parts = urlsplit(endpoint_url)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    open_: set[asyncio.Task[None] | None] = set()
    """The loop itself refers to its tasks weakly."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_.add(asyncio.current_task())
        there, back = await asyncio.open_connection(parts.hostname, parts.port)
        await asyncio.gather(_pump(reader, back, seconds), _pump(there, writer, seconds))

    async def start() -> asyncio.Server:
        return await asyncio.start_server(handle, "127.0.0.1", 0)

    async def stop() -> None:
        """Connections that were kept open end here."""
        server.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Pass chunks on in their order, each `seconds` after it came."""
    loop = asyncio.get_running_loop()
    with suppress(ConnectionError):
        while chunk := await reader.read(CHUNK):
            loop.call_later(seconds, writer.write, chunk)
    loop.call_later(seconds, writer.close)
