"""Values of every type, through all four conversions of the canonical ABI (proxy.component.abi)."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.component import HostInterface, decode, link
from proxy.component import types as t
from proxy.sandbox import Engine, Limits
from tests.component.echo import echo_component


class Echo:
    """Calls the echo component of some types, and keeps what the host function was given."""

    def __init__(self, engine: Engine, kinds: list[t.ValueType], encoding: str = "utf8") -> None:
        self.seen: list[tuple[Any, ...]] = []
        component = decode(echo_component(kinds, encoding))
        host = HostInterface({"echo": self.host})
        self.linked = link(component, engine, {"": host}, Limits(time=5))

    def host(self, data: object, *args: Any) -> Any:
        self.seen.append(args)
        return args[0] if len(args) == 1 else args

    def __call__(self, *args: Any) -> Any:
        instance = self.linked.instantiate(None)
        result = self.linked.exports[""]["echo"](instance, *args)
        instance.close()
        assert same(self.seen[-1], args)
        return result


def same(one: Any, other: Any) -> bool:
    """Equality in which NaN is NaN and types count."""
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


FIXED: list[tuple[t.ValueType, list[Any]]] = [
    (t.BOOL, [True, False]),
    (t.S8, [-128, 127, 0]),
    (t.U8, [0, 255]),
    (t.S16, [-32768, 32767]),
    (t.U16, [0, 65535]),
    (t.S32, [-(1 << 31), (1 << 31) - 1]),
    (t.U32, [0, (1 << 32) - 1]),
    (t.S64, [-(1 << 63), (1 << 63) - 1]),
    (t.U64, [0, (1 << 64) - 1]),
    (t.F32, [0.0, -1.5, math.inf, math.nan]),
    (t.F64, [0.1, -math.inf, math.nan]),
    (t.CHAR, ["a", "\u00e9", "\U0001f40c", "\ud7ff", "\ue000"]),
    (t.STRING, ["", "plain", "na\u00efve", "\U0001f40c\u0000\uffff"]),
    (t.List(t.U8), [b"", bytes(range(256))]),
    (t.List(t.STRING), [[], ["a", "", "ccc"]]),
    (t.List(t.Tuple((t.STRING, t.STRING))), [[("accept", "*/*"), ("host", "a.example")]]),
    (t.Option(t.STRING), [None, "", "x"]),
    (t.Option(t.Option(t.U8)), [None, ("some", None), ("some", 7)]),
    (t.Result(None, None), [("ok", None), ("err", None)]),
    (t.Result(t.U64, t.STRING), [("ok", 1 << 40), ("err", "no")]),
    (t.Result(t.F32, t.F64), [("ok", 1.5), ("err", 0.1), ("ok", math.nan)]),
    (t.Enum(("a", "b", "c")), ["a", "c"]),
    (t.Enum(tuple(f"e{index}" for index in range(300))), ["e0", "e255", "e256", "e299"]),
    (t.Flags(("r", "w", "x")), [frozenset(), frozenset({"r", "x"})]),
    (t.Flags(tuple(f"f{index}" for index in range(32))), [frozenset({"f0", "f31"}), frozenset({"f15", "f16"})]),
    (t.Record((("status", t.U16), ("body", t.List(t.U8)))), [{"status": 200, "body": b"hi"}]),
    (t.Variant((("next", None), ("reply", t.STRING), ("n", t.F64))), [("next", None), ("reply", "x"), ("n", 0.5)]),
    (t.Variant((("a", t.F32), ("b", t.U64), ("c", t.Tuple((t.U8, t.F64))))), [("a", 2.5), ("b", 9), ("c", (1, 0.25))]),
    (t.Tuple((t.U8, t.U64, t.U8)), [(1, 1 << 60, 2)]),
    (
        t.Record((("a", t.U8), ("v", t.Option(t.U8)), ("b", t.U32))),
        [{"a": 1, "v": 255, "b": 7}, {"a": 1, "v": None, "b": 0}],
    ),
    (t.List(t.List(t.List(t.BOOL))), [[], [[]], [[[True, False], []], []]]),
    (t.List(t.Option(t.CHAR)), [["x", None, "\u00e9"]]),
    (t.List(t.S8), [[-1, 2, -128]]),
    (t.List(t.U64), [[0, (1 << 64) - 1]]),
    (t.List(t.F32), [[0.5, -math.inf, math.nan]]),
    (t.Map(t.STRING, t.List(t.U8)), [[], [("k", b"1"), ("k", b"2"), ("", b"")]]),
    (t.List(t.U16, 3), [[1, 2, 3]]),
    (t.List(t.STRING, 3), [["a", "", "b"]]),
    (t.List(t.U8, 1000), [[number % 256 for number in range(1000)]]),
    (t.List(t.Option(t.STRING), 20), [[None, "x"] * 10]),
    (
        t.List(t.Tuple((t.U8, t.List(t.List(t.U16, 17), 18), t.U8))),
        [[], [(1, [[2] * 16 + [3]] * 18, 4), (5, [[6] * 17] * 18, 7)]],
    ),
]


@pytest.mark.parametrize(
    ("kind", "values"), FIXED, ids=lambda part: str(part)[:40] if not isinstance(part, list) else ""
)
def test_a_value_of_each_type_survives(engine: Engine, kind: t.ValueType, values: list[Any]) -> None:
    echo = Echo(engine, [kind])
    for value in values:
        assert same(echo(value), value)


def test_parameters_beyond_sixteen_go_through_memory(engine: Engine) -> None:
    echo = Echo(engine, [t.U8, t.STRING, t.U64] * 6)
    values = (1, "text", 1 << 50) * 6
    assert echo(*values) == values


@pytest.mark.parametrize("length", [3, 30])
def test_a_list_of_another_length_than_its_type_says_is_a_type_error(engine: Engine, length: int) -> None:
    with pytest.raises(TypeError):
        Echo(engine, [t.List(t.U8, length)])([1] * (length - 1))


@pytest.mark.parametrize("encoding", ["utf8", "utf16", "latin1+utf16"])
@pytest.mark.parametrize("text", ["", "ascii", "caf\u00e9", "\u4f60\u597d", "\U0001f40c", "\u00e9\U0001f40c" * 100])
def test_strings_in_each_encoding(engine: Engine, encoding: str, text: str) -> None:
    assert Echo(engine, [t.STRING], encoding)(text) == text
    assert Echo(engine, [t.List(t.STRING)], encoding)([text, text]) == [text, text]


@pytest.mark.parametrize("count", [0, 1, 3, 4, 31, 63, 64, 200])
def test_many_strings(engine: Engine, count: int) -> None:
    """Up to a few are lowered one by one, more in batches."""
    words = [f"word {index} " * (index % 5) for index in range(count)]
    pairs = [(word, word.encode()) for word in words]
    named = [{"name": word, "value": word.upper()} for word in words]
    assert Echo(engine, [t.List(t.STRING)])(words) == words
    assert Echo(engine, [t.List(t.Tuple((t.STRING, t.List(t.U8))))])(pairs) == pairs
    assert Echo(engine, [t.List(t.Record((("name", t.STRING), ("value", t.STRING))))])(named) == named
    assert Echo(engine, [t.List(t.List(t.STRING))])([words, words]) == [words, words]


def test_many_strings_and_one_that_is_none(engine: Engine) -> None:
    with pytest.raises(TypeError):
        Echo(engine, [t.List(t.STRING)])(["a"] * 9 + [b"b"])
    with pytest.raises(TypeError):
        Echo(engine, [t.List(t.List(t.U8))])([b"a"] * 9 + ["b"])


def test_lists_nested_deeper_than_python_blocks_may_be(engine: Engine) -> None:
    kind: t.ValueType = t.STRING
    value: Any = "deep"
    for _ in range(40):
        kind, value = t.List(kind), [value]
    assert Echo(engine, [kind])(value) == value


def test_options_nested_to_the_bound_of_types(engine: Engine) -> None:
    kind: t.ValueType = t.Option(t.U8)
    value: Any = 5
    for _ in range(t.MAX_DEPTH - 3):
        kind, value = t.Option(kind), ("some", value)
    assert Echo(engine, [kind])(value) == value
    with pytest.raises(t.TypeTooLarge):
        t.FuncType((("a", t.Option(kind)),), None)


BAD: list[tuple[t.ValueType, Any]] = [
    (t.U8, 256),
    (t.U8, -1),
    (t.S8, 128),
    (t.U32, 1 << 32),
    (t.U32, 1.5),
    (t.U64, "1"),
    (t.F32, 1e300),
    (t.F64, "x"),
    (t.CHAR, "ab"),
    (t.CHAR, "\ud800"),
    (t.STRING, b"bytes"),
    (t.STRING, "\ud800"),
    (t.List(t.U8), "text"),
    (t.List(t.U8), [1, 2]),
    (t.List(t.U32), [1, -1]),
    (t.List(t.STRING), 5),
    (t.Tuple((t.U8, t.U8)), (1, 2, 3)),
    (t.Record((("a", t.U8),)), {"b": 1}),
    (t.Enum(("a",)), "b"),
    (t.Flags(("a",)), frozenset({"b"})),
    (t.Variant((("a", None), ("b", t.U8))), ("c", None)),
    (t.Option(t.Option(t.U8)), 5),
    (t.Result(t.U8, None), ("fail", 1)),
]


@pytest.mark.parametrize(("kind", "value"), BAD, ids=str)
def test_an_argument_of_another_type_is_a_type_error(engine: Engine, kind: t.ValueType, value: Any) -> None:
    echo = Echo(engine, [kind])
    with pytest.raises(TypeError, match="an argument of echo is not of its type"):
        echo(value)


def test_after_a_bad_argument_the_instance_still_works(engine: Engine) -> None:
    echo = Echo(engine, [t.STRING])
    instance = echo.linked.instantiate(None)
    with pytest.raises(TypeError):
        echo.linked.exports[""]["echo"](instance, 5)
    assert echo.linked.exports[""]["echo"](instance, "five") == "five"


LABELS = [f"l{index}" for index in range(40)]


def types(max_leaves: int = 12) -> st.SearchStrategy[t.ValueType]:
    primitives = st.sampled_from(
        [t.BOOL, t.S8, t.U8, t.S16, t.U16, t.S32, t.U32, t.S64, t.U64, t.F32, t.F64, t.CHAR, t.STRING]
    )
    labels = st.integers(1, 32).map(lambda count: tuple(LABELS[:count]))
    leaves = st.one_of(primitives, labels.map(t.Flags), labels.map(t.Enum))

    def extend(inner: st.SearchStrategy[t.ValueType]) -> st.SearchStrategy[t.ValueType]:
        several = st.lists(inner, min_size=1, max_size=4)
        maybe = st.one_of(st.none(), inner)
        return st.one_of(
            inner.map(t.List),
            inner.map(t.Option),
            several.map(lambda parts: t.Tuple(tuple(parts))),
            several.map(lambda parts: t.Record(tuple(zip(LABELS, parts, strict=False)))),
            st.lists(maybe, min_size=1, max_size=4).map(
                lambda parts: t.Variant(tuple(zip(LABELS, parts, strict=False)))
            ),
            st.tuples(maybe, maybe).map(lambda parts: t.Result(*parts)),
        )

    return st.recursive(leaves, extend, max_leaves=max_leaves)


INTEGERS = {t.S8: 8, t.S16: 16, t.S32: 32, t.S64: 64, t.U8: 8, t.U16: 16, t.U32: 32, t.U64: 64}


def values(kind: t.ValueType | None) -> st.SearchStrategy[Any]:
    match kind:
        case None:
            return st.none()
        case t.BOOL:
            return st.booleans()
        case t.F32:
            return st.floats(width=32)
        case t.F64:
            return st.floats()
        case t.CHAR:
            return st.characters(exclude_categories=["Cs"])
        case t.STRING:
            return st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
        case t.Primitive(name=name):
            bits = INTEGERS[kind]
            return (
                st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
                if name[0] == "s"
                else st.integers(0, (1 << bits) - 1)
            )
        case t.List(element=element):
            return st.binary(max_size=20) if element == t.U8 else st.lists(values(element), max_size=4)
        case t.Tuple(items=items):
            return st.tuples(*map(values, items))
        case t.Record(fields=fields):
            return st.fixed_dictionaries({label: values(part) for label, part in fields})
        case t.Option(some=some):
            inner = values(some)
            return st.one_of(
                st.none(), inner.map(lambda value: ("some", value)) if isinstance(some, t.Option) else inner
            )
        case t.Result(ok=ok, err=err):
            return st.one_of(st.tuples(st.just("ok"), values(ok)), st.tuples(st.just("err"), values(err)))
        case t.Variant(cases=cases):
            return st.one_of([st.tuples(st.just(label), values(part)) for label, part in cases])
        case t.Enum(labels=labels):
            return st.sampled_from(labels)
        case t.Flags(labels=labels):
            return st.frozensets(st.sampled_from(labels))
    raise NotImplementedError(kind)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_random_types_and_values(engine: Engine, data: st.DataObject) -> None:
    kinds = data.draw(st.lists(types(), min_size=1, max_size=4), "types")
    encoding = data.draw(st.sampled_from(["utf8", "utf16", "latin1+utf16"]))
    echo = Echo(engine, kinds, encoding)
    for _ in range(3):
        given_values = [data.draw(values(kind)) for kind in kinds]
        result = echo(*given_values)
        assert same(result if len(kinds) > 1 else (result,), tuple(given_values))
