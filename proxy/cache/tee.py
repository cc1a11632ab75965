"""A body that is read once, kept while it passes, and read by as many as want it.

Whoever reads furthest pulls the next chunk, so the pace is that of the fastest reader, and nobody waits for a slower
one: those find what they have not read yet in the copy. When there is to be no whole copy (there is no room for more),
the reader it came for goes on with the source, and the others on their own.

To go on on one's own is to ask below again, and to skip what was read already after making sure that it is the same.
It is also what a reader does as soon as it no longer may share: when a stage below has read, while the body arrived,
something of the request that is different in the reader's. What came before that read cannot depend on it, so each
reader is sent bytes that are right for it: shared ones up to there, and its own from there on. Where the response has
changed in between, its body breaks off, visibly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from hashlib import blake2b

from proxy import errors
from proxy.cache.entry import Content
from proxy.cache.policy import Refusal
from proxy.cache.spool import Spool
from proxy.cache.store import Front
from proxy.errors import ProxyError
from proxy.exchange import Pipe, Response, Stream, length_of
from proxy.exchange.observation import Reads
from proxy.http.fields import Fields

PIECE = 64 * 1024
"""Bytes read at once of what is there whole."""

IN_MEMORY = 1 << 20
"""Bytes of a copy that are kept in memory, where there is a disk for the rest."""

_SAME = (b"etag", b"last-modified", b"content-encoding", b"content-type")
"""Fields that are equal in two responses with the same content."""

Done = Callable[[Content | Refusal], object]

Ask = Callable[[], Awaitable[Response]]
"""Asks below for the same response, whole, on a reader's own behalf."""


class Tee:
    """The source and the copy.

    store: where the copy is kept, of at most `limit` bytes. head: the response that `source` is the body of. reads:
    what the stages below read of the request; it may grow while the body arrives. `done` is called once: with the whole
    body when it has ended, or, as soon as there will be none, with the reason: SIZE when there was no room for it,
    INCOMPLETE when it broke or was left. `left` is called when the last reader goes away before that: it has the rest
    read by a new one (`Reader.drain`), or gives up (`abandon`).
    """

    __slots__ = (
        "_chunks", "_complete", "_done", "_error", "_head", "_inherited", "_known", "_left", "_pulling", "_readers",
        "_reads", "_room", "_size", "_source", "_spool", "_spooling", "_waiters", "_whole",
    )  # fmt: skip

    def __init__(
        self,
        head: Response,
        source: Stream,
        store: Front,
        limit: int,
        reads: Reads,
        done: Done,
        left: Callable[[Tee], None],
    ) -> None:
        self._head = head
        self._source = source
        self._room = store.room(limit)
        self._spooling = None if store.spool is None else partial(store.spool, limit)
        self._spool: Spool | None = None
        self._complete = False
        self._reads = reads
        self._known = len(reads)
        self._done: Done | None = done
        self._left = left
        self._chunks: list[bytes] = []
        self._size = 0
        self._whole: bytes | None = None
        self._error: Exception | None = None
        self._inherited = False
        self._readers: dict[Reader, None] = {}
        self._pulling = False
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def length(self) -> int | None:
        return self._source.length

    @property
    def collecting(self) -> bool:
        """There may be a whole copy yet; others can join."""
        return self._done is not None

    def reader(self, ask: Ask, agrees: Callable[[], bool] | None = None) -> Reader:
        """One more, from the beginning. agrees: whether what the stages below have read so far is the same in its
        request; asked again when they have read more. None for the one that was passed below."""
        reader = Reader(self, ask, agrees)
        self._readers[reader] = None
        return reader

    def abandon(self) -> None:
        """Nobody wants the rest."""
        self._settle(Refusal.INCOMPLETE)
        self._source.close()
        self._room.free()
        if self._spool is not None:
            self._spool.abandon()

    async def _advance(self) -> None:
        """Wait until there is more to know: pull, or wait for whoever does."""
        if self._pulling:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
            return
        self._pulling = True
        try:
            if self._spool is not None:
                await self._spool.ready()
            chunk = await self._source.read()
        except Exception as error:
            self._error = error
            self._settle(Refusal.INCOMPLETE)
        else:
            self._pulled(chunk)
        finally:
            self._pulling = False
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def _pulled(self, chunk: bytes) -> None:
        if len(self._reads) != self._known:
            self._known = len(self._reads)
            for reader in self._readers:
                reader._part_if_other(self._size)
        if not chunk:
            self._ended()
        elif self._keeps(chunk):
            self._size += len(chunk)
        else:
            self._outgrown(chunk)

    def _keeps(self, chunk: bytes) -> bool:
        """There is room for it: in memory, or in a file."""
        if self._spool is None:
            if self._spooling is None or self._size + len(chunk) <= IN_MEMORY:
                if self._room.take(len(chunk)):
                    self._chunks.append(chunk)
                    return True
                if self._spooling is None:
                    return False
            self._spool = self._spooling()
            if self._spool is None:
                self._spooling = None
                return self._keeps(chunk)
            if not all(map(self._spool.append, self._chunks)):
                return False
            self._chunks = []
            self._room.free()
        return self._spool.append(chunk)

    def _ended(self) -> None:
        self._complete = True
        if self._spool is not None:
            self._spool.finish(lambda body: self._settle(body or Refusal.INCOMPLETE))
            return
        self._whole = b"".join(self._chunks)
        self._chunks = []
        self._settle(self._whole)
        self._room.free()

    def _outgrown(self, chunk: bytes) -> None:
        """Whom it came for takes the source, the others part: they could not tell what is read from now on."""
        heir = next((reader for reader in self._readers if reader._agrees is None), None)
        for reader in self._readers:
            reader._part(self._size)
        if heir is None:
            self._source.close()
        else:
            heir._inherit(chunk, self._source)
            self._inherited = True
        self._settle(Refusal.SIZE)

    def _leave(self, reader: Reader) -> None:
        if self._readers.pop(reader, self) is self or self._readers:
            return
        if self.collecting and not self._complete:
            self._left(self)
            return
        self._chunks = []
        self._room.free()
        if self._spool is not None and not self._complete:
            self._spool.abandon()
        if not self._inherited:
            self._source.close()

    def _settle(self, body: Content | Refusal) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(body)

    async def _digest(self, size: int) -> bytes:
        """Of the first so many bytes."""
        digest, at = blake2b(), 0
        if self._spool is not None:
            while at < size:
                part = await self._spool.read(at, size)
                digest.update(part)
                at += len(part)
            return digest.digest()
        for part in self._chunks if self._whole is None else [self._whole]:
            digest.update(memoryview(part)[: size - at])
            at += min(len(part), size - at)
        return digest.digest()


