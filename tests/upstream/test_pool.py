"""What the pool decides, on a clock that the tests turn."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proxy.upstream.pool import Pool, Verdict


def pool(max_connections: int = 2, max_waiting: int = 2) -> Pool[str, str]:
    return Pool(max_connections, max_waiting)


def opened(state: Pool[str, str], *connections: str) -> None:
    """Connections that are open and in use."""
    for connection in connections:
        assert state.ask("for " + connection, 0) is Verdict.OPEN
        assert state.opened("for " + connection, connection, 0) == "for " + connection


def test_nothing_is_idle_at_first_so_one_is_opened() -> None:
    state = pool()
    assert state.take() is None
    assert state.ask("w", 0) is Verdict.OPEN
    assert state.opened("w", "a", 0) == "w"
    assert state.open == 1


def test_the_connection_used_last_is_used_next() -> None:
    state = pool()
    opened(state, "a", "b")
    assert state.put("a", 1) is None
    assert state.put("b", 2) is None
    assert [state.take(), state.take(), state.take()] == ["b", "a", None]


def test_who_finds_all_in_use_waits_in_line_and_who_finds_the_line_full_does_not() -> None:
    state = pool(max_connections=1, max_waiting=2)
    opened(state, "a")
    assert [state.ask(w, 0) for w in ("w1", "w2", "w3")] == [Verdict.WAIT, Verdict.WAIT, Verdict.FULL]
    assert [state.put("a", 1), state.put("a", 2), state.put("a", 3)] == ["w1", "w2", None]


def test_who_left_the_line_gets_nothing() -> None:
    state = pool(max_connections=1)
    opened(state, "a")
    state.ask("w1", 0)
    state.ask("w2", 0)
    state.leave("w1")
    assert state.put("a", 1) == "w2"


def test_a_connection_that_becomes_free_before_the_one_being_opened_is_taken() -> None:
    state = pool()
    opened(state, "a")
    assert state.ask("w", 0) is Verdict.OPEN
    assert state.put("a", 1) == "w"
    assert state.opened("w", "b", 2) is None
    assert state.take() == "b"


def test_a_connection_opened_for_someone_who_left_goes_to_the_next_in_line() -> None:
    state = pool(max_connections=1)
    state.ask("w1", 0)
    state.ask("w2", 0)
    state.leave("w1")
    assert state.opened("w1", "a", 1) == "w2"


def test_a_failure_to_open_is_news_for_the_waiter_it_was_for() -> None:
    state = pool()
    state.ask("w", 0)
    assert state.failed("w") is True
    assert state.open == 0
    assert state.put("stray", 1) is None


def test_but_not_if_it_left() -> None:
    state = pool()
    state.ask("w", 0)
    state.leave("w")
    assert state.failed("w") is False
    assert state.next_to_open() is None


def test_room_left_by_a_connection_that_closed_is_for_the_next_in_line() -> None:
    state = pool(max_connections=1)
    opened(state, "a")
    state.ask("w1", 0)
    state.ask("w2", 0)
    assert state.next_to_open() is None
    state.closed("a")
    assert state.next_to_open() == "w1"
    assert state.next_to_open() is None
    assert state.failed("w1") is True
    assert state.next_to_open() == "w2"


def test_an_idle_connection_that_closed_is_not_given_away() -> None:
    state = pool()
    opened(state, "a")
    state.put("a", 1)
    state.closed("a")
    assert state.take() is None
    assert state.open == 0


def test_one_who_wants_a_fresh_connection_does_not_take_one_that_becomes_free() -> None:
    state = pool()
    opened(state, "a")
    assert state.ask("w", 0, fresh=True) is Verdict.OPEN
    assert state.put("a", 1) is None
    assert state.opened("w", "b", 2) == "w"


def test_unless_there_is_no_room() -> None:
    state = pool(max_connections=1)
    opened(state, "a")
    assert state.ask("w", 0, fresh=True) is Verdict.WAIT
    assert state.put("a", 1) == "w"


def test_what_is_idle_too_long_is_to_be_closed_and_who_waits_too_long_is_told() -> None:
    state = pool(max_connections=3, max_waiting=5)
    opened(state, "a", "b")
    state.put("a", 10)
    state.put("b", 20)
    assert state.expire(10, 0) == ([], [])
    assert state.expire(15, 0) == (["a"], [])
    state.closed("a")
    assert state.take() == "b"
    opened(state, "c", "d")
    state.ask("w1", 30)
    state.ask("w2", 40)
    assert state.expire(0, 35) == ([], ["w1"])
    assert state.put("b", 50) == "w2"


def test_the_wait_for_a_connection_being_opened_has_its_own_limit() -> None:
    state = pool()
    state.ask("w", 0)
    assert state.expire(100, 100) == ([], [])
    assert state.opened("w", "a", 100) == "w"


class PoolMachine(RuleBasedStateMachine):
    """Whatever happens: never too many connections, none lost, none in two hands, none idle while somebody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.count = 0
        self.pool: Pool[int, int] = Pool(3, 4)
        self.opening: list[int] = []
        self.used: list[int] = []
        self.idle: list[int] = []
        self.waiting: list[int] = []

    def name(self) -> int:
        self.count += 1
        return self.count

    def given(self, connection: int, waiter: int | None) -> None:
        if waiter is None:
            self.idle.append(connection)
        else:
            self.used.append(connection)
            self.waiting.remove(waiter)

    def gone(self) -> None:
        waiter = self.pool.next_to_open()
        if waiter is not None:
            self.opening.append(waiter)

    @rule(fresh=st.booleans())
    def request(self, fresh: bool) -> None:
        if not (fresh and self.pool.room) and (connection := self.pool.take()) is not None:
            self.idle.remove(connection)
            self.used.append(connection)
            return
        waiter = self.name()
        verdict = self.pool.ask(waiter, self.now, fresh=fresh)
        if verdict is not Verdict.FULL:
            self.waiting.append(waiter)
        if verdict is Verdict.OPEN:
            self.opening.append(waiter)

    @precondition(lambda self: self.opening)
    @rule(data=st.data(), succeeds=st.booleans())
    def opening_ends(self, data: st.DataObject, succeeds: bool) -> None:
        waiter = data.draw(st.sampled_from(self.opening))
        self.opening.remove(waiter)
        if succeeds:
            connection = self.name()
            self.given(connection, self.pool.opened(waiter, connection, self.now))
            return
        if self.pool.failed(waiter):
            self.waiting.remove(waiter)
        self.gone()

    @precondition(lambda self: self.used)
    @rule(data=st.data())
    def exchange_ends(self, data: st.DataObject) -> None:
        connection = data.draw(st.sampled_from(self.used))
        self.used.remove(connection)
        self.given(connection, self.pool.put(connection, self.now))

    @precondition(lambda self: self.used or self.idle)
    @rule(data=st.data())
    def connection_closes(self, data: st.DataObject) -> None:
        connection = data.draw(st.sampled_from(self.used + self.idle))
        (self.used if connection in self.used else self.idle).remove(connection)
        self.pool.closed(connection)
        self.gone()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def waiter_leaves(self, data: st.DataObject) -> None:
        waiter = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(waiter)
        self.pool.leave(waiter)

    @rule(step=st.floats(0, 10))
    def time_passes(self, step: float) -> None:
        self.now += step
        idle, late = self.pool.expire(self.now - 5, self.now - 5)
        for connection in idle:
            self.idle.remove(connection)
            self.pool.closed(connection)
            self.gone()
        for waiter in late:
            assert waiter not in self.opening
            self.waiting.remove(waiter)

    @invariant()
    def counts_are_right(self) -> None:
        assert self.pool.open == len(self.opening) + len(self.used) + len(self.idle) <= 3

    @invariant()
    def nobody_waits_in_vain(self) -> None:
        in_line = [waiter for waiter in self.waiting if waiter not in self.opening]
        assert not in_line or not self.pool.room
        assert not in_line or not self.idle


TestPoolMachine = PoolMachine.TestCase
