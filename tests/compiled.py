"""For tests that reach into what compiling takes away: subclasses in Python, copies, functions that can be replaced,
the source, what an exception was raised from."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy import errors

COMPILED = Path(errors.__file__).suffix != ".py"

no_subclass = pytest.mark.skipif(COMPILED, reason="makes a subclass of a compiled class")
no_copy = pytest.mark.skipif(COMPILED, reason="copies an object of a compiled class")
no_patch = pytest.mark.skipif(COMPILED, reason="replaces a function that compiled code calls directly")
needs_source = pytest.mark.skipif(COMPILED, reason="reads files of the source that are no part of the wheel")


def cause(error: BaseException) -> BaseException | None:
    """What it was raised from: compiled code notes that only as what was being handled."""
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)
