"""What is known is at most so much."""

from __future__ import annotations

from proxy.http.known import Known


def test_all_is_forgotten_but_what_is_always_known() -> None:
    known = Known(3, {"a": 1})
    known.keep("b", 2)
    known.keep("c", 3)
    assert known == {"a": 1, "b": 2, "c": 3}
    known.keep("d", 4)
    assert known == {"a": 1, "d": 4}


def test_nothing_is_always_known_unless_it_is_said() -> None:
    known: Known[str, int] = Known(1)
    known.keep("a", 1)
    known.keep("b", 2)
    assert known == {"b": 2}
