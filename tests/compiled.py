"""For tests that reach into what compiling takes away: subclasses in Python, copies, functions that can be replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy import errors

COMPILED = Path(errors.__file__).suffix != ".py"

no_subclass = pytest.mark.skipif(COMPILED, reason="makes a subclass of a compiled class")
no_copy = pytest.mark.skipif(COMPILED, reason="copies an object of a compiled class")
no_patch = pytest.mark.skipif(COMPILED, reason="replaces a function that compiled code calls directly")
