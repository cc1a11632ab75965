"""One exchange through one filter: its steps (`on-request`, `on-response`, `open`), remembered or run.

A step is first looked up in the memo. Only when it is not there is an instance made; the steps that came before it
in this exchange are then run again in it, on the same messages, so that the guest is in the state it would have been
in. (They were pure, or they would not have been remembered: running them again does the same.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from proxy.component import ExportFunc, Instance
from proxy.exchange import Request, Response
from proxy.exchange.observation import Observation, Value, observed, value_of, written
from proxy.sluice import edits
from proxy.sluice.memo import Leaf, Root
from proxy.sluice.program import Program
from proxy.sluice.run import Run

Step = Callable[[Program, Instance], Any]


class Session:
    """request, response: as this filter leaves them. remembered, ran: how many steps came from the memo, and how many
    entered Wasm. Whoever makes a session closes it."""

    __slots__ = (
        "_before", "_failed", "_given", "_instance", "_program", "_response_given", "_root", "_run", "_story", "ran",
        "remembered", "request", "response",
    )  # fmt: skip

    def __init__(self, program: Program, request: Request) -> None:
        self._program = program
        self.request = self._given = request
        self.response: Response | None = None
        self._response_given: Response | None = None
        self._root: Root | None = program.memo.root if program.memo is not None else None
        self._instance: Instance | None = None
        self._run: Run | None = None
        self._before: list[Step] = []
        self._failed = False
        self.ran = self.remembered = 0
        self._story: list[dict[str, Any]] | None = None if request.exchange.trace is None else []

    def on_request(self) -> Response | None:
        """The filter's reply, or None: the stages below are to be asked, with `request`."""
        if self._program.on_request is None:
            return None
        reply: Response | None = self._step(_on_request)
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
        if self._program.on_response is not None:
            self._step(_on_response)

    def open_body(self) -> bool:
        """Does the filter want to transform the body? After `on_response`."""
        return self._program.body is not None and bool(self._step(_open_body))

    def push(self, chunk: bytes) -> bytes:
        """A chunk of the body, transformed. After `open_body` said True."""
        return self._body_step(1, chunk)

    def finish(self) -> bytes:
        """What is left after the last chunk."""
        return self._body_step(2)

    def close(self) -> None:
        if self._instance is not None:
            self._program.release(self._instance, healthy=not self._failed)
            self._instance = None

    def story(self) -> dict[str, Any]:
        """What happened, for `sluice explain`: the steps with their reads and edits."""
        return {
            "stage": "filter", "name": self._program.name, "steps": self._story or [], "remembered": self.remembered,
            "ran": self.ran,
        }  # fmt: skip

    def _step(self, step: Step) -> Any:
        memo = self._program.memo
        if self._instance is None and self._root is not None and memo is not None:
            leaf = memo.recall(self._root, self._given, self._response_given)
            if leaf is not None:
                self.remembered += 1
                self._before.append(step)
                self._root = leaf.next
                self._apply(leaf)
                if self._story is not None:
                    reads = {read: value_of(self._given, read) for read in leaf.reads}
                    self._story.append(_told(step, reads, leaf.request_edits, leaf.response_edits, leaf.result))
                return leaf.result
        run = self._live()
        run.begin()
        result = self._call(step)
        self._before.append(step)
        self.request = run.request
        if run.response is not None:
            self.response = run.response
        if self._story is not None:
            self._story.append(_told(step, run.reads, run.request_edits, run.response_edits, result))
        if self._root is not None and memo is not None:
            known = None
            if run.pure:
                leaf = Leaf(result, run.reads, run.request_edits, run.response_edits, run.sources)
                known = memo.remember(self._root, run.reads, leaf)
            self._root = known.next if known is not None else None
        return result

    def _apply(self, leaf: Leaf) -> None:
        """Do what the remembered step did."""
        if self._given.observers:
            for observation in leaf.reads:
                observed(self._given, observation)
        if leaf.request_edits:
            request = self.request.copy() if self.request is self._given else self.request
            for edit, arguments in leaf.request_edits:
                edit(request, *arguments)
            if request.observers:
                written(request, leaf.sources)
            self.request = request
        if leaf.response_edits and self.response is not None:
            response = self.response.copy() if self.response is self._response_given else self.response
            for edit, arguments in leaf.response_edits:
                edit(response, *arguments)
            self.response = response

    def _live(self) -> Run:
        """The run of a live instance, which has been through the steps before this one."""
        if self._run is not None:
            return self._run
        run = self._run = Run(self._given, self._program.settings, self._program.guest_log)
        self._instance = self._program.instance(run)
        for step in self._before:
            if step is not _on_request and run.response is None and self._response_given is not None:
                run.give_response(self._response_given)
            self._call(step)
        if run.response is None and self._response_given is not None:
            run.give_response(self._response_given)
        return run

    def _call(self, step: Step) -> Any:
        assert self._instance is not None
        self.ran += 1
        try:
            return step(self._program, self._instance)
        except BaseException:
            self._failed = True
            raise

    def _body_step(self, function: int, *arguments: bytes) -> bytes:
        run = self._live()
        run.begin()
        transformed: bytes = self._call(lambda program, instance: _body(program)[function](instance, *arguments))
        return transformed


def _on_request(program: Program, instance: Instance) -> Response | None:
    assert program.on_request is not None
    verdict, reply = program.on_request(instance)
    return edits.reply(reply) if verdict == "reply" else None


def _on_response(program: Program, instance: Instance) -> None:
    assert program.on_response is not None
    program.on_response(instance)


def _open_body(program: Program, instance: Instance) -> bool:
    return bool(_body(program)[0](instance))


def _body(program: Program) -> tuple[ExportFunc, ExportFunc, ExportFunc]:
    assert program.body is not None
    return program.body


def _told(
    step: Step,
    reads: Mapping[Observation, Value],
    request_edits: Iterable[edits.Edit],
    response_edits: Iterable[edits.Edit],
    result: Any,
) -> dict[str, Any]:
    verdict = f"reply {result.status}" if isinstance(result, Response) else result
    return {
        "step": step.__name__.strip("_").replace("_", "-"),
        "read": [(accessor, argument, value) for (accessor, argument), value in reads.items()],
        "wrote": [_edit_told("request", edit) for edit in request_edits]
        + [_edit_told("response", edit) for edit in response_edits],
        "verdict": verdict,
    }


def _edit_told(message: str, edit: edits.Edit) -> str:
    function, arguments = edit
    told = [argument.decode("utf-8", "replace") if isinstance(argument, bytes) else argument for argument in arguments]
    return f"{message}: {function.__name__.replace('_', '-')} {' '.join(map(str, told))}"
