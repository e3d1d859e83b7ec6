"""Walk the tree of layers: one declared route for each handler and path.

Nothing is inspected here but the tree itself. What is wrong with it is collected, so that all
problems of an app are reported together.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from hesper._merge import several
from hesper._plan.misfits import misfits
from hesper._plan.path import BadPath, PathTemplate, parse_path
from hesper._resolution import Branch
from hesper._signature import described
from hesper.controller import Controller, layers_of
from hesper.handlers.handler import BaseRouteHandler, declarations
from hesper.layer import Layer, changes_of
from hesper.router import Router


class DeclaredRoute(msgspec.Struct, frozen=True, eq=False):
    """A handler at one of its paths, with the layers above it."""

    path: PathTemplate
    branch: Branch
    """The layers above the handler."""
    handler: BaseRouteHandler
    function: Callable[..., Any]

    @property
    def chain(self) -> tuple[Layer, ...]:
        """The layers, the application first and the handler last."""
        return (*self.branch.layers, self.handler)

    def says(self, option: str) -> bool:
        """Whether any of the layers says something of *option*."""
        return self.branch.says(option) or option in changes_of(self.handler)

    @property
    def label(self) -> str:
        """How messages name the route: `GET /books (library.books.list_books)`."""
        methods = getattr(self.handler, "http_methods", (type(self.handler).__name__,))
        return f"{'/'.join(methods)} {self.path} ({described(self.function)})"


class Walk:
    """One walk through an application's tree; lives while the app is built.

    Args:
        application: The outermost layer.
        path: The application's own path prefix.
    """

    def __init__(self, application: Layer, path: str = "/") -> None:
        self._application = application
        self._path = path
        self.problems: list[str] = []
        self._above: list[Router] = []

    def routes(self, route_handlers: Sequence[Any]) -> Iterator[DeclaredRoute]:
        """Yield every route below the application."""
        self._check(self._application)
        try:
            items = several(route_handlers)
        except TypeError as error:
            self.problems.append(f"{self._application.label}: route_handlers {error}")
        else:
            yield from self._walk(items, Branch((self._application,)), (self._path,))

    def _check(self, layer: Layer) -> None:
        if not changes_of(layer):  # PERF: as with most handlers
            return
        self.problems.extend(found for found in misfits(layer) if found not in self.problems)

    def _walk(
        self, items: Sequence[Any], branch: Branch, paths: tuple[str, ...]
    ) -> Iterator[DeclaredRoute]:
        for item in items:
            if isinstance(item, Router):
                yield from self._router(item, branch, paths)
            elif isinstance(item, Controller):
                yield from self._controller(item, branch, paths)
            elif isinstance(item, type) and issubclass(item, Controller):
                instance = self._instance(item)
                if instance is not None:
                    yield from self._controller(instance, branch, paths)
            elif isinstance(item, BaseRouteHandler) and item.hands_to is not None:
                yield from self._handlers(item.hands_to, (item,), branch, paths)
            elif declared := declarations(item):  # which instances may answer as they like
                yield from self._handlers(item, declared, branch, paths)
            else:
                self.problems.append(f"{branch.layers[-1].label}: {_not_routable(item)}")

    def _router(
        self, router: Router, branch: Branch, paths: tuple[str, ...]
    ) -> Iterator[DeclaredRoute]:
        if router in self._above:
            self.problems.append(f"{router.label} contains itself")
            return
        self._check(router)
        self._above.append(router)
        inner = Branch((*branch.layers, router))
        yield from self._walk(router.route_handlers, inner, (*paths, router.path))
        self._above.pop()

    def _instance(self, controller: type[Controller]) -> Controller | None:
        try:
            return controller()
        except TypeError as error:
            self.problems.append(
                f"controller {controller.__qualname__} cannot be made without arguments ({error}); "
                "put an instance into route_handlers instead"
            )
            return None

    def _controller(
        self, instance: Controller, branch: Branch, paths: tuple[str, ...]
    ) -> Iterator[DeclaredRoute]:
        controller = type(instance)
        layers = layers_of(controller)
        for layer in layers:
            self._check(layer)
        inner = Branch((*branch.layers, *layers))
        for name in _names(controller):
            declared = declarations(inspect.getattr_static(controller, name))
            if not declared:  # a static or class method carries its function inside
                wrapped = getattr(inspect.getattr_static(controller, name), "__func__", None)
                declared = declarations(wrapped)
            if declared:
                function = getattr(instance, name)
                yield from self._handlers(function, declared, inner, (*paths, controller.path))

    def _handlers(
        self,
        function: Callable[..., Any],
        declared: Sequence[BaseRouteHandler],
        branch: Branch,
        paths: tuple[str, ...],
    ) -> Iterator[DeclaredRoute]:
        for handler in declared:
            self._check(handler)
            for own in handler.paths:
                try:
                    path = _path_of(handler, paths, own)
                except BadPath as error:
                    self.problems.append(f"{described(function)}: {error}")
                    continue
                yield DeclaredRoute(path, branch, handler, function)


def _path_of(handler: BaseRouteHandler, paths: tuple[str, ...], own: str) -> PathTemplate:
    """Return a path of *handler* below *paths*, parsed.

    PERF: the handler keeps the first, for other apps that it is in at the same place.
    """
    kept: tuple[tuple[str, ...], str, PathTemplate] | None = vars(handler).get("_parsed")
    if kept is None:
        kept = vars(handler)["_parsed"] = (paths, own, parse_path(*paths, own))
    return kept[2] if kept[0] == paths and kept[1] == own else parse_path(*paths, own)


def _names(controller: type[Controller]) -> Iterator[str]:
    """Yield the names of a class in the order of their definition, the outermost base first."""
    seen: set[str] = set()
    for base in reversed(controller.__mro__):
        for name in vars(base):
            if name not in seen and not name.startswith("__"):
                seen.add(name)
                yield name


def _not_routable(item: object) -> str:
    if inspect.isroutine(item):
        return f"{described(item)} is not decorated; write @get() or another decorator above it"
    if isinstance(item, type):
        return f"{item.__qualname__} is not a Controller; derive it from hesper.Controller"
    return f"{item!r} is neither a decorated function nor a controller nor a router"
