"""The value, and what it makes of URLs."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cache.key import Key
from proxy.cache.purge import BadPurge, Purge, from_json
from proxy.cache.purged import REMEMBERED, Purged

texts = st.lists(st.sampled_from(["http://a.example/", "https://b.example:8443/x?y=1", "http://[::1]/%7e"]), max_size=3)


@given(urls=texts, tags=st.lists(st.text(min_size=1, max_size=5), max_size=3), prefixes=texts, soft=st.booleans())
def test_it_survives_the_way_to_another_process(
    urls: list[str], tags: list[str], prefixes: list[str], soft: bool
) -> None:
    purge = Purge(tuple(urls), tuple(tags), tuple(prefixes), True, soft, ("pages",))
    assert from_json(purge.to_json()) == purge


def test_urls_are_spelled_as_requests_are() -> None:
    purge = Purge(("HTTP://A.example:80/x/../%61?q=%41", "https://a.example", "http://a.example:81/"))
    assert list(purge.targets()) == [
        ("http", "a.example", "/a", "q=%41"),
        ("http", "a.example:80", "/a", "q=%41"),
        ("https", "a.example", "/", None),
        ("https", "a.example:443", "/", None),
        ("http", "a.example:81", "/", None),
    ]
    beginnings = Purge(prefixes=("http://A.example/%61/b%2", "http://a.example:1/x?a=")).beginnings()
    assert list(beginnings) == ["http://a.example/a/b%2", "http://a.example:80/a/b%2", "http://a.example:1/x?a="]


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ("", "no JSON"),
        ("[]", "an object"),
        ("{}", "nothing to purge"),
        ('{"soft": true}', "nothing to purge"),
        ('{"all": false}', "nothing to purge"),
        ('{"all": 1}', "true or false"),
        ('{"all": "yes"}', "true or false"),
        ('{"tag": ["x"]}', "there is no 'tag'"),
        ('{"tags": "x"}', "list of texts"),
        ('{"tags": [1]}', "list of texts"),
        ('{"tags": [""]}', "1 to"),
        ('{"urls": ["/x"]}', "not a URL"),
        ('{"urls": ["ftp://a.example/"]}', "not a URL"),
        ('{"urls": ["http://user@a.example/"]}', "not a URL"),
        ('{"urls": ["http://a.example/ x"]}', "no request line"),
        ('{"urls": ["http://a.example/#x"]}', "no request line"),
        ('{"urls": ["http://[/"]}', "not a URL"),
        ('{"prefixes": ["http://a.example"]}', "other hosts"),
        (json.dumps({"urls": ["http://a.example/" + "x" * 20_000]}), "not a URL"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_its_reason(told: str, why: str) -> None:
    with pytest.raises(BadPurge, match=why):
        from_json(told)


def test_what_is_written_down_is_bounded_once_entries_have_been_compared() -> None:
    purged = Purged()
    before = purged.mark()
    for i in range(3 * REMEMBERED):
        purged.add([("tag", str(i)), ("prefix", "http://a.example/" + "x" * (i % 50))])
    key: Key = ("http", "a.example", "/", None)
    other: Key = ("http", "b.example", "/", None)
    assert purged.stored(key, ("0",), before) is None
    purged.compared(purged.clock)
    assert len(purged._rules) <= REMEMBERED
    assert not purged.is_current(other, before, ())  # forgotten counts as purged
    assert purged.is_current(other, purged.mark(), ())
