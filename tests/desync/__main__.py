"""Our HTTP/1.1 parsing beside h11's, on mutated messages, for as long as one likes.

python -m tests.desync --seconds 600
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from random import Random
from time import monotonic

from tests.desync.against_h11 import our_requests, our_responses, request_difference, response_difference
from tests.desync.messages import REQUESTS, RESPONSES
from tests.desync.mutation import mutated


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.desync", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random = Random(options.seed)
    end = monotonic() + options.seconds
    counts: Counter[str] = Counter()
    found: dict[str, bytes] = {}
    while monotonic() < end:
        data = mutated(random.choice(REQUESTS), random)
        if problem := request_difference(data):
            found.setdefault(f"request: {problem[:100]}", data)
        counts["requests"] += 1
        counts["requests accepted"] += any(message.whole for message in our_requests(data).messages)
        data, method = mutated(random.choice(RESPONSES), random), random.choice(("GET", "HEAD"))
        if problem := response_difference(data, method):
            found.setdefault(f"response to {method}: {problem[:100]}", data)
        counts["responses"] += 1
        counts["responses accepted"] += any(message.whole for message in our_responses(data, method).messages)
    for problem, data in found.items():
        print(f"{problem}\n    {data!r}")
    print(", ".join(f"{count} {name}" for name, count in counts.items()), f"{len(found)} differences", sep=", ")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
