"""The time of an exchange by the layer that it was spent in, from sampled stacks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from tests.bench.profile import Stack

WRITE, READ, WAIT = "kernel: write", "kernel: read", "kernel: the rest, most of it waiting for events"

WASM = "Wasm (wasmtime and the guest)"

LAYERS = {
    WRITE: r"^(write|writev|sendmsg|sendto|__libc_send) \(libc",
    READ: r"^(read|recv|recvmsg|recvfrom) \(libc",
    WAIT: r"^(epoll_p?wait|epoll_ctl|futex|munmap|mmap|madvise|mprotect) \(libc",
    "garbage collection": r"^(gc_collect_main|gc_collect_generations|collect|deduce_unreachable) \(",
    "TLS": r"\((_ssl\.c|ssl\.py|asyncio/sslproto\.py|libssl.*|libcrypto.*)\)$|sslproto",
    "parser (llhttp)": r"\((parser\.c|llhttp\.c|httptools/.*)\)$|llhttp",
    WASM: r"\((_?libwasmtime.*|\?|proxy/sandbox/.*)\)$",
    "component host": r"\((proxy/component/.*|<canonical ABI>)\)$",
    "filter: stage, interface, memo": r"\((proxy/sluice/.*|proxy/stages/filter\.py|proxy/wasi/.*)\)$",
    "cache": r"\((proxy/cache/.*|proxy/stages/cache\.py)\)$",
    "upstream": r"\((proxy/upstream/.*|proxy/stages/forward\.py)\)$",
    "chain and exchange": r"\((proxy/chain/.*|proxy/exchange/.*|proxy/stages/.*)\)$",
    "telemetry": r"\(proxy/telemetry/.*\)$",
    "codec (ours)": r"\((proxy/codec/.*|proxy/http/.*)\)$",
    "downstream connection": r"\(proxy/(downstream|server)/.*\)$",
    "asyncio": r"\((_asynciomodule\.c.*|asyncio/.*)\)$",
    "event loop (uvloop, libuv)": r"\((loop\.c|uvloop/.*|core\.c|stream\.c|linux\.c|loop-watcher\.c|timer\.c)\)$",
}
"""For each the frames that are its own: `function (file)`."""

OTHER = "other"

_LAYERS = [(name, re.compile(pattern)) for name, pattern in LAYERS.items()]


def layer(frames: Iterable[str]) -> str:
    """That of the innermost frame that has one: what Python and C libraries do is done for who called them."""
    for frame in frames:
        for name, pattern in _LAYERS:
            if pattern.search(frame):
                return name
    return OTHER


def costs(stacks: Iterable[Stack], user: float, system: float) -> dict[str, float]:
    """What a request costs in each layer, the largest first, in the unit of `user` and `system`: what it costs in user
    mode and in the kernel.

    How long it waits for events is not known from samples, which also see it when it is not waiting any more but has
    no processor yet. So what is sampled outside of the kernel is scaled to `user`, reading and writing likewise, and
    what `system` has more than those two is the rest.
    """
    counts: Counter[str] = Counter()
    for frames, count in stacks:
        counts[layer(reversed(frames))] += count
    del counts[WAIT]
    inside = sum(counts[name] for name in (WRITE, READ))
    each = user / max(counts.total() - inside, 1)
    found = {name: count * each for name, count in counts.items()}
    found[WAIT] = max(system - inside * each, 0.0)
    return dict(sorted(found.items(), key=lambda item: -item[1]))
