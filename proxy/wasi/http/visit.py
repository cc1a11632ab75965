"""A visit: one exchange in the hands of a component, from its request to the end of its call."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from proxy import errors
from proxy.errors import ProxyError
from proxy.exchange import Request, Response
from proxy.wasi.files import Open
from proxy.wasi.http.bodies import BodyInput, BodyOutput
from proxy.wasi.http.errors import ErrorCode, failure
from proxy.wasi.http.messages import IncomingRequest, OutgoingResponse
from proxy.wasi.http.timeouts import Timeouts
from proxy.wasi.io import LinesOutput
from proxy.wasi.sockets import Held
from proxy.wasi.waiting import Job, Pollable, Timer

T = TypeVar("T")


class Client(Protocol):
    """Sends what a component asks of others."""

    async def send(self, visit: Visit, request: Request, timeouts: Timeouts) -> Response:
        """Raises ProxyError."""


class Visit:
    """What an instance's data is: who pays for what the guest makes the host do, and ends it.

    output: called with "stdout" or "stderr" and a line. `subrequests` counts those that were begun, for the client, and
    `running` bounds how many of them are under way.
    """

    def __init__(self, request: Request, client: Client, output: Callable[[str, str], None]) -> None:
        self.request = request
        self.client = client
        self._output = output
        self.subrequests = 0
        self._running: asyncio.Semaphore | None = None
        self._jobs: set[Job[Any] | Timer] = set()
        self._inputs: set[BodyInput] = set()
        self._outputs: set[BodyOutput] = set()
        self._printers: dict[LinesOutput, None] = {}
        self._files: list[Open] = []
        self._sockets: Held | None = None
        self._copied = 0

    @property
    def running(self) -> asyncio.Semaphore:
        if self._running is None:
            self._running = asyncio.Semaphore(MAX_CONCURRENT)
        return self._running

    # What the guest begins, and what is ended with it.

    def job(self, coroutine: Coroutine[Any, Any, T]) -> Job[T]:
        job = Job(coroutine)
        self._jobs.add(job)
        return job

    def timer(self, seconds: float) -> Timer:
        timer = Timer(seconds)
        self._jobs.add(timer)
        return timer

    def forget(self, pollable: Pollable) -> None:
        """The guest has dropped it."""
        if isinstance(pollable, Timer):
            pollable.cancel()
            self._jobs.discard(pollable)

    def reads(self, input: BodyInput) -> None:
        self._inputs.add(input)

    def writes(self, output: BodyOutput) -> None:
        if len(self._outputs) >= MAX_BODIES:
            raise TooMuchHeld(f"more than {MAX_BODIES} bodies of one visit")
        self._outputs.add(output)

    def copies(self, size: int) -> None:
        """So many bytes of fields were written or cloned."""
        self._copied += size
        if self._copied > MAX_FIELDS:
            raise TooMuchHeld(f"more than {MAX_FIELDS} bytes of fields in one visit")

    def hold(self, opened: Open) -> None:
        """A file or directory, to be closed at the end if not before."""
        self._files = [file for file in self._files if file.descriptor >= 0]
        if len(self._files) >= MAX_FILES:
            opened.close()
            raise OSError(errno.EMFILE, "too many open files")
        self._files.append(opened)

    @property
    def sockets(self) -> Held:
        if self._sockets is None:
            self._sockets = Held(self._refused)
        return self._sockets

    def _refused(self, what: str) -> None:
        self.print_line("stderr", what)

    def opened(self, stream: LinesOutput) -> None:
        """A stream to print to."""
        self._printers[stream] = None

    def closed(self, stream: LinesOutput) -> None:
        """The guest has dropped it."""
        self._printers.pop(stream, None)

    def print_line(self, stream: str, line: str) -> None:
        self._output(stream, line)

    # Its end.

    def has_content(self, status: int) -> bool:
        """RFC 9110 §6.4.1."""
        return self.request.method != "HEAD" and status not in (204, 304)

    def fail(self, error: ProxyError) -> None:
        """The guest has failed: so does what it has not finished."""
        for output in self._outputs:
            output.fail(error)

    def close(self) -> None:
        """The guest is gone."""
        if self._outputs:
            self.fail(unfinished())
        for printer in tuple(self._printers):
            printer.close(self)
        for file in self._files:
            file.close()
        if self._sockets is not None:
            self._sockets.close()
        for job in self._jobs:
            job.cancel()
        for input in self._inputs:
            input.end()


class Serving(Visit):
    """A visit to a component of 0.2, which is handed `incoming`. `answer`: the response, as soon as the guest has given
    its head. `left` is called when nobody reads the answer any more."""

    def __init__(self, request: Request, client: Client, output: Callable[[str, str], None]) -> None:
        super().__init__(request, client, output)
        self.incoming = IncomingRequest(request)
        self.reads(self.incoming.input)
        self.answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self.left: Callable[[], object] | None = None

    def respond(self, outcome: tuple[str, OutgoingResponse | ErrorCode]) -> None:
        """`response-outparam.set`."""
        if self.answer.done():
            return
        case, given = outcome
        if case == "err":
            assert isinstance(given, tuple)
            self.answer.set_exception(failure(given))
            return
        assert isinstance(given, OutgoingResponse)
        body = given.content() if self.has_content(given.status) else b""
        if given.output is not None:
            given.output.on_close = self._leave
        self.answer.set_result(Response(given.status, given.headers.fields, body))

    def _leave(self) -> None:
        if self.left is not None:
            self.left()

    def fail(self, error: ProxyError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
        super().fail(error)

    def close(self) -> None:
        super().close()
        if not self.answer.done():
            self.answer.set_exception(unfinished())
        if not self.answer.cancelled():
            self.answer.exception()  # which nobody may want any more


def too_many_subrequests() -> ProxyError:
    return ProxyError(errors.CONNECTION_LIMIT_REACHED, f"more than {MAX_SUBREQUESTS} requests of one component")


def unfinished() -> ProxyError:
    return ProxyError(errors.PROXY_INTERNAL_ERROR, "the component ended without a whole answer")


MAX_CONCURRENT = 8
"""Subrequests of one visit that are under way at once; more wait."""

MAX_FILES = 64
"""That one visit has open at once."""

MAX_SUBREQUESTS = 64
"""Of one visit, to origins and to the stages below together."""

MAX_BODIES = 2 * MAX_SUBREQUESTS
"""Of requests and responses that one visit begins to write. The host holds what was written of each, up to its
stream's bound, whether it is ever sent or not."""

MAX_FIELDS = 8 << 20
"""Bytes of fields that one visit writes and clones in all."""


class TooMuchHeld(Exception):
    """The guest makes the host keep more than it may."""
