"""What would make a request a hit."""

from __future__ import annotations

import pytest

from proxy.cache.advice import advice
from proxy.cache.policy import Refusal
from proxy.cache.status import Forward, collapsed, forwarded, hit, unstored


@pytest.mark.parametrize("refusal", Refusal)
def test_there_is_something_to_say_of_every_refusal(refusal: Refusal) -> None:
    assert advice(forwarded("pages", Forward.URI_MISS, refusal))


@pytest.mark.parametrize("detail", ["method", "request-body", "precondition", "exception", "head", "range"])
def test_and_of_every_other_reason_not_to_store(detail: str) -> None:
    assert advice(unstored("pages", Forward.BYPASS, detail))


def test_a_hit_needs_no_advice() -> None:
    assert advice(hit("pages", 3)) == ""


def test_what_is_stored_answers_the_next_one() -> None:
    for member in (forwarded("p", Forward.URI_MISS, None, ttl=60), collapsed("p", Forward.URI_MISS, 60)):
        assert advice(member).startswith("stored: for 60 s the next request")


def test_without_an_answer_there_is_nothing_to_store() -> None:
    assert advice(unstored("p", Forward.URI_MISS)) == "nothing was stored, as no answer came from below"
