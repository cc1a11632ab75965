"""`filter: NAME`: runs a component of the world `sluice:filter` on the way down and on the way up.

A run that fails (a trap, a limit, no room for an instance, something that is not HTTP) ends as `on_error` says:
`fail_closed` answers with `proxy_internal_error`; `fail_open` goes on as if the filter were not there, and tells the
caches above that what came of it is not to be kept.
"""

from __future__ import annotations

import logging
from typing import Final

from proxy import errors
from proxy.chain.stage import Below
from proxy.errors import ProxyError
from proxy.exchange import Request, Response, Stream
from proxy.exchange.observation import UNREPEATABLE, observed
from proxy.http.fields import Fields
from proxy.sandbox import PoolExhausted, Trap
from proxy.sluice.checks import Refused
from proxy.sluice.program import Program
from proxy.sluice.session import Session
from proxy.telemetry import FilterTally

logger: Final = logging.getLogger(__name__)

CHUNK = 64 * 1024
"""Bytes of a body given to a filter at once."""

_TRANSFORMED_AWAY = (
    b"content-length", b"etag", b"last-modified", b"accept-ranges", b"content-range", b"content-md5",
    b"content-digest", b"repr-digest", b"digest",
)  # fmt: skip
"""What was said of the bytes of a body, and no longer holds once it was transformed (RFC 9110 §7.7, §8.6, §8.8)."""

_CONTENTLESS: Final = (204, 304)

_FAILURES: Final = (Trap, Refused, PoolExhausted)


class Filter:
    """The stage. It counts what it does in `tally`."""

    def __init__(self, program: Program, tally: FilterTally, *, fail_open: bool) -> None:
        self.name = program.name
        self._tally = tally
        self._program = program
        self._fail_open = fail_open
        self._answers_only_down = program.on_response is None and program.body is None

    async def __call__(self, request: Request, below: Below) -> Response:
        session = Session(self._program, request)
        try:
            reply = session.on_request()
        except _FAILURES as error:
            self._over(session, request)
            self._failed(session, request, error)
            return await below(request)
        if reply is not None or self._answers_only_down:
            self._over(session, request)
            return reply if reply is not None else await below(session.request)
        try:
            response = await below(session.request if self._program.body is None else _whole(session.request))
        except BaseException:
            self._over(session, request)
            raise
        if response.status == 101:  # as any 1xx; what follows it is no body of HTTP
            self._over(session, request)
            return response
        return self._on_response(session, request, response)

    def _on_response(self, session: Session, request: Request, response: Response) -> Response:
        try:
            session.on_response(response)
            transform = self._program.body is not None and session.open_body()
            changed = session.response
            assert changed is not None
            if transform:
                changed = _transformed_head(changed)
                if isinstance(changed.body, bytes):
                    # The answer to HEAD, a 204 and a 304 have no content to transform, not even an empty one.
                    if request.method != "HEAD" and changed.status not in _CONTENTLESS:
                        changed.body = _transform(session, changed.body)
                else:
                    changed.body = _Transformed(self, session, request, changed.body)
                    return _bodyless(changed)
        except _FAILURES as error:
            self._over(session, request)
            try:
                self._failed(session, request, error)
            except ProxyError:
                if not isinstance(response.body, bytes):
                    response.body.close()
                raise
            return response
        self._over(session, request)
        return _bodyless(changed)

    def _failed(self, session: Session, request: Request, error: Exception) -> None:
        """A run failed: log it, then raise, or with `fail_open` return."""
        if session.story is not None:
            session.story.failure = str(error)
        self._tally.errors += 1
        backtrace = error.backtrace.strip().replace("\n", " < ") if isinstance(error, Trap) else "-"
        logger.error("filter %s failed: %s; request %s; guest backtrace: %s",
                     self.name, error, request.exchange.id, backtrace)  # fmt: skip
        if not self._fail_open:
            raise ProxyError(errors.PROXY_INTERNAL_ERROR, f"filter {self.name} failed") from error
        observed(request, UNREPEATABLE)

    def _over(self, session: Session, request: Request) -> None:
        """Count what it did, and take its instance back."""
        session.close()
        tally, microseconds, spent = self._tally, session.spent // 1000, request.exchange.spent
        tally.memo_hits += session.remembered
        tally.runs += session.ran
        tally.microseconds += microseconds
        spent[self.name] = spent.get(self.name, 0) + microseconds


def _whole(request: Request) -> Request:
    """A body that may be transformed is asked for whole: a range of it could not be (RFC 9110 §14.2)."""
    if b"range" not in request.fields:
        return request
    whole = request.copy()
    whole.fields.remove(b"range")
    whole.fields.remove(b"if-range")
    return whole


def _transformed_head(response: Response) -> Response:
    fields = [line for line in response.fields.lines if line[0] not in _TRANSFORMED_AWAY]
    return Response(response.status, Fields(fields), response.body, response.tags)


def _bodyless(response: Response) -> Response:
    """A status that a filter has set may be one that has no content (RFC 9110 §15.3.5, §15.4.5)."""
    if response.status in _CONTENTLESS and response.body != b"":
        if not isinstance(response.body, bytes):
            response.body.close()
        response.body = b""
        response.fields.remove(b"content-length")
    return response


def _transform(session: Session, body: bytes) -> bytes:
    return _push(session, body) + session.finish()


def _push(session: Session, data: bytes) -> bytes:
    if len(data) <= CHUNK:
        return session.push(data)
    return b"".join([session.push(data[i : i + CHUNK]) for i in range(0, len(data), CHUNK)])


class _Transformed:
    """A body that passes through a filter as it arrives."""

    length = None

    def __init__(self, stage: Filter, session: Session, request: Request, inner: Stream) -> None:
        self._stage, self._session, self._request, self._inner = stage, session, request, inner
        self._filtering = True
        self._fed = False

    @property
    def trailers(self) -> Fields | None:
        return self._inner.trailers

    async def read(self) -> bytes:
        while self._filtering:
            chunk = await self._inner.read()
            transformed = self._transformed(chunk)
            if transformed:
                return transformed
            if not chunk:
                return b""
        return await self._inner.read()

    def _transformed(self, chunk: bytes) -> bytes:
        try:
            transformed = _push(self._session, chunk) if chunk else self._session.finish()
        except _FAILURES as error:
            self._end()
            return self._after(error, chunk)
        self._fed = True
        if not chunk:
            self._end()
        return transformed

    def _after(self, error: Exception, chunk: bytes) -> bytes:
        """`fail_open` can go on with the body as it is only while the filter holds nothing of it back."""
        try:
            self._stage._failed(self._session, self._request, error)
        except ProxyError:
            self._inner.close()
            raise
        if self._fed:
            self._inner.close()
            raise ProxyError(errors.PROXY_INTERNAL_ERROR, f"filter {self._stage.name} failed") from error
        return chunk

    def _end(self) -> None:
        if self._filtering:
            self._filtering = False
            self._stage._over(self._session, self._request)

    def close(self) -> None:
        self._end()
        self._inner.close()
