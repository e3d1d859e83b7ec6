"""Everything can be weakly referenced, and is a key by identity."""

from __future__ import annotations

import asyncio
import enum
import gc
import importlib
import pkgutil
import sys
import types
import weakref
from collections import deque
from typing import Any
from weakref import WeakKeyDictionary

import httpx
import httpx2
import pytest

import hesper
from hesper import (
    Hesper,
    Lifespan,
    Request,
    Router,
    get,
)
from hesper.datastructures import State
from hesper.registry import Registry, attached
from tests.architecture.every_use import USES, asking, echo, make, used

CANNOT: dict[str, str] = {}
"""Public classes whose instances cannot be weakly referenced, by name, and the reason why."""


def public_classes() -> dict[str, type]:
    """Return every class that a public module exports, by its full name."""
    found: dict[str, type] = {}
    for module_info in pkgutil.walk_packages(hesper.__path__, "hesper."):
        if any(part.startswith("_") for part in module_info.name.split(".")):
            continue
        module = importlib.import_module(module_info.name)
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if isinstance(value, type):
                found[f"{value.__module__}.{value.__qualname__}"] = value
    return found


@pytest.mark.parametrize("name", sorted(public_classes()))
def test_instances_of_a_public_class_can_be_weakly_referenced(name: str) -> None:
    kind = public_classes()[name]
    # Members of enumerations live as long as their class.
    can = kind.__weakrefoffset__ != 0 or issubclass(kind, enum.Enum)
    assert can == (name not in CANNOT), f"{name} needs '__weakref__' in its __slots__"


def test_no_module_of_hesper_leads_to_an_app() -> None:
    app = make()
    asyncio.run(used(USES["answer"], app))
    elsewhere = {id(vars(module)) for module in list(sys.modules.values())}
    ours = [vars(module) for name, module in sys.modules.items() if name.startswith("hesper")]
    seen, ahead = {id(namespace) for namespace in ours}, deque[object](ours)
    while ahead:
        for found in gc.get_referents(ahead.popleft()):
            assert found is not app
            if (
                id(found) not in seen
                and id(found) not in elsewhere
                and not isinstance(found, types.ModuleType)
            ):
                seen.add(id(found))
                ahead.append(found)
    assert len(seen) > 1_000


def test_what_a_handler_sees_can_be_weakly_referenced() -> None:
    seen: list[weakref.ref[object]] = []

    @get("/{name:str}")
    async def index(request: Request, state: State, app: Hesper, lifespan: Lifespan) -> str:
        parts = [request, state, app, lifespan, request.headers, request.url, request.app]
        parts += [request.state, request.query_params, lifespan.tasks, lifespan.closing]
        seen.extend(map(weakref.ref, parts))
        return "seen"

    asyncio.run(used(asking("/it", 200), Hesper([index])))
    assert len(seen) == 11
    assert [reference() for reference in seen] == [None] * 11


def test_layers_are_keys_by_identity() -> None:
    first, second = make(), make()
    names: WeakKeyDictionary[object, str] = WeakKeyDictionary()
    names[first], names[second] = "first", "second"
    names[echo] = "a handler"
    router = Router("/", [echo])
    names[router] = "a router"
    assert (names[first], names[second], len(names)) == ("first", "second", 4)
    del first, router
    assert list(names.values()) == ["second", "a handler"]


@pytest.mark.parametrize("client_library", [httpx, httpx2], ids=["httpx", "httpx2"])
@pytest.mark.anyio
async def test_a_cache_of_clients_by_app_works(client_library: Any) -> None:
    client_cache: WeakKeyDictionary[Hesper, Any] = WeakKeyDictionary()

    def client_for_app(app: Hesper) -> Any:
        client = client_cache.get(app)
        if client is None:
            client = client_cache[app] = client_library.AsyncClient(
                transport=client_library.ASGITransport(app=app)
            )
        return client

    @get("/")
    async def index() -> str:
        return "served"

    one, two = Hesper([index]), Hesper([index])
    for app in (one, two, one):
        response = await client_for_app(app).get("http://app/")
        assert response.text == "served"
    assert client_for_app(one) is client_for_app(one) is not client_for_app(two)
    assert len(client_cache) == 2
    gone = weakref.ref(one)
    del app, one, two
    gc.collect()
    # The trap: a value that refers to its key keeps it, in a weak-keyed mapping too.
    assert gone() is not None


@get("/")
async def index() -> str:
    return "served"


@pytest.mark.parametrize("client_library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_a_thousand_apps_with_clients_attached_are_freed(client_library: Any) -> None:
    def client_of(app: Hesper) -> Any:
        def connect() -> Any:
            return client_library.AsyncClient(transport=client_library.ASGITransport(app=app))

        return attached(app, "client", connect)

    async def main(times: int) -> Registry[Hesper]:
        apps = Registry[Hesper]()
        for _ in range(times):
            app = Hesper([index])
            apps.add(app)
            assert (await client_of(app).get("http://app/")).text == "served"
            assert client_of(app) is client_of(app)
        return apps

    apps = asyncio.run(main(1_000))
    gc.collect()  # the client refers to its app: a cycle, which is freed, but not at once
    assert list(apps) == []
