"""One exchange through one filter: its steps (`on-request`, `on-response`, `open`), remembered or run.

A step is first looked up in the memo. Only when it is not there is an instance made; the steps that came before it
in this exchange are then run again in it, on the same messages, so that the guest is in the state it would have been
in. (They were pure, or they would not have been remembered: running them again does the same.)
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import Any, Final

from proxy.exchange import Request, Response
from proxy.exchange.observation import observed, value_of, written
from proxy.exchange.story import FilterStory, Sample, StepStory, head_of
from proxy.sluice.memo import Leaf, Root
from proxy.sluice.program import Program
from proxy.sluice.run import Run
from proxy.sluice.seat import Seat
from proxy.sluice.steps import Step
from proxy.sluice.telling import FAILED, Edited, told

_now: Final = perf_counter_ns


class Session:
    """request, response: as this filter leaves them. remembered, ran: how many steps came from the memo, and how many
    entered Wasm. spent: nanoseconds of those, with what it took to make an instance. story: what is told of it, if that
    was asked for. Whoever makes a session closes it."""

    __slots__ = (
        "_done", "_failed", "_given", "_program", "_response_given", "_root", "_run", "_seat", "ran", "remembered",
        "request", "response", "spent", "story",
    )  # fmt: skip

    def __init__(self, program: Program, request: Request) -> None:
        self._program = program
        self.request = self._given = request
        self.response: Response | None = None
        self._response_given: Response | None = None
        self._root: Root | None = program.memo.root if program.memo is not None else None
        self._seat: Seat | None = None
        self._run: Run | None = None
        self._done = 0
        self._failed = False
        self.ran = self.remembered = self.spent = 0
        self.story: FilterStory | None = None
        if request.exchange.trace is not None:
            self.story = FilterStory(program.name)
            request.exchange.trace.append(self.story)

    def on_request(self) -> Response | None:
        """The filter's reply, or None: the stages below are to be asked, with `request`."""
        step = self._program.on_request
        if step is None:
            return None
        reply: Response | None = self._step(step)
        if reply is None:
            return None
        # The remembered reply is nobody's to change, and the answer to HEAD has no body (RFC 9110 §9.3.2).
        answer = reply.copy()
        if self._given.method == "HEAD":
            answer.body = b""
        return answer

    def on_response(self, response: Response) -> None:
        """The stages below have answered; what the filter makes of it is in `response`."""
        self.response = self._response_given = response
        if self._run is not None:
            self._run.give_response(response)
        step = self._program.on_response
        if step is not None:
            self._step(step)

    def open_body(self) -> bool:
        """Does the filter want to transform the body? After `on_response`."""
        step = self._program.open
        return step is not None and bool(self._step(step))

    def push(self, chunk: bytes) -> bytes:
        """A chunk of the body, transformed. After `open_body` said True."""
        return self._body_step(0, chunk)

    def finish(self) -> bytes:
        """What is left after the last chunk."""
        return self._body_step(1)

    def close(self) -> None:
        if self._seat is not None:
            self._program.release(self._seat, healthy=not self._failed)
            self._seat = None

    def _step(self, step: Step) -> Any:
        memo = self._program.memo
        if self._seat is None and self._root is not None and memo is not None:
            started = 0 if self.story is None else _now()
            leaf = memo.recall(self._root, self._given, self._response_given)
            if leaf is not None:
                self.remembered += 1
                self._done += 1
                self._root = leaf.next
                self._apply(leaf)
                if self.story is not None:
                    reads = {read: value_of(self._given, read) for read in leaf.reads}
                    edited: Edited = leaf.request_edits.edits, leaf.response_edits.edits
                    self._tell(self.story, told(step, leaf.result, reads, edited, started, remembered=True))
                return leaf.result
        started = _now()
        try:
            return self._live_step(step, started)
        finally:
            self.spent += _now() - started

    def _live_step(self, step: Step, started: int) -> Any:
        run = self._begun()
        try:
            result = self._call(step, run)
        except BaseException:
            if self.story is not None:
                edited: Edited = run.request_edits, run.response_edits
                self._tell(self.story, told(step, FAILED, run.reads, edited, started, remembered=False))
            raise
        self._done += 1
        self.request = run.request
        if run.response is not None:
            self.response = run.response
        if self.story is not None:
            edited = run.request_edits, run.response_edits
            self._tell(self.story, told(step, result, run.reads, edited, started, remembered=False))
        if self._root is not None:
            self._remember(run, result)
        return result

    def _remember(self, run: Run, result: Any) -> None:
        """A pure step, so that it need not be run for the next request that looks the same."""
        memo = self._program.memo
        if self._root is not None and memo is not None:
            known = None
            if run.pure:
                leaf = Leaf(result, run.reads, run.request_edits, run.response_edits)
                known = memo.remember(self._root, run.reads, leaf)
            self._root = known.next if known is not None else None

    def _tell(self, story: FilterStory, step: StepStory) -> None:
        story.steps.append(step)
        story.request = head_of(self._given), head_of(self.request)
        if self._response_given is not None and self.response is not None:
            story.response = head_of(self._response_given), head_of(self.response)

    def _apply(self, leaf: Leaf) -> None:
        """Do what the remembered step did."""
        if self._given.observers:
            for observation in leaf.reads:
                observed(self._given, observation)
        edits = leaf.request_edits
        if edits.edits:
            self.request = edits.request(self.request)
            if self.request.observers:
                written(self.request, edits.sources)
        edits = leaf.response_edits
        if edits.edits and self.response is not None:
            self.response = edits.response(self.response)

    def _begun(self) -> Run:
        """The run, for another step."""
        run = self._run
        if run is None:
            run = self._live()
            if not self._done:
                return run  # and nothing is recorded in it yet
        run.begin()
        return run

    def _live(self) -> Run:
        """Makes the run of a live instance, which then has been through the steps before this one."""
        run = self._run = Run(self._given, self._program.settings, self._program.guest_log)
        run.told = None if self.story is None else self.story.log
        self._seat = self._program.seat(run)
        for step in self._program.steps[: self._done]:
            if step is not self._program.on_request and run.response is None and self._response_given is not None:
                run.give_response(self._response_given)
            self._call(step, run)
        if run.response is None and self._response_given is not None:
            run.give_response(self._response_given)
        return run

    def _call(self, step: Step, run: Run) -> Any:
        assert self._seat is not None
        self.ran += 1
        try:
            return step(run, self._seat)
        except BaseException:
            self._failed = True
            raise

    def _body_step(self, function: int, *arguments: bytes) -> bytes:
        started = _now()
        try:
            transformed = self._transformed(function, arguments)
        finally:
            spent = _now() - started
            self.spent += spent
        if self.story is not None:
            self.story.body = self.story.body or (Sample(), Sample())
            self.story.body[0].add(b"".join(arguments))
            self.story.body[1].add(transformed)
            self.story.body_microseconds += spent // 1000
        return transformed

    def _transformed(self, function: int, arguments: tuple[bytes, ...]) -> bytes:
        self._begun()
        body, seat = self._program.body, self._seat
        assert body is not None
        assert seat is not None
        self.ran += 1
        seat.close()
        try:
            transformed: bytes = body[function](seat.instance, *arguments)
        except BaseException:
            self._failed = True
            raise
        return transformed
