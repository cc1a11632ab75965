"""What is so after an exchange, what should be, and where they differ.

Facts are flat, by the path they have under `expect:` of a case; so a difference is at the line of the file that says
otherwise.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from urllib.parse import urljoin

from proxy.config.errors import Path, quoted
from proxy.exchange import Request, Response
from proxy.workshop.cases import Case, ExpectedRequest, ExpectedResponse, show_observation

Value = str | int | bytes | tuple[str, ...] | None
"""A tuple holds field lines of one name, or what has no order."""

Facts = dict[Path, Value]


@dataclass(frozen=True, slots=True)
class Difference:
    """path: under `expect:` of the case. lines: what should be and what is, as text."""

    path: Path
    lines: tuple[str, ...]


def of_request(request: Request) -> Facts:
    facts: Facts = {
        ("request", "method"): request.method,
        ("request", "url"): f"{request.scheme}://{request.authority}{request.target}",
    }
    facts |= _headers("request", request.fields.lines)
    return facts | {("request", "notes", name): note for name, note in request.notes.items()}


def of_response(response: Response, body: bytes) -> Facts:
    facts: Facts = {("response", "status"): response.status, ("response", "body"): body}
    if response.tags:
        facts["response", "tags"] = response.tags
    return facts | _headers("response", response.fields.lines)


def _headers(message: str, lines: Iterable[tuple[bytes, bytes]]) -> Facts:
    found: dict[str, list[str]] = {}
    for name, value in lines:
        found.setdefault(name.decode(), []).append(value.decode("utf-8", "replace"))
    return {(message, "headers", name): tuple(values) for name, values in found.items()}


def named(case: Case) -> Facts:
    """What the case says must be."""
    expect = case.expect
    facts: Facts = {("error",): expect.error}
    if expect.verdict is not None:
        facts[("verdict",)] = expect.verdict
    if expect.reads is not None:
        facts[("reads",)] = tuple(sorted(map(show_observation, expect.reads)))
    if expect.log is not None:
        facts[("log",)] = tuple(expect.log)
    if expect.request is not None:
        facts |= _named_of_request(expect.request, case.request.url)
    if expect.response is not None:
        facts |= _named_of_response(expect.response)
    return facts


def _named_of_request(expected: ExpectedRequest, url: str) -> Facts:
    facts = _expected_headers("request", expected.headers)
    facts |= {("request", "notes", name): note for name, note in expected.notes.items()}
    if expected.method is not None:
        facts["request", "method"] = expected.method
    if expected.url is not None:
        facts["request", "url"] = urljoin(url, expected.url)
    return facts


def _named_of_response(expected: ExpectedResponse) -> Facts:
    facts = _expected_headers("response", expected.headers)
    if expected.status is not None:
        facts["response", "status"] = expected.status
    if expected.body is not None:
        facts["response", "body"] = expected.body
    if expected.tags is not None:
        facts["response", "tags"] = tuple(expected.tags) or None
    return facts


def _expected_headers(message: str, headers: Mapping[str, list[str] | None]) -> Facts:
    return {(message, "headers", name): None if lines is None else tuple(lines) for name, lines in headers.items()}


def differences(case: Case, given: Facts, found: Facts) -> list[Difference]:
    """Where what is found is not what the case expects. `given`: of the request and the response of the case."""
    should = named(case)
    if found.get(("error",)) is not None and should["error",] is None:
        return [Difference(("error",), _told(None, found["error",]))]  # all else follows from it
    closed = set()  # where what is not named must be as given
    if case.expect.request is not None and ("request", "method") in found:
        closed.add("request")
    if case.expect.response is not None and found.get(("verdict",)) == "next":
        closed.add("response")
    should = {path: value for path, value in given.items() if path[0] in closed} | should
    seen = {path: value for path, value in found.items() if path[0] in closed and path[-1] != "content-length"}
    paths = dict.fromkeys([*should, *seen])
    return [
        Difference(path, _told(should.get(path), found.get(path)))
        for path in paths
        if not _agrees(path, should.get(path), found.get(path))
    ]


def contradictions(one: Facts, other: Facts, names: tuple[str, str]) -> list[Difference]:
    """Where two runs that should have come out the same did not. `names`: what they are called."""
    width = max(map(len, names))
    return [
        Difference(
            path,
            tuple(f"{name:{width}}  {_shown(run.get(path))}" for name, run in zip(names, (one, other), strict=True)),
        )
        for path in dict.fromkeys([*one, *other])
        if one.get(path) != other.get(path)
    ]


def _agrees(path: Path, should: Value, found: Value) -> bool:
    if path == ("error",):
        return should == found or (isinstance(should, str) and isinstance(found, str) and should in found)
    if isinstance(should, tuple) and isinstance(found, tuple) and len(should) == 1 and "headers" in path:
        return should == (", ".join(found),) or should == found  # RFC 9110 §5.3: lines of one name are one list
    return should == found


def _told(should: Value, found: Value) -> tuple[str, ...]:
    if isinstance(should, bytes) and isinstance(found, bytes) and (b"\n" in should or b"\n" in found):
        return tuple(_diff(_text(should), _text(found)))
    if isinstance(should, tuple) and isinstance(found, tuple) and max(len(should), len(found)) > 1:
        return tuple(_diff(should, found))
    return f"expected  {_shown(should)}", f"got       {_shown(found)}"


def _text(body: bytes) -> list[str]:
    return _decoded(body).splitlines(keepends=True)


def _diff(should: Sequence[str], found: Sequence[str]) -> Iterator[str]:
    """All lines, those that should be and are not with -, those that are and should not be with +."""
    yield "expected (-) and got (+)"
    context = max(len(should), len(found))
    for line in list(unified_diff(should, found, n=context, lineterm=""))[3:]:
        yield line[0] + " " + quoted(line[1:])


def _shown(value: Value) -> str:
    match value:
        case None:
            return "nothing"
        case int():
            return str(value)
        case tuple():
            return ", ".join(quoted(each) for each in value) or "nothing"
        case bytes():
            return quoted(_decoded(value))
        case _:
            return quoted(value)


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return f"base64: {b64encode(body).decode()}"
