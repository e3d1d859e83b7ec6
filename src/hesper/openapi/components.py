"""The named schemas of a document, while it is written.

A model is written once for each direction, and once more where encoders change what it looks like.
What turns out to be the same becomes one component; what is different and would bear the same name
is told apart by its direction, then by its module, then by a number. Names do not depend on
anything but the routes and their order.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from typing import Any, Final, Literal, TypeAlias

from hesper.serialization import json_encoder

Direction: TypeAlias = Literal["in", "out"]
"""Whether values are read from requests or sent in responses."""

_UNNAMEABLE: Final = re.compile(r"[^A-Za-z0-9._-]+")


class Component:
    """A schema that others refer to; in them it stands for its reference, until they are encoded.

    Lives until the document is written.

    Args:
        name: What it would be called if nothing else were called so.
        owner: The full name of what it describes.
        direction: Where its values go.
    """

    __slots__ = ("__weakref__", "direction", "name", "owner", "path", "schema")

    path: str
    """Where it stands in the document, once it has a name."""

    def __init__(self, name: str, owner: str, direction: Direction) -> None:
        self.name = _UNNAMEABLE.sub("_", name).strip("_") or "Schema"
        self.owner = _UNNAMEABLE.sub("_", owner).strip("_")
        self.direction = direction
        self.schema: dict[str, Any] = {}

    @property
    def reference(self) -> dict[str, Any]:
        """A schema that refers to it."""
        return {"$ref": self}


class Components:
    """All named schemas; lives until the document is written."""

    __slots__ = ("__weakref__", "_all")

    def __init__(self) -> None:
        self._all: list[Component] = []

    def add(self, name: str, owner: str, direction: Direction) -> Component:
        """Return a new component, whose schema is still to be written.

        Args:
            name: What it would be called if nothing else were called so.
            owner: The full name of what it describes.
            direction: Where its values go.
        """
        component = Component(name, owner, direction)
        self._all.append(component)
        return component

    def schemas(self, taken: Container[str]) -> dict[str, dict[str, Any]]:
        """Name all components, and return their schemas by name.

        Args:
            taken: Names that are not to be used.
        """
        groups = _alike(self._all)
        schemas: dict[str, dict[str, Any]] = {}
        for group, name in zip(groups, _named(groups, taken), strict=True):
            schemas[name] = group[0].schema
            for component in group:
                component.path = f"#/components/schemas/{name}"
        return dict(sorted(schemas.items()))

    def clear(self) -> None:
        """Let go of all schemas, which refer to each other."""
        for component in self._all:
            component.schema = {}


def _alike(components: list[Component]) -> list[list[Component]]:
    """Return components in groups: those whose schemas, and all they refer to, are equal."""
    groups: dict[Component, int] = dict.fromkeys(components, 0)
    encode = json_encoder({Component: lambda component: groups[component]})
    count = 1
    while True:
        numbers: dict[tuple[int, str, bytes], int] = {}
        refined = {
            c: numbers.setdefault((groups[c], c.name, encode(c.schema)), len(numbers))
            for c in components
        }
        groups.update(refined)
        if len(numbers) <= count:
            break
        count = len(numbers)
    members: dict[int, list[Component]] = {}
    for component in components:
        members.setdefault(groups[component], []).append(component)
    return list(members.values())


def _named(groups: list[list[Component]], taken: Container[str]) -> list[str]:
    by_name: dict[str, list[list[Component]]] = {}
    for group in groups:
        by_name.setdefault(group[0].name, []).append(group)
    used: set[str] = set()
    return [_free(_told_apart(group, by_name[group[0].name]), used, taken) for group in groups]


def _told_apart(group: list[Component], rivals: list[list[Component]]) -> str:
    own = group[0]
    if len({rival[0].owner for rival in rivals}) == 1:
        name, nearest = own.name, rivals
    else:
        name = own.owner
        nearest = [rival for rival in rivals if rival[0].owner == own.owner]
    is_only_read = _directions(group) == {"in"}
    is_sent_too = any("out" in _directions(rival) for rival in nearest)
    return f"{name}Input" if is_only_read and is_sent_too else name


def _directions(group: Iterable[Component]) -> set[str]:
    return {component.direction for component in group}


def _free(name: str, used: set[str], taken: Container[str]) -> str:
    free, number = name, 1
    while free in used or free in taken:
        number += 1
        free = f"{name}_{number}"
    used.add(free)
    return free
