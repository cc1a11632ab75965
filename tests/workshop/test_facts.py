"""What differs, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.workshop.cases import Case
from proxy.workshop.facts import Facts, contradictions, differences

GIVEN: Facts = {
    ("request", "method"): "GET",
    ("request", "url"): "http://www.example.com/",
    ("request", "headers", "accept"): ("text/html",),
    ("response", "status"): 200,
    ("response", "headers", "vary"): ("accept",),
    ("response", "body"): b"text",
}
UNCHANGED: Facts = {**GIVEN, ("verdict",): "next", ("error",): None, ("reads",): (), ("log",): ()}


def found(case: dict[str, Any], **changed: Any) -> dict[str, tuple[str, ...]]:
    """The differences, where what is found is as it was given but for `changed` (__ stands for a step of the path)."""
    otherwise: Facts = {tuple(path.split("__")): value for path, value in changed.items()}
    facts = UNCHANGED | otherwise
    case_ = Case.model_validate({"name": "a", "expect": case})
    return {".".join(map(str, each.path)): each.lines for each in differences(case_, GIVEN, facts)}


def test_nothing_is_expected() -> None:
    assert found({}, request__url="http://elsewhere/", response__status=500, verdict="reply") == {}


def test_what_is_not_named_must_be_as_it_was() -> None:
    changed = {"request__headers__accept": None, "request__headers__x": ("1",), "request__notes__n": "v"}
    assert found({"request": {}}, **changed) == {
        "request.headers.accept": ('expected  "text/html"', "got       nothing"),
        "request.headers.x": ("expected  nothing", 'got       "1"'),
        "request.notes.n": ("expected  nothing", 'got       "v"'),
    }
    assert found({"request": {"headers": {"accept": None, "x": "1"}, "notes": {"n": "v"}}}, **changed) == {}


def test_of_a_reply_only_what_is_named_counts() -> None:
    assert found({"response": {"status": 401}}, verdict="reply", response__status=401, response__body=b"no") == {}


def test_lines_of_one_field_are_one_list() -> None:
    lines = {"response__headers__vary": ("accept", "origin")}
    assert found({"response": {"headers": {"vary": "accept, origin"}}}, **lines) == {}
    assert found({"response": {"headers": {"vary": ["accept", "origin"]}}}, **lines) == {}
    assert found({"response": {"headers": {"vary": ["origin", "accept"]}}}, **lines) != {}


def test_content_length_counts_only_when_named() -> None:
    length = {"response__headers__content-length": ("4",)}
    assert found({"response": {}}, **length) == {}
    assert found({"response": {"headers": {"content-length": None}}}, **length) != {}


@pytest.mark.parametrize(
    ("should", "agrees"), [(None, False), ("unreachable", True), ("executed", True), ("time", False)]
)
def test_errors_are_found_in_the_message(should: str | None, agrees: bool) -> None:
    case = {} if should is None else {"error": should}
    assert (found(case, error="unreachable executed") == {}) is agrees


def test_an_error_hides_what_follows_from_it() -> None:
    assert list(found({"verdict": "next", "request": {}}, error="trap", verdict=None)) == ["error"]


def test_an_error_that_does_not_come() -> None:
    assert found({"error": "trap"}) == {"error": ('expected  "trap"', "got       nothing")}


def test_bodies_of_bytes() -> None:
    assert found({"response": {"body": {"base64": "/w=="}}}, response__body=b"\xfe") == {
        "response.body": ('expected  "base64: /w=="', 'got       "base64: /g=="')
    }


def test_long_bodies_are_compared_by_line() -> None:
    should, got = ("".join(f"{n}\n" for n in (1, 2, *more)) for more in ((3,), (4, 5)))
    assert found({"response": {"body": should}}, response__body=got.encode())["response.body"] == (
        "expected (-) and got (+)", '  "1\\n"', '  "2\\n"', '- "3\\n"', '+ "4\\n"', '+ "5\\n"',
    )  # fmt: skip


def test_a_memory_that_is_wrong() -> None:
    wrong: Facts = {**UNCHANGED, ("request", "headers", "x"): ("1",)}
    (difference,) = contradictions(UNCHANGED, wrong, ("live", "remembered"))
    assert difference.path == ("request", "headers", "x")
    assert difference.lines == ("live        nothing", 'remembered  "1"')
    assert contradictions(UNCHANGED, UNCHANGED, ("live", "remembered")) == []
