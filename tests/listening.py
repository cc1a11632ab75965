"""A server that is over when its test is: no connection of its is left open when the event loop is closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What it does with each connection."""


@asynccontextmanager
async def listening(talk: Talk, host: str = "127.0.0.1", port: int = 0, **options: Any) -> AsyncIterator[int]:
    """Its port. What it is still saying in the end is cut off."""
    talks: dict[asyncio.Task[object], asyncio.StreamWriter] = {}

    async def talked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks[task] = writer
        await talk(reader, writer)

    server = await asyncio.start_server(talked, host, port, **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await _turns()  # who has just been accepted is a task by then
        for task, writer in talks.items():
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*talks, return_exceptions=True)
        await _turns()  # the transports hear of it


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
