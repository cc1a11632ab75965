"""A core module that exports the one function it imports, both under the empty name.

What is lifted is called by the host, which can call exports of core instances and nothing else. A canonical built-in or
a lowered function that is lifted again becomes one through such a module.
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.component.binary.writing import functype, module, name


def passing_module(params: Sequence[str], results: Sequence[str]) -> bytes:
    """For a function of these core types."""
    function = b"\x00\x00"
    return module([(1, [functype(params, results)]), (2, [name("") * 2 + function]), (7, [name("") + function])])
