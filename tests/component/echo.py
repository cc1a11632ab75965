"""A component for any value type: its `echo` passes its argument to the host's `echo` and returns what that returns.

So a value goes through all four conversions: lowered into the guest, lifted out of it, lowered into it again, and
lifted.
"""

from __future__ import annotations

from proxy.component import types as t
from proxy.component.abi import layout
from tests.component.guests import ALLOCATOR, parse

OUT = 1024


def echo_component(kinds: list[t.ValueType], encoding: str = "utf8") -> bytes:
    """`echo: func(a0: …, a1: …) -> tuple` of the argument types, or of the one type itself when there is one."""
    definitions: list[str] = []
    names = [_define(kind, definitions) for kind in kinds]
    result_kind = kinds[0] if len(kinds) == 1 else t.Tuple(tuple(kinds))
    result = names[0] if len(kinds) == 1 else _define(result_kind, definitions)
    signature = t.FuncType(tuple((f"a{index}", kind) for index, kind in enumerate(kinds)), result_kind)
    params = " ".join(f'(param "a{index}" {name})' for index, name in enumerate(names))
    lowered, lifted = layout.lowered_signature(signature), layout.lifted_signature(signature)
    arguments = " ".join(f"(local.get {index})" for index in range(len(lifted[0])))
    through_memory = len(lowered[0]) > len(lifted[0])
    body = (
        f"(call $host {arguments} (i32.const {OUT})) (i32.const {OUT})"
        if through_memory
        else f"(call $host {arguments})"
    )
    newline = "\n  "
    return parse(f"""(component
  {newline.join(definitions)}
  (type $f (func {params} (result {result})))
  (import "echo" (func $host (type $f)))
  (core module $memory {ALLOCATOR})
  (core instance $m (instantiate $memory))
  (alias core export $m "memory" (core memory $mem))
  (alias core export $m "cabi_realloc" (core func $realloc))
  (core func $lowered (canon lower (func $host) string-encoding={encoding} (memory $mem) (realloc $realloc)))
  (core module $main
    (import "" "host" (func $host {_core(lowered)}))
    (func (export "echo") {_core(lifted)} {body}))
  (core instance $i (instantiate $main (with "" (instance (export "host" (func $lowered))))))
  (alias core export $i "echo" (core func $echo))
  (func $lifted (type $f) (canon lift (core func $echo) string-encoding={encoding} (memory $mem) (realloc $realloc)))
  (export "echo" (func $lifted)))""")


def _core(signature: tuple[tuple[str, ...], tuple[str, ...]]) -> str:
    params, results = signature
    return "".join(f"(param {kind})" for kind in params) + "".join(f"(result {kind})" for kind in results)


def _define(kind: t.ValueType, definitions: list[str]) -> str:
    """The reference to a type; what it needs is added to the definitions."""

    def ref(part: t.ValueType) -> str:
        return _define(part, definitions)

    match kind:
        case t.Primitive(name=name):
            return name
        case t.Record(fields=fields):
            text = "record " + " ".join(f'(field "{label}" {ref(part)})' for label, part in fields)
        case t.Tuple(items=items):
            text = "tuple " + " ".join(map(ref, items))
        case t.List(element=element, length=length):
            text = f"list {ref(element)}" + ("" if length is None else f" {length}")
        case t.Map(key=key, value=value):
            text = f"map {ref(key)} {ref(value)}"
        case t.Option(some=some):
            text = f"option {ref(some)}"
        case t.Result(ok=ok, err=err):
            text = "result" + ("" if ok is None else f" {ref(ok)}") + ("" if err is None else f" (error {ref(err)})")
        case t.Variant(cases=cases):
            text = "variant " + " ".join(
                f'(case "{label}")' if part is None else f'(case "{label}" {ref(part)})' for label, part in cases
            )
        case t.Enum(labels=labels):
            text = "enum " + " ".join(f'"{label}"' for label in labels)
        case t.Flags(labels=labels):
            text = "flags " + " ".join(f'"{label}"' for label in labels)
        case _:
            raise NotImplementedError(kind)
    name = f"$t{len(definitions)}"
    if isinstance(kind, t.Record | t.Variant | t.Enum | t.Flags):  # the types that a signature may use only by name
        definitions.append(f'(type {name}-is ({text})) (import "t{name[2:]}" (type {name} (eq {name}-is)))')
    else:
        definitions.append(f"(type {name} ({text}))")
    return name
