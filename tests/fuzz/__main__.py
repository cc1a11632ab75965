"""Mutates components for as long as it is told, and says so when one does harm.

    python -m tests.fuzz [--seconds 60] [--seed N] [COMPONENT …]

Each mutant is decoded, linked with a host that has everything, instantiated and called; and is a filter, if it still
can be one. It must end in an error of
ours, or in a guest's trap, within a second of processor time. The work is done in a child process, so that one that
ends the process is caught too: its bytes are then in the file that is named.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from proxy.component import DecodeError, LinkError, decode
from proxy.exchange import Exchange, Request, Response
from proxy.http.fields import Fields
from proxy.sandbox import Engine, Limits, PoolExhausted, Trap
from proxy.sluice.checks import Refused
from proxy.sluice.program import Program
from proxy.sluice.session import Session
from tests.component.guests import BUILT
from tests.component.test_decode import try_everything

SLOWEST = 1.0
BATCH = 200


def mutant(guest: bytes, chance: random.Random) -> bytes:
    """One to four bytes changed, taken out or put in, anywhere; sometimes cut off."""
    mutated = bytearray(guest)
    for _ in range(chance.randint(1, 4)):
        # The component's own sections are mostly at the end, behind the core modules.
        start = max(0, len(mutated) - 3000) if chance.random() < 0.7 else 0
        at = chance.randrange(start, len(mutated))
        match chance.randrange(8):
            case 0:
                del mutated[at:]
            case 1 | 2:
                del mutated[at : at + chance.randint(1, 8)]
            case 3 | 4:
                mutated[at:at] = chance.randbytes(chance.randint(1, 6))
            case _:
                mutated[at] = chance.randrange(256)
        if not mutated:
            break
    return bytes(mutated)


def try_as_filter(engine: Engine, data: bytes) -> None:
    """Two exchanges through it: what is answered in Wasm is so in the second one."""
    try:
        program = Program("mutant", decode(data), engine, config={}, limits=Limits(time=0.1))
    except (DecodeError, LinkError):
        return
    for _ in range(2):
        request = Request("GET", "http", "a", "/", None, Fields([(b"accept", b"*/*")]), Exchange())
        session = Session(program, request)
        with contextlib.suppress(Trap, Refused, PoolExhausted):
            session.on_request()
            session.on_response(Response(200, Fields([(b"server", b"o")]), b"body"))
        session.close()
    program.close()


def batch(seed: int, guests: list[Path], last: Path) -> None:
    """Try BATCH mutants in this process, each written to `last` before it is tried."""
    chance = random.Random(seed)
    sources = [guest.read_bytes() for guest in guests]
    with Engine() as engine:
        for _ in range(BATCH):
            data = mutant(chance.choice(sources), chance)
            last.write_bytes(data)
            started = time.process_time()
            try_everything(engine, data)
            try_as_filter(engine, data)
            taken = time.process_time() - started
            if taken > SLOWEST:
                raise TimeoutError(f"{taken:.1f} s of processor time")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Mutates components, looking for harm.")
    parser.add_argument("--seconds", type=float, default=60, help="for how long (%(default)s)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32), help="of the first batch")
    parser.add_argument("--batch", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("components", nargs="*", type=Path, default=list(BUILT), help="to mutate (the shipped filters)")
    asked = parser.parse_args()
    if asked.batch is not None:
        batch(asked.seed, asked.components, asked.batch)
        return 0
    last = Path(tempfile.mkdtemp(prefix="sluice-fuzz-")) / "mutant.wasm"
    end, tried, seed = time.monotonic() + asked.seconds, 0, asked.seed
    while time.monotonic() < end:
        command = [sys.executable, "-m", "tests.fuzz", "--seed", str(seed), "--batch", str(last)]
        ended = subprocess.run(
            [*command, *map(str, asked.components)], stderr=subprocess.PIPE, text=True, timeout=600, check=False
        )
        if ended.returncode:
            print(f"{ended.stderr}\nstatus {ended.returncode} with seed {seed}: {last}")
            return 1
        tried, seed = tried + BATCH, seed + 1
    print(f"{tried} mutants, from seed {asked.seed}: none did harm")
    return 0


if __name__ == "__main__":
    sys.exit(main())
