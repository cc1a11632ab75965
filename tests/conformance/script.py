"""Runs the commands of one script on the component host."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from typing import Any

from proxy.component import Component, DecodeError, LinkError, decode, link, validate
from proxy.sandbox import CompileError, Engine, Limits, Module, Trap, TrapKind
from tests.conformance.running import CORE_PREAMBLE, FailedError, Running, RunningComponent, RunningModule
from tests.conformance.wast import Command, ScriptError

LIMITS = Limits(memory=1 << 30, time=10)

REFUSALS = (DecodeError, LinkError, CompileError)
"""What a component or a core module is refused with before any of it runs."""


class Script:
    """The state of a script: components and instances by name, under which later components can import them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loop = asyncio.new_event_loop()
        self._definitions: dict[str | None, Component | Module] = {}
        self._instances: dict[str | None, Running] = {}
        self._registered: dict[str, Running] = {}

    def run(self, command: Command) -> str | None:
        """None when the command passes, else why it does not."""
        handler = _HANDLERS.get(command.type)
        if handler is None:
            return f"the command {command.type} is not known"
        try:
            handler(self, command)
        except FailedError as error:
            return str(error)
        except (*REFUSALS, Trap, ScriptError) as error:
            return f"{type(error).__name__}: {error}"
        except Exception:
            return "the host failed: " + traceback.format_exc(limit=-3)
        return None

    # Components and instances.

    def _load(self, command: Command) -> Component | Module:
        data = command.binary()
        if data.startswith(CORE_PREAMBLE):
            return self._engine.module(data)
        component = decode(data)
        validate(component, self._engine)
        return component

    def _instantiate(self, loaded: Component | Module) -> Running:
        if isinstance(loaded, Module):
            return RunningModule(self._engine, loaded, LIMITS)
        named = {name: running for name, running in self._instances.items() if name is not None} | self._registered
        hosts = {name: running.offer() for name, running in named.items()}
        linked = link(loaded, self._engine, hosts, LIMITS)
        return RunningComponent(linked, linked.instantiate(None), self._loop)

    def _keep(self, name: str | None, running: Running) -> None:
        self._instances[name] = self._instances[None] = running

    def _module(self, command: Command) -> None:
        self._instances.pop(None, None)
        self._keep(command.fields.get("name"), self._instantiate(self._load(command)))

    def _definition(self, command: Command) -> None:
        component = self._load(command)
        self._definitions[command.fields.get("name")] = self._definitions[None] = component

    def _instance(self, command: Command) -> None:
        component = self._definitions.get(command.fields.get("module"))
        if component is None:
            raise FailedError("there is no such component: it could not be loaded")
        self._instances.pop(None, None)
        self._keep(command.fields.get("instance"), self._instantiate(component))

    def _register(self, command: Command) -> None:
        self._registered[command.fields["as"]] = self._instances[command.fields.get("name")]

    # Actions.

    def _running(self, action: dict[str, Any]) -> Running:
        running = self._instances.get(action.get("module"))
        if running is None:
            raise FailedError("there is no such instance: it was not made, or could not be")
        return running

    def _invoke(self, action: dict[str, Any]) -> Any:
        if action["type"] != "invoke":
            raise FailedError(f"the action {action['type']} is not known")
        return self._running(action).invoke(action["field"], action["args"])

    def _action(self, command: Command) -> None:
        self._invoke(command.fields["action"])

    def _assert_return(self, command: Command) -> None:
        action = command.fields["action"]
        self._running(action).expect(action["field"], self._invoke(action), command.fields["expected"])

    def _assert_trap(self, command: Command) -> None:
        try:
            result = self._invoke(command.fields["action"])
        except Trap as trap:
            if trap.message.endswith("not supported yet"):
                raise
            return
        except RuntimeError as error:
            if "stopped by a trap" in str(error):
                return
            raise
        raise FailedError(f"no trap ({command.fields.get('text')!r} expected): the result is {result!r}")

    def _assert_exhaustion(self, command: Command) -> None:
        try:
            self._invoke(command.fields["action"])
        except Trap as trap:
            if trap.kind is TrapKind.STACK:
                return
            raise
        raise FailedError("the stack was not exhausted")

    # Refusals.

    def _assert_invalid(self, command: Command) -> None:
        try:
            self._load(command)
        except (*REFUSALS, ScriptError):
            return
        raise FailedError(f"accepted, though {command.fields['text']!r}")

    def _assert_unlinkable(self, command: Command) -> None:
        component = self._load(command)
        try:
            self._instantiate(component)
        except LinkError:
            return
        raise FailedError(f"linked, though {command.fields['text']!r}")

    def _assert_uninstantiable(self, command: Command) -> None:
        component = self._load(command)
        try:
            self._instantiate(component)
        except Trap as trap:
            if trap.message.endswith("not supported yet"):
                raise
            return
        raise FailedError(f"instantiated, though {command.fields['text']!r}")


_HANDLERS: dict[str, Callable[[Script, Command], None]] = {
    "module": Script._module,
    "module_definition": Script._definition,
    "module_instance": Script._instance,
    "register": Script._register,
    "action": Script._action,
    "assert_return": Script._assert_return,
    "assert_trap": Script._assert_trap,
    "assert_exception": Script._assert_trap,
    "assert_exhaustion": Script._assert_exhaustion,
    "assert_invalid": Script._assert_invalid,
    "assert_malformed": Script._assert_invalid,
    "assert_unlinkable": Script._assert_unlinkable,
    "assert_uninstantiable": Script._assert_uninstantiable,
}
