"""Runs one script in a process of its own: `python -m tests.conformance.worker FILE`.

Writes a line of JSON per result: first the commands' lines, then [line, null] or [line, why it failed] of each. A crash
leaves what was written before it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from proxy.sandbox import Engine
from tests.conformance.script import Script
from tests.conformance.wast import ScriptError, commands


def main(file: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        try:
            script = commands(Path(file), Path(directory))
        except ScriptError as error:
            sys.exit(str(error))
        print(json.dumps([command.line for command in script]), flush=True)
        state = Script(Engine())
        for command in script:
            print(json.dumps([command.line, state.run(command)]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
