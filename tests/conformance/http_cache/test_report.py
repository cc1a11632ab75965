"""How the results of the suite are counted."""

from __future__ import annotations

import pytest

from tests.conformance.http_cache.__main__ import EXPECTED_FAILURES, Result, expected_failures, report, unmet


def results(*tests: tuple[str, str, tuple[str, ...], str | None]) -> dict[str, Result]:
    return {id: Result(id, "group", kind, needs, failure) for id, kind, needs, failure in tests}


def test_a_test_whose_prerequisites_fail_does_not_count() -> None:
    tests = results(("a", "check", (), "no"), ("b", "required", ("a",), None), ("c", "required", ("b",), None))
    assert [unmet(tests, id) for id in "abc"] == ["a", "a", "a"]
    assert not report(tests, {})
    assert report(tests, {"a": "because"})


def test_totals(capsys: pytest.CaptureFixture[str]) -> None:
    tests = results(
        ("a", "required", (), None), ("b", "required", (), "is 502"), ("c", "optimal", (), "no"),
        ("d", "check", (), "no"),
    )  # fmt: skip
    assert not report(tests, {"b": "it is broken"})
    assert capsys.readouterr().out.splitlines() == [
        "expected: required group/b", "    is 502", "    it is broken",
        "UNEXPECTED: optimal group/c", "    no",
        "required: 1 of 2", "optimal: 0 of 1", "check: 0 of 1", "1 passed, 1 failed",
    ]  # fmt: skip


def test_every_expected_failure_has_a_reason() -> None:
    assert expected_failures(EXPECTED_FAILURES.read_text())
    with pytest.raises(ValueError, match="gives no reason"):
        expected_failures("a because\nb\n")