class Reader:
    """One who reads what a Tee keeps: a Stream. _until: where the shared part ends for it, once that is known."""

    __slots__ = ("_agrees", "_ask", "_held", "_next", "_offset", "_own", "_tee", "_until")

    def __init__(self, tee: Tee, ask: Ask, agrees: Callable[[], bool] | None) -> None:
        self._tee = tee
        self._ask = ask
        self._agrees = agrees
        self._next = 0
        self._offset = 0
        self._until: int | None = None
        self._held = b""
        self._own: Stream | None = None

    @property
    def length(self) -> int | None:
        return self._tee.length

    @property
    def trailers(self) -> Fields | None:
        return (self._own or self._tee._source).trailers

    async def read(self) -> bytes:
        while True:
            if self._offset == self._until:
                return await self._read_own()
            chunk = await self._spooled() if self._tee._spool is not None else self._shared()
            if chunk is not None:
                return chunk
            await self._tee._advance()

    async def _spooled(self) -> bytes | None:
        """More of the copy in a file; b"" at its end, None while there is no more yet."""
        tee = self._tee
        assert tee._spool is not None
        if self._offset < tee._size:
            chunk = await tee._spool.read(self._offset, tee._size if self._until is None else self._until)
            self._offset += len(chunk)
            return chunk
        if tee._error is not None:
            raise tee._error
        return b"" if tee._complete else None

    def _shared(self) -> bytes | None:
        """More of the copy in memory."""
        tee = self._tee
        if tee._whole is not None:
            end = self._offset + PIECE
            chunk = tee._whole[self._offset : end if self._until is None else min(end, self._until)]
        elif self._next < len(tee._chunks):
            chunk = tee._chunks[self._next]
            self._next += 1
        elif tee._error is not None:
            raise tee._error
        else:
            return None
        self._offset += len(chunk)
        return chunk

    async def _read_own(self) -> bytes:
        if self._own is None:
            response = await self._ask()
            self._own = response.body if not isinstance(response.body, bytes) else _stream(response.body)
            self._held = await self._resumed(response, self._own)
        self._tee._leave(self)
        held, self._held = self._held, b""
        return held or await self._own.read()

    async def _resumed(self, response: Response, body: Stream) -> bytes:
        """Skip what was read already; what there is beyond it in the same chunk."""
        head, tee, again = self._tee._head, self._tee, blake2b()
        seen = await tee._digest(self._offset)
        alike = response.status == head.status and length_of(response.body) == tee.length
        alike = alike and all(response.fields.get(name) == head.fields.get(name) for name in _SAME)
        left, rest = self._offset, b""
        while alike and left:
            chunk = await body.read()
            if not chunk:
                break
            again.update(memoryview(chunk)[:left])
            rest = chunk[left:]
            left -= min(len(chunk), left)
        if not alike or left or seen != again.digest():
            raise ProxyError(errors.HTTP_RESPONSE_INCOMPLETE, "the response has changed while it was shared")
        return rest

    def _part(self, at: int) -> None:
        if self._until is None:
            self._until = at

    def _part_if_other(self, at: int) -> None:
        if self._until is None and self._agrees is not None and not self._agrees():
            self._until = at

    def _inherit(self, chunk: bytes, source: Stream) -> None:
        self._held, self._own = chunk, source

    async def drain(self) -> None:
        """Read for the copy alone, as long as there may be one."""
        try:
            with suppress(ProxyError):
                while self._tee.collecting and await self.read():
                    pass
        finally:
            self.close()

    def close(self) -> None:
        if self._own is not None:
            self._own.close()
        self._tee._leave(self)


def _stream(body: bytes) -> Stream:
    pipe = Pipe(len(body))
    pipe.feed(body)
    pipe.end()
    return pipe
