"""When names are looked up again."""

from __future__ import annotations

from proxy.upstream.names import LONGEST_TTL, SHORTEST_TTL, Answer, Name, preferred


def test_when_the_answer_is_too_old() -> None:
    name = Name()
    name.answered(Answer(("10.0.0.1",), 30), 100)
    assert (name.addresses, name.due) == (("10.0.0.1",), 130)


def test_within_reason() -> None:
    name = Name()
    name.answered(Answer(("10.0.0.1",), 0), 100)
    assert name.due == 100 + SHORTEST_TTL
    name.answered(Answer(("10.0.0.1",), 1e9), 100)
    assert name.due == 100 + LONGEST_TTL


def test_a_failure_keeps_the_old_addresses_and_is_tried_again_less_and_less() -> None:
    name = Name()
    name.answered(Answer(("10.0.0.1",), 30), 0)
    pauses = []
    for _ in range(7):
        name.failed(0)
        pauses.append(name.due)
    assert name.addresses == ("10.0.0.1",)
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    name.answered(Answer(("10.0.0.2",), 30), 0)
    name.failed(0)
    assert name.due == 1


def test_addresses_of_one_kind_in_an_order_that_answers_do_not_change() -> None:
    assert preferred(["::1", "10.0.0.2", "10.0.0.1", "10.0.0.2"]) == ("10.0.0.1", "10.0.0.2")
    assert preferred(["fe80::2", "::1"]) == ("::1", "fe80::2")
