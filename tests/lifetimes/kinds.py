"""Providers of every kind that write down when they make a value and when it ends."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from hesper import Lifetime, Provide

Log = list[str]

LIFETIMES = (Lifetime.CALL, Lifetime.CONNECTION, Lifetime.LIFESPAN, Lifetime.LOOP)


def function(log: Log, name: str) -> Callable[..., Any]:
    def make() -> str:
        log.append(f"+{name}")
        return name

    return make


def coroutine_function(log: Log, name: str) -> Callable[..., Any]:
    async def make() -> str:
        log.append(f"+{name}")
        return name

    return make


def generator(log: Log, name: str) -> Callable[..., Any]:
    def make() -> Iterator[str]:
        log.append(f"+{name}")
        try:
            yield name
        finally:
            log.append(f"-{name}")

    return make


def async_generator(log: Log, name: str) -> Callable[..., Any]:
    async def make() -> AsyncIterator[str]:
        log.append(f"+{name}")
        try:
            yield name
        finally:
            log.append(f"-{name}")

    return make


def context_manager(log: Log, name: str) -> Callable[..., Any]:
    return contextmanager(generator(log, name))


def async_context_manager(log: Log, name: str) -> Callable[..., Any]:
    return asynccontextmanager(async_generator(log, name))


def class_of_values(log: Log, name: str) -> Callable[..., Any]:
    class Value:
        def __init__(self) -> None:
            log.append(f"+{name}")

        def __str__(self) -> str:
            return name

    return Value


def class_with_an_exit(log: Log, name: str) -> Callable[..., Any]:
    class Value:
        def __enter__(self) -> str:
            log.append(f"+{name}")
            return name

        def __exit__(self, *_error: object) -> None:
            log.append(f"-{name}")

    return Value


def class_with_an_async_exit(log: Log, name: str) -> Callable[..., Any]:
    class Value:
        async def __aenter__(self) -> str:
            log.append(f"+{name}")
            return name

        async def __aexit__(self, *_error: object) -> None:
            log.append(f"-{name}")

    return Value


class Maker:
    """A callable object, and one with methods."""

    def __init__(self, log: Log, name: str) -> None:
        self.log = log
        self.name = name

    async def __call__(self) -> str:
        self.log.append(f"+{self.name}")
        return self.name

    async def method(self) -> AsyncIterator[str]:
        self.log.append(f"+{self.name}")
        yield self.name
        self.log.append(f"-{self.name}")


def method(log: Log, name: str) -> Callable[..., Any]:
    return Maker(log, name).method


def partial(log: Log, name: str) -> Callable[..., Any]:
    async def make(what: str) -> AsyncIterator[str]:
        log.append(f"+{what}")
        yield what
        log.append(f"-{what}")

    return functools.partial(make, name)


WITHOUT_END: dict[str, Callable[[Log, str], Callable[..., Any]]] = {
    "function": function,
    "coroutine function": coroutine_function,
    "class": class_of_values,
    "callable object": Maker,
}

WITH_END: dict[str, Callable[[Log, str], Callable[..., Any]]] = {
    "generator": generator,
    "async generator": async_generator,
    "context manager": context_manager,
    "async context manager": async_context_manager,
    "class with an exit": class_with_an_exit,
    "class with an async exit": class_with_an_async_exit,
    "method": method,
    "partial": partial,
}

KINDS = {**WITHOUT_END, **WITH_END}


def opens(log: Log, name: str, lifetime: Lifetime = Lifetime.CALL) -> Provide:
    """Return a provider of a value with an end."""
    return Provide(async_generator(log, name), lifetime=lifetime)
