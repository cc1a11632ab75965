"""Remembered decisions: a tree of what pure runs read and what they then did.

A step of a fresh instance that called only getters, setters, config and silent logging is a function of what it
read, and *which* read comes next is a function of the values read before. So the steps of one filter form a tree: a
Branch is the next read, its edges are the values that read has yielded, a Leaf is what the step did. A request that
walks from the root to a leaf would have made the guest do exactly that, so the leaf's edits are applied and Wasm is
not entered. `on-response` depends on what `on-request` did in the same instance, so its tree hangs below the leaf
of `on-request`, and `open`'s below that.

Bounded: at most `capacity` leaves, those out first that were not used for long (second chance: in the order they came,
but what was used since its last turn goes to the end instead); a step that read or did more than `LARGEST` bytes is not
remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from proxy.exchange import Request, Response
from proxy.exchange.observation import Observation, Value
from proxy.sluice.edits import Edit, Edits
from proxy.sluice.run import RESPONSE, seen

LARGEST = 8 * 1024
"""Bytes of values, edits and result beyond which a step is not worth remembering."""

OVERHEAD = 100
"""Bytes that a read, an edit or a field line weighs beside its text: many that are empty take memory too."""


class Root:
    """Where the tree of one step begins: the filter's first step, or the next one after a leaf."""

    __slots__ = ("first",)

    def __init__(self) -> None:
        self.first: Branch | Leaf | None = None


class Branch:
    """The guest's next read, and where each value it has yielded leads."""

    __slots__ = ("edges", "observation", "parent", "value")

    def __init__(self, observation: Observation, parent: Root | Branch, value: Value) -> None:
        self.observation = observation
        self.edges: dict[Value, Branch | Leaf] = {}
        self.parent = parent
        self.value = value


class Leaf:
    """What a step did: its edits, its result, its reads of the request (for the caches above), and the tree of the next
    step. used: since its last turn to go."""

    __slots__ = (
        "next", "parent", "reads", "request_edits", "response_edits", "result", "used", "value",
    )  # fmt: skip

    def __init__(
        self,
        result: Any,
        reads: Mapping[Observation, Value],
        request_edits: Iterable[Edit],
        response_edits: Iterable[Edit],
    ) -> None:
        self.result = result
        self.reads = tuple(read for read in reads if not read[0].startswith(RESPONSE))
        self.request_edits = Edits(request_edits)
        self.response_edits = Edits(response_edits)
        self.next = Root()
        self.parent: Root | Branch = self.next  # set when inserted
        self.value: Value = None
        self.used = False


class Memo:
    """The remembered steps of one filter."""

    def __init__(self, capacity: int = 4096) -> None:
        self.root = Root()
        self._capacity = capacity
        self._leaves: dict[Leaf, None] = {}

    def __len__(self) -> int:
        return len(self._leaves)

    def recall(self, root: Root, request: Request, response: Response | None) -> Leaf | None:
        """What a run on these messages would do, if one that read the same has been seen."""
        node = root.first
        while type(node) is Branch:
            node = node.edges.get(seen(node.observation, request, response))
        if node is None:
            return None
        assert isinstance(node, Leaf)
        node.used = True
        return node

    def remember(self, root: Root, reads: Mapping[Observation, Value], leaf: Leaf) -> Leaf | None:
        """Store a pure step. Returns the leaf to go on from (the one stored before, if this step was known);
        None when it is too large, or contradicts what is stored.

        A contradiction (the same values read, then another read or end) means that the run was not a function of its
        reads after all. Nothing known leads there; the older memory would deserve no more trust than the new, so both
        go.
        """
        if _weight(reads, leaf) > LARGEST:
            return None
        parent: Root | Branch = root
        value: Value = None
        for observation, next_value in reads.items():
            node = _child(parent, value)
            if node is None:
                node = Branch(observation, parent, value)
                _attach(parent, value, node)
            if isinstance(node, Leaf) or node.observation != observation:
                self._drop(node)  # contradicted
                return None
            parent, value = node, next_value
        known = _child(parent, value)
        if known is not None:
            if isinstance(known, Leaf):
                return known
            self._drop(known)  # contradicted
            return None
        leaf.parent, leaf.value = parent, value
        _attach(parent, value, leaf)
        self._leaves[leaf] = None
        self._make_room(leaf)
        return leaf

    def _make_room(self, new: Leaf) -> None:
        while len(self._leaves) > self._capacity:
            first = next(iter(self._leaves))
            if first.used or first is new:
                first.used = False
                del self._leaves[first]
                self._leaves[first] = None
            else:
                self._drop(first)

    def _drop(self, node: Branch | Leaf) -> None:
        """Take a node, all below it, and what only led to it out of the tree."""
        stack: list[Branch | Leaf] = [node]
        while stack:
            dropped = stack.pop()
            if isinstance(dropped, Branch):
                stack.extend(dropped.edges.values())
                continue
            self._leaves.pop(dropped, None)
            if dropped.next.first is not None:
                stack.append(dropped.next.first)
                dropped.next.first = None
        _detach(node.parent, node.value)


def _child(parent: Root | Branch, value: Value) -> Branch | Leaf | None:
    return parent.first if isinstance(parent, Root) else parent.edges.get(value)


def _attach(parent: Root | Branch, value: Value, node: Branch | Leaf) -> None:
    if isinstance(parent, Root):
        parent.first = node
    else:
        parent.edges[value] = node


def _detach(parent: Root | Branch, value: Value) -> None:
    while isinstance(parent, Branch):
        parent.edges.pop(value, None)
        if parent.edges:
            return
        value = parent.value
        parent = parent.parent
    parent.first = None


def _weight(reads: Mapping[Observation, Value], leaf: Leaf) -> int:
    edits = (*leaf.request_edits.edits, *leaf.response_edits.edits)
    return (
        (_reply_size(leaf.result) if isinstance(leaf.result, Response) else 0)
        + OVERHEAD * (len(reads) + len(edits))
        + sum(len(argument) + _size(value) for (_, argument), value in reads.items())
        + sum(edit.size for edit in edits)
    )


def _reply_size(reply: Response) -> int:
    body = len(reply.body) if isinstance(reply.body, bytes) else 0
    return body + sum(OVERHEAD + len(name) + len(value) for name, value in reply.fields.lines)


def _size(value: Value) -> int:
    if isinstance(value, tuple):
        return sum(OVERHEAD + len(name) + len(inner) for name, inner in value)
    return 0 if value is None else len(value)
