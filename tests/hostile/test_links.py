"""Components that are refused before they ever run, with a text that says why."""

from __future__ import annotations

import pytest

from proxy.component import LinkError
from proxy.sandbox import Engine
from tests.filters.placed import Placed
from tests.hostile.garbage import assembled


def importing(interface: str, signature: str) -> str:
    """A component that imports one function, `f`, and is otherwise nothing."""
    return f'(component (import "{interface}" (instance (export {signature}))))'


def exporting(signature: str, result: str = "") -> str:
    """A component whose on-request has a type of its own."""
    return f"""(component
      (core module $m (func (export "f") {result and "(result i32) i32.const 0"}))
      (core instance $m (instantiate $m))
      (func $f {signature} (canon lift (core func $m "f")))
      (instance $exported (export "on-request" (func $f)))
      (export "sluice:filter/on-request@0.1.0" (instance $exported)))"""


REFUSED = {
    "exports nothing of ours": ("(component)", "it is no filter"),
    "exports another on-request": (exporting(""), "on-request"),
    "exports an on-request of another result": (exporting("(result u32)", "i32"), "on-request"),
    "imports a function that we do not have": (
        importing("sluice:filter/request@0.1.0", '"everything" (func (result string))'), "everything"
    ),
    "imports a function of another type": (
        importing("sluice:filter/request@0.1.0", '"path" (func (result u32))'), "path"
    ),
    "imports an interface that we do not have": (
        importing("sluice:filter/everything@0.1.0", '"f" (func)'), "sluice:filter/everything"
    ),
    "imports a later version": (importing("sluice:filter/request@1.0.0", '"path" (func (result string))'), "@1.0.0"),
    "imports what was not granted": (
        importing("wasi:sockets/network@0.2.0", '"f" (func)'), "wasi:sockets/network@0.2.0"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_when_linked(engine: Engine, text: str, says: str) -> None:
    with pytest.raises(LinkError) as refused:
        Placed(engine, "misfit", assembled(text), {})
    assert says in str(refused.value)
