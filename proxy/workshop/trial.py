"""Whether a case comes out as it says, and the same when it is answered from the memo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from proxy.config.model import Filter as Declared
from proxy.sandbox import Engine
from proxy.workshop import facts
from proxy.workshop.cases import Case, CaseFile
from proxy.workshop.exchanges import request_of, response_of, run
from proxy.workshop.facts import Difference


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a case. remembered: its second run was answered, in whole or in part, from the memo. said: what was
    logged during the first, by the filter and of its failure."""

    differences: Sequence[Difference]
    remembered: bool
    said: Sequence[str]

    @property
    def passed(self) -> bool:
        return not self.differences


def try_case(file: CaseFile, index: int, engine: Engine) -> Trial:
    """Runs a case of a file twice, in a program of its own: the second run is answered from the memo where the filter
    permits, and must come out the same. Raises ConfigErrors when the component is none for this proxy."""
    case = file.suite.cases[index]
    (live, again), remembered = run(file, declared(file, case), [case, case], engine)
    given = facts.of_request(request_of(case)) | facts.of_response(response_of(case), _whole_body(case))
    different = facts.differences(case, given, live.facts)
    if remembered:
        different += facts.contradictions(live.facts, again.facts, ("live", "remembered"))
    return Trial(different, remembered, live.said)


def declared(file: CaseFile, case: Case) -> Declared:
    """The component as the case has it."""
    filter = file.suite.filter
    return filter if case.config is None else filter.model_copy(update={"config": case.config})


def _whole_body(case: Case) -> bytes:
    body = case.response.body
    return body if isinstance(body, bytes) else b"".join(body)
