"""Resources that belong to the running event loop and are closed with it.

Usable without an app. Everything here asks for the running loop; a resource is made for a loop on
first use there, lives as long as the loop, and is exited, in reverse order and in the task that
entered it, while the loop still runs tasks. No resource keeps its loop alive.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Hashable, MutableMapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

from hesper._loop import LoopContainer, loop_container

__all__ = [
    "aclose",
    "atexit",
    "enter",
    "enter_once",
    "singleton",
    "sticky_acm",
    "sticky_singleton_acm",
    "storage",
]

P = ParamSpec("P")
T = TypeVar("T")


def storage() -> MutableMapping[Hashable, Any]:
    """Return the mapping of the running loop, empty at first: `storage()["purpose"] = ...`.

    Raises:
        RuntimeError: No loop is running.
    """
    return loop_container().storage


@overload
def singleton(factory: Callable[P, T]) -> Callable[P, T]: ...


@overload
def singleton() -> Callable[[Callable[P, T]], Callable[P, T]]: ...


def singleton(factory: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """Make *factory* give one result for each loop and each combination of arguments.

    Used as `@singleton`, as `@singleton()`, or around any callable: `singleton(Client)("a")`. The
    arguments are bound to the signature, so that keyword order and defaults make no difference.
    An asynchronous factory is awaited once, however many callers wait; a failure reaches them all
    and is then forgotten, and a cancelled caller cancels nothing.

    Args:
        factory: A function or class, sync or asynchronous.

    Returns:
        A callable with the signature of *factory*. Calling it raises `RuntimeError` where no loop
        is running, and `TypeError` if an argument is not hashable.
    """
    if factory is None:
        return singleton
    bind = _binder(factory)

    if _is_asynchronous(factory):

        @functools.wraps(factory, updated=())
        async def made_once(*args: Any, **kwargs: Any) -> Any:
            key = (factory, bind(args, kwargs))
            return await loop_container().once(key, lambda: factory(*args, **kwargs))

        return made_once

    @functools.wraps(factory, updated=())
    def made(*args: Any, **kwargs: Any) -> Any:
        values = loop_container().values
        key = (factory, bind(args, kwargs))
        if key not in values:
            values[key] = _no_coroutine(factory, factory(*args, **kwargs))
        return values[key]

    return made


def _is_asynchronous(factory: Callable[..., Any]) -> bool:
    # What is called is looked up on the type: an instance may be called as a function is.
    called = getattr(type(factory), "__call__")  # noqa: B004, B009 - `x.__call__` is untyped
    return inspect.iscoroutinefunction(factory) or inspect.iscoroutinefunction(called)


def _no_coroutine(factory: Callable[..., Any], value: Any) -> Any:
    if inspect.iscoroutine(value):
        value.close()
        raise TypeError(
            f"{factory!r} returned a coroutine, which can be awaited only once; "
            "make it an `async def` function"
        )
    return value


def _binder(factory: Callable[..., Any]) -> Callable[[Any, Any], Hashable]:
    """Return a function that turns the arguments of a call into a key."""
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):  # some built-in classes do not tell theirs
        signature = inspect.signature(lambda *_args, **_kwargs: None)
    parameters = signature.parameters.values()
    defaults = {parameter.name: _default(parameter) for parameter in parameters}
    others = next((it.name for it in parameters if it.kind is it.VAR_KEYWORD), "")

    def bind(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable:
        given = signature.bind(*args, **kwargs).arguments
        for argument in (*args, *kwargs.values()):
            _check_hashable(argument)
        if others in given:
            given[others] = frozenset(given[others].items())
        return tuple({**defaults, **given}.values())

    return bind


def _default(parameter: inspect.Parameter) -> Hashable:
    """Return what stands in a key for an argument that is not given."""
    if parameter.kind is parameter.VAR_POSITIONAL:
        return ()
    if parameter.kind is parameter.VAR_KEYWORD:
        return frozenset()
    try:
        hash(parameter.default)
    except TypeError:  # one that cannot be given as an argument, then
        return _Same(parameter.default)
    default: Hashable = parameter.default
    return default


def _check_hashable(argument: object) -> None:
    try:
        hash(argument)
    except TypeError:
        raise TypeError(
            f"the arguments of a singleton tell its results apart, so they must be hashable, "
            f"unlike {argument!r:.100} ({type(argument).__name__})"
        ) from None


async def enter(acm: AbstractAsyncContextManager[T, bool | None]) -> T:
    """Enter *acm* now; it is exited with the running loop.

    Args:
        acm: An asynchronous context manager.

    Returns:
        What entering it gives.

    Raises:
        RuntimeError: No loop is running, or *acm* is entered on another loop.
    """
    container = loop_container()
    return cast("T", await container.enter(_Claimed(acm, container)))


async def enter_once(acm: AbstractAsyncContextManager[T, bool | None]) -> T:
    """Enter *acm* unless it was entered before; it is exited with the running loop.

    Args:
        acm: An asynchronous context manager; a second call with the same object does nothing more.

    Returns:
        What entering it gave.

    Raises:
        RuntimeError: No loop is running, or *acm* is entered on another loop.
    """
    container = loop_container()
    claimed = _Claimed(acm, container)
    # The key holds the object, so that its identity cannot pass to another while the loop lives.
    key = (enter_once, _Same(acm))
    return cast("T", await container.once(key, lambda: container.enter(claimed)))


class _Same:
    """Equal to another around the same object: objects need not be hashable."""

    __slots__ = ("_object",)

    def __init__(self, object_: object) -> None:
        self._object = object_

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other._object is self._object

    def __hash__(self) -> int:
        return id(self._object)


class _Claimed:
    """A context manager that is entered on one loop at a time; lives as long as it is entered."""

    __slots__ = ("_acm", "_container")

    def __init__(
        self, acm: AbstractAsyncContextManager[Any, bool | None], container: LoopContainer
    ) -> None:
        if not isinstance(acm, AbstractAsyncContextManager):
            raise TypeError(
                f"{acm!r} is no asynchronous context manager; if it is a function that makes one, "
                "call it"
            )
        self._acm = acm
        self._container = container

    def __repr__(self) -> str:
        return repr(self._acm)

    async def __aenter__(self) -> Any:
        self._container.claim(self._acm)
        try:
            return await self._acm.__aenter__()
        except BaseException:
            self._container.release(self._acm)
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        try:
            return await self._acm.__aexit__(kind, error, trace)
        finally:
            self._container.release(self._acm)


class sticky_acm(Generic[T]):  # noqa: N801 - as documented
    """A context manager that enters *acm* once and leaves it open: for `async with`.

    Entering it is `enter_once`; leaving it does nothing, for the exit comes with the loop.

    Args:
        acm: An asynchronous context manager.
    """

    __slots__ = ("__weakref__", "_acm")

    def __init__(self, acm: AbstractAsyncContextManager[T, bool | None]) -> None:
        self._acm = acm

    async def __aenter__(self) -> T:
        return await enter_once(self._acm)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


def sticky_singleton_acm(
    factory: Callable[P, AbstractAsyncContextManager[T, bool | None]],
) -> Callable[P, sticky_acm[T]]:
    """Make *factory* give one open context manager for each loop and combination of arguments.

    `async with sticky_singleton_acm(Session)(url) as session:` enters a session for that URL on
    first use, gives the same one afterwards, and closes it with the loop.

    Args:
        factory: Makes an asynchronous context manager; a class, or a function decorated with
            `contextlib.asynccontextmanager`.
    """
    made = singleton(factory)

    @functools.wraps(factory, updated=())
    def sticky(*args: P.args, **kwargs: P.kwargs) -> sticky_acm[T]:
        return sticky_acm(made(*args, **kwargs))

    return sticky


def atexit(
    callback: Callable[P, Awaitable[object] | object], *args: P.args, **kwargs: P.kwargs
) -> Callable[P, Awaitable[object] | object]:
    """Call `callback(*args, **kwargs)` when the running loop ends, and await what it returns.

    Args:
        callback: A function, sync or asynchronous.
        args: Its arguments.
        kwargs: Its keyword arguments.

    Returns:
        *callback*, so that this can be a decorator.

    Raises:
        RuntimeError: No loop is running.
    """
    loop_container().defer(functools.partial(callback, *args, **kwargs))
    return callback


async def aclose() -> None:
    """Exit everything that belongs to the running loop now; the loop may be used on.

    Raises:
        BaseException: The one error that there was, or a group of all.
        RuntimeError: No loop is running.
    """
    await loop_container().aclose()
