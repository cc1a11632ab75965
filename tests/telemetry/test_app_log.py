from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from proxy.telemetry import GuestLog, configure
from proxy.telemetry.app_log import BURST, LONGEST


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger("proxy")
    before = root.handlers, root.level, root.propagate
    yield
    root.handlers, root.level, root.propagate = before[0], before[1], before[2]


def written(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


def test_text_lines() -> None:
    stream = io.StringIO()
    configure("text", stream=stream)

    logging.getLogger("proxy.server").info("listening on %s", "127.0.0.1:8080")
    logging.getLogger("proxy.server").debug("not at this level")

    (line,) = written(stream)
    assert line.endswith("Z INFO proxy.server: listening on 127.0.0.1:8080")


def test_json_lines() -> None:
    stream = io.StringIO()
    configure("json", stream=stream)

    logging.getLogger("proxy.server").warning("origin says\n%s", "x")

    entry = json.loads(stream.getvalue())
    assert (entry["level"], entry["logger"], entry["message"]) == ("warning", "proxy.server", "origin says\nx")


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_traceback_cannot_forge_a_line(format: str) -> None:
    stream = io.StringIO()
    configure("text" if format == "text" else "json", stream=stream)

    try:
        raise ValueError("bad\n2026-01-01T00:00:00Z ERROR proxy: forged")
    except ValueError:
        logging.getLogger("proxy.stages").exception("filter failed")

    first, *rest = written(stream)
    assert "filter failed" in first
    assert all(line.startswith("    ") for line in rest)
    assert (format == "json") == (rest == [])


def test_configure_again_replaces() -> None:
    old, new = io.StringIO(), io.StringIO()
    configure(stream=old)
    configure(level=logging.ERROR, stream=new)

    logging.getLogger("proxy").error("once")

    assert old.getvalue() == ""
    assert len(written(new)) == 1


def test_a_guest_s_line_carries_its_filter_and_stays_one_line() -> None:
    stream = io.StringIO()
    configure(stream=stream)

    GuestLog("geo", lambda: 0.0).log("warn", "no\n\x1b[2Jdatabase é")

    (line,) = written(stream)
    assert line.endswith("WARNING proxy.guest[geo]: no\\n\\x1b[2Jdatabase é")


def test_a_guest_s_line_in_json() -> None:
    stream = io.StringIO()
    configure("json", stream=stream)

    GuestLog("geo", lambda: 0.0).log("error", "x")

    assert json.loads(stream.getvalue())["filter"] == "geo"


def test_levels_a_guest_can_ask_about() -> None:
    configure(level=logging.WARNING, stream=io.StringIO())
    log = GuestLog("geo", lambda: 0.0)

    assert [level for level in ("debug", "info", "warn", "error") if log.enabled(level)] == ["warn", "error"]


def test_a_long_line_is_cut() -> None:
    stream = io.StringIO()
    configure(stream=stream)

    GuestLog("geo", lambda: 0.0).log("info", "x" * (LONGEST + 5))

    assert written(stream)[0].endswith(f"{'x' * LONGEST}… ({LONGEST + 5} characters)")


def test_a_chatty_guest_is_held_back_and_told_so() -> None:
    stream = io.StringIO()
    configure(stream=stream)
    now = 0.0
    log = GuestLog("geo", lambda: now)

    for _ in range(BURST + 7):
        log.log("info", "again")
    assert len(written(stream)) == BURST

    now = 0.1  # two tokens are back
    log.log("info", "later")
    assert written(stream)[-2].endswith("proxy.guest[geo]: 7 lines dropped, this filter logs too much")
    assert written(stream)[-1].endswith("later")


def test_one_chatty_guest_does_not_silence_another() -> None:
    stream = io.StringIO()
    configure(stream=stream)
    chatty, quiet = GuestLog("chatty", lambda: 0.0), GuestLog("quiet", lambda: 0.0)

    for _ in range(BURST + 1):
        chatty.log("info", "again")
    quiet.log("info", "once")

    assert written(stream)[-1].endswith("proxy.guest[quiet]: once")
