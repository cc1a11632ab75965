"""Definitions to a plan: evaluates index spaces, aliases and nested instantiations (Explainer.md), types with them.

Imports of the component itself stay symbolic. The work is bounded: a component that multiplies itself by instantiating
its parts again and again runs into MAX_STEPS, MAX_INSTANCES or the bounds of types.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy.component.abi.layout import lowered_signature
from proxy.component.binary import definitions as d
from proxy.component.binary.definitions import Sort
from proxy.component.binary.passing_module import passing_module
from proxy.component.binary.reader import DecodeError
from proxy.component.plan import (
    Builtin,
    CoreDefinition,
    CoreExport,
    CoreExports,
    CoreInstance,
    ImportedFunc,
    LiftedFunc,
    Lowered,
    ModuleName,
    Options,
    Plan,
    ResourceOperation,
    TaskReturn,
)
from proxy.component.resolve_types import resolve_type
from proxy.component.scope import (
    Closure,
    ComponentClosure,
    ComponentTypeClosure,
    InstanceItem,
    InstanceTypeClosure,
    Item,
    Scope,
    extern_type,
    functions,
    instance_type,
    modules,
)
from proxy.component.types import (
    FuncType,
    Future,
    InstanceType,
    ResourceType,
    Stream,
    TypeTooLarge,
)

MAX_STEPS = 50_000
MAX_INSTANCES = 1_000
MAX_NESTED = 60
SMALL = 100
"""Nodes of a type of stream or future: see `_one`."""

I32 = 0x7F
RESOURCE_OPERATIONS = {"new": (("i32",), ("i32",)), "rep": (("i32",), ("i32",)), "drop": (("i32",), ())}
"""Core types of the built-ins for resources."""
STORAGE = ("context.get", "context.set")

CORE_ITEMS = (Sort.CORE_FUNC, Sort.CORE_TABLE, Sort.CORE_MEMORY, Sort.CORE_GLOBAL, Sort.CORE_TAG)


def resolve(definitions: tuple[d.Definition, ...]) -> Plan:
    """The plan of a component. Raises DecodeError where definitions do not fit together."""
    return _Resolver().plan(definitions)


def resolve_interfaces(definitions: tuple[d.Definition, ...]) -> dict[str, InstanceType]:
    """The interfaces in an encoded WIT package: the instances that the component types it exports import and export."""
    resolver = _Resolver()
    scope = resolver.component(definitions, None, None)
    found: dict[str, InstanceType] = {}
    pending = [item for _, item in scope.exports.values()]
    while pending:
        item = pending.pop()
        if isinstance(item, ComponentTypeClosure):
            inner = resolver.component_type(item)
            for name, (_, part) in (*inner.imports.items(), *inner.exports.items()):
                if isinstance(part, InstanceItem):
                    found[name] = instance_type(part)
                else:
                    pending.append(part)
    return dict(sorted(found.items()))


class _Resolver:
    def __init__(self) -> None:
        self.modules: list[bytes] = []
        self.module_numbers: dict[int, int] = {}
        self.imported_modules: dict[int, ModuleName] = {}
        self.core_instances: list[CoreInstance] = []
        self.passed: dict[CoreDefinition, CoreExport] = {}
        self.parents: list[int | None] = []
        self.resources: dict[tuple[str, str], ResourceType] = {}
        self.shared: dict[Stream | Future, Stream | Future] = {}
        self.steps = 0
        self.nested = 0
        self.offset = 0

    def plan(self, definitions: tuple[d.Definition, ...]) -> Plan:
        scope = self.component(definitions, None, None)
        try:
            imports = {name: extern_type(item) for name, (_, item) in scope.imports.items()}
            exports = {name: extern_type(item) for name, (_, item) in scope.exports.items()}
        except TypeTooLarge as error:
            raise self._fail(str(error)) from None
        return Plan(
            modules=tuple(self.modules),
            imported_modules=self.imported_modules,
            exported_modules=modules(scope),
            core_instances=tuple(self.core_instances),
            parents=tuple(self.parents),
            imports=imports,
            exports=exports,
            functions=functions(scope),
            imported_resources=self.resources,
        )

    def _fail(self, message: str) -> DecodeError:
        return DecodeError(message, self.offset)

    def component(
        self,
        definitions: tuple[d.Definition, ...],
        outer: Scope | None,
        args: Mapping[str, tuple[Sort, Item]] | None,
        parent: int | None = None,
    ) -> Scope:
        """Instantiates a component that stands in the scope `outer` and is a part of the instance `parent`; with `args`
        None it is the component itself, whose imports stay symbolic."""
        scope = Scope(outer, len(self.parents))
        self.parents.append(parent)
        if len(self.parents) > MAX_INSTANCES:
            raise self._fail(f"more than {MAX_INSTANCES} component instances")
        self._evaluate(definitions, scope, args)
        return scope

    def _evaluate(
        self, definitions: tuple[d.Definition, ...], scope: Scope, args: Mapping[str, tuple[Sort, Item]] | None
    ) -> None:
        self.nested += 1
        if self.nested > MAX_NESTED:
            raise self._fail(f"instantiations nested deeper than {MAX_NESTED}")
        for definition in definitions:
            self.steps += 1
            self.offset = definition.offset
            if self.steps > MAX_STEPS:
                raise self._fail("the component is too complex")
            if isinstance(definition, d.Import):
                self._import(definition, scope, args)
            else:
                _HANDLERS[type(definition)](self, definition, scope)
        self.nested -= 1

    def _get(self, scope: Scope, sort: Sort, index: object) -> Item:
        space = scope.spaces[sort]
        if not isinstance(index, int) or index >= len(space):
            raise self._fail(f"there is no {sort.value} {index}")
        return space[index]

    # Core definitions.

    def _core_module(self, definition: d.CoreModule, scope: Scope) -> None:
        number = self.module_numbers.get(definition.offset)
        if number is None:
            number = self.module_numbers[definition.offset] = len(self.modules)
            self.modules.append(definition.data)
        scope.spaces[Sort.CORE_MODULE].append(number)

    def _core_instantiate(self, definition: d.CoreInstantiate, scope: Scope) -> None:
        module = self._get(scope, Sort.CORE_MODULE, definition.module)
        if isinstance(module, ModuleName):
            module = self._imported_module(module)
        args = {name: self._get(scope, Sort.CORE_INSTANCE, index) for name, index in definition.args}
        if len(args) != len(definition.args):
            raise self._fail("an argument is given twice")
        scope.spaces[Sort.CORE_INSTANCE].append(self._add_core_instance(CoreInstance(module, args)))

    def _add_core_instance(self, made: CoreInstance) -> int:
        if len(self.core_instances) == MAX_INSTANCES:
            raise self._fail(f"more than {MAX_INSTANCES} core instances")
        self.core_instances.append(made)
        return len(self.core_instances) - 1

    def _imported_module(self, name: ModuleName) -> int:
        for number, known in self.imported_modules.items():
            if known == name:
                return number
        self.imported_modules[len(self.modules)] = name
        self.modules.append(b"")
        return len(self.modules) - 1

    def _core_inline_exports(self, definition: d.CoreInlineExports, scope: Scope) -> None:
        exports: dict[str, tuple[Sort, CoreDefinition]] = {}
        for name, sort, index in definition.exports:
            if sort not in CORE_ITEMS:
                raise self._fail(f"a core instance cannot export a {sort.value}")
            exports[name] = (sort, self._get(scope, sort, index))
        scope.spaces[Sort.CORE_INSTANCE].append(exports)

    def _core_type(self, definition: d.CoreType, scope: Scope) -> None:
        scope.spaces[Sort.CORE_TYPE].append(definition.type)

    def _alias_core_export(self, definition: d.AliasCoreExport, scope: Scope) -> None:
        instance: int | CoreExports = self._get(scope, Sort.CORE_INSTANCE, definition.instance)
        sort = definition.sort
        if sort not in CORE_ITEMS:
            raise self._fail(f"a core instance does not export a {sort.value}")
        if isinstance(instance, int):
            scope.spaces[sort].append(CoreExport(instance, definition.name))
            return
        found = instance.get(definition.name)
        if found is None or found[0] is not sort:
            raise self._fail(f"the core instance has no {sort.value} {definition.name!r}")
        scope.spaces[sort].append(found[1])

    # Component definitions.

    def _nested_component(self, definition: d.NestedComponent, scope: Scope) -> None:
        scope.spaces[Sort.COMPONENT].append(ComponentClosure(definition.definitions, scope))

    def _instantiate(self, definition: d.Instantiate, scope: Scope) -> None:
        component = self._get(scope, Sort.COMPONENT, definition.component)
        if not isinstance(component, ComponentClosure):
            raise self._fail("imported components are not supported")
        args = {name: (sort, self._get(scope, sort, index)) for name, sort, index in definition.args}
        inner = self.component(component.definitions, component.scope, args, scope.number)
        scope.spaces[Sort.INSTANCE].append(InstanceItem(inner.exports))

    def _inline_exports(self, definition: d.InlineExports, scope: Scope) -> None:
        exports = {name: (sort, self._get(scope, sort, index)) for name, sort, index in definition.exports}
        scope.spaces[Sort.INSTANCE].append(InstanceItem(exports))

    def _alias_export(self, definition: d.AliasExport, scope: Scope) -> None:
        instance: InstanceItem = self._get(scope, Sort.INSTANCE, definition.instance)
        found = instance.exports.get(definition.name)
        if found is None or found[0] is not definition.sort:
            raise self._fail(f"the instance has no {definition.sort.value} {definition.name!r}")
        scope.spaces[definition.sort].append(found[1])

    def _alias_outer(self, definition: d.AliasOuter, scope: Scope) -> None:
        if definition.sort not in (Sort.TYPE, Sort.COMPONENT, Sort.CORE_MODULE, Sort.CORE_TYPE):
            raise self._fail(f"a {definition.sort.value} cannot be aliased from outside")
        outer: Scope | None = scope
        for _ in range(min(definition.count, MAX_NESTED)):
            outer = outer and outer.parent
        if outer is None:
            raise self._fail(f"there are no {definition.count} enclosing components")
        scope.spaces[definition.sort].append(self._get(outer, definition.sort, definition.index))

    def _type(self, definition: d.Type, scope: Scope) -> None:
        scope.spaces[Sort.TYPE].append(self._resolved(definition.type, scope))

    def _resolved(self, type_def: d.TypeDef, scope: Scope) -> Item:
        if isinstance(type_def, d.InstanceTypeDef):
            return InstanceTypeClosure(type_def.declarations, scope)
        if isinstance(type_def, d.ComponentTypeDef):
            return ComponentTypeClosure(type_def.declarations, scope)
        if isinstance(type_def, d.ResourceDef):
            if type_def.destructor is None:
                return ResourceType("resource", scope.number)
            return ResourceType("resource", scope.number, self._callable(scope, type_def.destructor))
        try:
            kind = resolve_type(type_def, lambda index: self._get(scope, Sort.TYPE, index))
            return self._one(kind) if isinstance(kind, Stream | Future) else kind
        except (TypeTooLarge, TypeError) as error:
            raise self._fail(str(error)) from None

    def _one(self, kind: Stream | Future) -> Stream | Future:
        """The same object for types that are equal, so that they need not be compared whenever one is used: unless they
        are so large that looking for them would take long, too."""
        return self.shared.setdefault(kind, kind) if kind.size <= SMALL else kind

    def _callable(self, scope: Scope, index: int) -> CoreDefinition:
        """A core function that the host will call: an export of a core instance, made to be one if it is not."""
        found: CoreDefinition = self._get(scope, Sort.CORE_FUNC, index)
        if isinstance(found, Lowered):
            signature = lowered_signature(found.func.type, is_async=found.options.is_async)
        elif isinstance(found, ResourceOperation):
            signature = RESOURCE_OPERATIONS[found.operation]
        else:
            return found
        if found not in self.passed:
            number = self._add_core_instance(CoreInstance(len(self.modules), {"": {"": (Sort.CORE_FUNC, found)}}))
            self.modules.append(passing_module(*signature))
            self.passed[found] = CoreExport(number, "")
        return self.passed[found]

    def _options(self, options: d.CanonOptions, scope: Scope) -> Options:
        def func(index: int | None) -> CoreDefinition | None:
            return None if index is None else self._callable(scope, index)

        memory = None if options.memory is None else self._get(scope, Sort.CORE_MEMORY, options.memory)
        realloc, post_return, callback = func(options.realloc), func(options.post_return), func(options.callback)
        return Options(scope.number, options.encoding, memory, realloc, post_return, options.is_async, callback)

    def _lift(self, definition: d.CanonLift, scope: Scope) -> None:
        core = self._callable(scope, definition.core_func)
        kind = self._get(scope, Sort.TYPE, definition.type)
        if not isinstance(kind, FuncType):
            raise self._fail(f"type {definition.type} is not a function's")
        scope.spaces[Sort.FUNC].append(LiftedFunc(core, kind, self._options(definition.options, scope)))

    def _lower(self, definition: d.CanonLower, scope: Scope) -> None:
        func = self._get(scope, Sort.FUNC, definition.func)
        scope.spaces[Sort.CORE_FUNC].append(Lowered(func, self._options(definition.options, scope)))

    def _resource_operation(self, definition: d.CanonResource, scope: Scope) -> None:
        resource = self._get(scope, Sort.TYPE, definition.resource)
        if not isinstance(resource, ResourceType):
            raise self._fail(f"type {definition.resource} is not a resource")
        if definition.operation != "drop" and resource.implementer != scope.number:
            raise self._fail(f"resource.{definition.operation} of a resource defined elsewhere")
        operation = ResourceOperation(definition.operation, resource, scope.number)
        scope.spaces[Sort.CORE_FUNC].append(operation)

    def _builtin(self, definition: d.CanonBuiltin, scope: Scope) -> None:
        if definition.name == "task.return":
            self._task_return(definition, scope)
            return
        slot: Any = 0
        if definition.name in STORAGE:
            kind, slot = definition.immediates
            if kind != I32 or slot not in (0, 1):
                raise self._fail(f"{definition.name} of something else than the two i32 that a task stores")
        else:
            scope.spaces[Sort.CORE_FUNC].append(self._concurrent(definition, scope))
            return
        scope.spaces[Sort.CORE_FUNC].append(Builtin(definition.name, scope.number, slot))

    def _concurrent(self, definition: d.CanonBuiltin, scope: Scope) -> Builtin:
        """A built-in that has a stream or future type, options, a flag or a memory."""
        name, given = definition.name, list(definition.immediates)
        fields: dict[str, Any] = {}
        if name.startswith(("stream.", "future.")):
            kind = self._get(scope, Sort.TYPE, given.pop(0))
            if not isinstance(kind, Stream if name.startswith("stream.") else Future):
                raise self._fail(f"{name} is declared for {kind}")
            fields["type"] = kind
        if given and isinstance(given[0], d.CanonOptions):
            fields["options"] = self._options(given[0], scope)
            fields["is_async"] = given[0].is_async
        elif given and isinstance(given[0], bool):
            fields["cancellable" if name.startswith(("waitable-set", "thread")) else "is_async"] = given.pop(0)
        if name in ("waitable-set.wait", "waitable-set.poll"):
            fields["memory"] = self._get(scope, Sort.CORE_MEMORY, given[0])
        return Builtin(name, scope.number, **fields)

    def _task_return(self, definition: d.CanonBuiltin, scope: Scope) -> None:
        result: Any
        options: Any
        result, options = definition.immediates
        params = () if result is None else (("result", result),)
        kind = self._resolved(d.FuncDef(params, None, False), scope)
        scope.spaces[Sort.CORE_FUNC].append(TaskReturn(kind, self._options(options, scope)))

    def _start(self, definition: d.Start, scope: Scope) -> None:
        raise self._fail("start functions and values are not supported")

    def _export(self, definition: d.Export, scope: Scope) -> None:
        item = self._get(scope, definition.sort, definition.index)
        if definition.sort is Sort.VALUE:
            raise self._fail("values are not supported")
        if definition.name in scope.exports:
            raise self._fail(f"{definition.name!r} is exported twice")
        if isinstance(item, ResourceType) and item.name == "resource":
            item.name = definition.name
        scope.exports[definition.name] = (definition.sort, item)
        scope.spaces[definition.sort].append(item)

    # Imports, and declarations inside types.

    def _import(self, definition: d.Import, scope: Scope, args: Mapping[str, tuple[Sort, Item]] | None) -> None:
        name, desc = definition.name, definition.desc
        if name in scope.imports:
            raise self._fail(f"{name!r} is imported twice")
        if args is None:
            item = self._declared(name, desc, scope, None)
        else:
            given = args.get(name)
            if given is None or given[0] is not desc.sort:
                raise self._fail(f"the instantiation gives no {desc.sort.value} {name!r}")
            item = given[1]
            self._check(item, self._declared(name, desc, scope, item), name)
        scope.imports[name] = (desc.sort, item)
        scope.spaces[desc.sort].append(item)

    def _declaration(self, definition: d.ExportDeclaration, scope: Scope) -> None:
        actual = self._bound(scope, definition)
        item = self._declared(definition.name, definition.desc, scope, actual)
        scope.exports[definition.name] = (definition.desc.sort, item)
        scope.spaces[definition.desc.sort].append(item)

    def _bound(self, scope: Scope, definition: d.ExportDeclaration) -> Item | None:
        """The item that an instance given for this type exports under the name: its resources are the type's."""
        given = scope.imports.get(definition.name)
        return given[1] if given is not None and given[0] is definition.desc.sort else None

    def _declared(self, name: str, desc: d.ExternDesc, scope: Scope, actual: Item | None) -> Item:
        """A stand-in for what a description promises, `actual`'s resources in the place of its abstract ones."""
        if desc.sort is Sort.TYPE:
            return self._declared_type(name, desc, scope, actual)
        if desc.sort is Sort.FUNC:
            kind = self._get(scope, Sort.TYPE, desc.index)
            if not isinstance(kind, FuncType):
                raise self._fail(f"type {desc.index} is not a function's")
            return ImportedFunc("", name, kind)
        if desc.sort is Sort.INSTANCE:
            closure = self._get(scope, Sort.TYPE, desc.index)
            if not isinstance(closure, InstanceTypeClosure):
                raise self._fail(f"type {desc.index} is not an instance's")
            return self._instance(closure, name, actual if isinstance(actual, InstanceItem) else None)
        if desc.sort is Sort.COMPONENT:
            closure = self._get(scope, Sort.TYPE, desc.index)
            if not isinstance(closure, ComponentTypeClosure):
                raise self._fail(f"type {desc.index} is not a component's")
            return closure
        if desc.sort is Sort.CORE_MODULE:
            self._get(scope, Sort.CORE_TYPE, desc.index)
            return ModuleName("", name)
        raise self._fail("values are not supported")

    def _declared_type(self, name: str, desc: d.ExternDesc, scope: Scope, actual: Item | None) -> Item:
        if desc.index is not None:
            return self._get(scope, Sort.TYPE, desc.index)
        if isinstance(actual, ResourceType):
            return actual
        return ResourceType(name)

    def _instance(self, closure: InstanceTypeClosure, name: str, actual: InstanceItem | None) -> InstanceItem:
        """An instance of an instance type; its functions are the host's, under this interface name."""
        scope = Scope(closure.scope, closure.scope.number)
        if actual is not None:
            scope.imports = actual.exports
        self._evaluate(closure.definitions, scope, None)
        exports = scope.exports
        for key, (sort, item) in exports.items():
            if isinstance(item, ImportedFunc):
                exports[key] = (sort, ImportedFunc(name, key, item.type))
            elif isinstance(item, ModuleName):
                exports[key] = (sort, ModuleName(name, key))
            elif isinstance(item, ResourceType) and actual is None and item.implementer is None:
                self.resources.setdefault((name, key), item)
        return InstanceItem(exports)

    def component_type(self, closure: ComponentTypeClosure) -> Scope:
        """The imports and exports of a component type, as a scope."""
        scope = Scope(closure.scope, closure.scope.number)
        self._evaluate(closure.definitions, scope, None)
        return scope

    def _check(self, actual: Item, declared: Item, name: str) -> None:
        """Whether an argument of an instantiation is what the import declares."""
        if isinstance(declared, InstanceItem):
            for key, (sort, item) in declared.exports.items():
                found = actual.exports.get(key)
                if found is None or found[0] is not sort:
                    raise self._fail(f"the instance given for {name!r} has no {sort.value} {key!r}")
                self._check(found[1], item, f"{name}.{key}")
        elif isinstance(declared, ImportedFunc):
            if actual.type != declared.type:
                raise self._fail(f"{name!r} is {declared.type} but {actual.type} is given")
        elif isinstance(declared, Closure | ModuleName):
            if type(actual) is int or isinstance(actual, Closure | ModuleName):
                return
            raise self._fail(f"{name!r} is given something else")
        elif actual != declared:
            raise self._fail(f"the type given for {name!r} is another one")


_HANDLERS: dict[type, Any] = {
    d.CoreModule: _Resolver._core_module,
    d.CoreInstantiate: _Resolver._core_instantiate,
    d.CoreInlineExports: _Resolver._core_inline_exports,
    d.CoreType: _Resolver._core_type,
    d.AliasCoreExport: _Resolver._alias_core_export,
    d.NestedComponent: _Resolver._nested_component,
    d.Instantiate: _Resolver._instantiate,
    d.InlineExports: _Resolver._inline_exports,
    d.AliasExport: _Resolver._alias_export,
    d.AliasOuter: _Resolver._alias_outer,
    d.Type: _Resolver._type,
    d.CanonLift: _Resolver._lift,
    d.CanonLower: _Resolver._lower,
    d.CanonResource: _Resolver._resource_operation,
    d.CanonBuiltin: _Resolver._builtin,
    d.Start: _Resolver._start,
    d.Export: _Resolver._export,
    d.ExportDeclaration: _Resolver._declaration,
}
