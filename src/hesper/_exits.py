"""What is entered is exited: the adapters that enter and exit a provider's value.

* Exits run last in, first out, and all of them run, whatever fails.
* A provider sees the exception of what it served at its `yield`; it may raise another about it,
  but it cannot make it vanish.
* An exit's own failure carries a note that names the provider. It takes the place of the exception
  it was raised from (`raise ... from`, or an `HTTPException`: a translation); else both come out in
  one `ExceptionGroup`.
* A cancellation that the provider itself has brought about, by a task group or cancel scope that it
  holds open, is its own failure: what it raises then takes the place of the cancellation.
* A cancellation skips no exit: one in a thread is begun and ended, whoever cancels its task.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import TracebackType
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from hesper.concurrency import finish_in_thread, in_thread
from hesper.exceptions import HTTPException

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_DONE: Final = object()


class Exit(Protocol[T_co]):
    """A value with an end: what the adapters of this module are."""

    def __aenter__(self) -> Awaitable[T_co]:
        """Make the value."""
        ...

    def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Awaitable[None]:
        """End the value; never makes *error* vanish."""
        ...


class _Exit(Generic[T]):
    """The common part of the adapters; lives from enter to exit.

    Args:
        name: How notes name the provider.
    """

    __slots__ = ("__weakref__", "_name")

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"the dependency {self._name!r}"

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        cancelled = _cancellations() if isinstance(error, asyncio.CancelledError) else 0
        try:
            await self._leave(kind, error, trace)
            if cancelled and not _cancellations():
                raise self._own_cancellation() from error
        except BaseException as raised:
            if error is not None and _is_only(raised, error):
                # What this frame added would make the exception refer to itself.
                error.__traceback__ = trace
                return
            raised.add_note(f"raised when the dependency {self._name!r} was exited")
            is_own = cancelled and not _cancellations()
            if error is None or is_own or _stands_for(raised, error):
                raise
            raise BaseExceptionGroup(
                f"exiting the dependency {self._name!r} failed after an error", [error, raised]
            ) from None
        finally:
            del error, trace  # as in `_leave`

    def _leave(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Awaitable[object]:
        """End the value; whether *error* comes out again makes no difference."""
        raise NotImplementedError

    def _own_cancellation(self) -> RuntimeError:
        return RuntimeError(
            f"the dependency {self._name!r} has cancelled what it is for: a cancel scope that it "
            "holds open was cancelled, or its time is over; raise after the scope to say why"
        )

    def _second_value(self) -> RuntimeError:
        return RuntimeError(f"the dependency {self._name!r} yields more than one value")


def _cancellations() -> int:
    """Return how many cancellations of the current task nobody has taken back."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def _is_only(raised: BaseException, error: BaseException) -> bool:
    """Whether *raised* is *error*, perhaps inside of groups, as task groups raise it."""
    if isinstance(raised, BaseExceptionGroup) and raised is not error:
        return all(_is_only(member, error) for member in raised.exceptions)
    return raised is error


def _stands_for(raised: BaseException, error: BaseException) -> bool:
    """Whether *raised* says what *error* was: as a translation, or as a group that holds it."""
    if isinstance(raised, BaseExceptionGroup):
        return any(member is error or _stands_for(member, error) for member in raised.exceptions)
    return raised.__cause__ is error or isinstance(raised, HTTPException)


class AsyncGeneratorExit(_Exit[T]):
    """Enters and exits an asynchronous generator that yields one value."""

    __slots__ = ("_generator",)

    def __init__(self, generator: AsyncGenerator[T, None], name: str) -> None:
        super().__init__(name)
        self._generator = generator

    def __aenter__(self) -> Awaitable[T]:
        # PERF: the generator's own awaitable, without a frame in between.
        return self._generator.__anext__()

    async def _leave(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                await self._generator.__anext__()
            else:
                await self._generator.athrow(error)
        except StopAsyncIteration:
            return
        finally:
            # The frame of the generator, which hangs on its exceptions, may keep this one
            # (CPython gh-100964).
            del error, trace
        await self._generator.aclose()
        raise self._second_value()


class AsyncContextExit(_Exit[T]):
    """Enters and exits an asynchronous context manager."""

    __slots__ = ("_manager",)

    def __init__(self, manager: AbstractAsyncContextManager[T, bool | None], name: str) -> None:
        super().__init__(name)
        self._manager = manager

    def __aenter__(self) -> Awaitable[T]:
        return self._manager.__aenter__()

    def _leave(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Awaitable[object]:
        return self._manager.__aexit__(kind, error, trace)


class _SyncExit(_Exit[T]):
    """What is entered and exited by plain calls, on the loop or in a thread.

    Args:
        name: How notes name the provider.
        direct: Whether the calls are made on the loop.
    """

    __slots__ = ("_direct", "_value")

    def __init__(self, name: str, *, direct: bool = False) -> None:
        super().__init__(name)
        self._direct = direct
        self._value: Any = _DONE

    async def __aenter__(self) -> T:
        if self._direct:
            self._enter()
        else:
            try:
                await in_thread(self._enter)
            except BaseException as error:
                if self._value is not _DONE:  # cancelled while the thread entered it
                    await self.__aexit__(type(error), error, error.__traceback__)
                raise
        value: T = self._value
        return value

    async def _leave(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._direct:
            self._exit(kind, error, trace)
        else:
            await finish_in_thread(self._exit, kind, error, trace)

    def _enter(self) -> None:
        """Make the value, and keep it."""
        raise NotImplementedError

    def _exit(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the value."""
        raise NotImplementedError


class SyncGeneratorExit(_SyncExit[T]):
    """Enters and exits a generator that yields one value.

    Args:
        generator: The generator.
        name: How notes name the provider.
        direct: Whether it runs on the loop.
    """

    __slots__ = ("_generator",)

    def __init__(
        self, generator: Generator[T, None, None], name: str, *, direct: bool = False
    ) -> None:
        super().__init__(name, direct=direct)
        self._generator = generator

    def _enter(self) -> None:
        value = next(self._generator, _DONE)
        if value is _DONE:
            raise RuntimeError(f"the dependency {self._name!r} yields no value")
        self._value = value

    def _exit(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                next(self._generator)
            else:
                self._generator.throw(error)
        except StopIteration:
            return
        self._generator.close()
        raise self._second_value()


class ContextExit(_SyncExit[T]):
    """Enters and exits a context manager.

    Args:
        manager: The context manager.
        name: How notes name the provider.
        direct: Whether it runs on the loop.
    """

    __slots__ = ("_manager",)

    def __init__(
        self, manager: AbstractContextManager[T, bool | None], name: str, *, direct: bool = False
    ) -> None:
        super().__init__(name, direct=direct)
        self._manager = manager

    def _enter(self) -> None:
        self._value = self._manager.__enter__()

    def _exit(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._manager.__exit__(kind, error, trace)


class Exits:
    """Any number of values that end together, last in, first out; lives for one `async with`."""

    __slots__ = ("__weakref__", "_entered")

    def __init__(self) -> None:
        self._entered: list[Exit[Any]] = []

    async def enter(self, value: Exit[T]) -> T:
        """Enter *value* now; it is exited when this object is."""
        entered = await value.__aenter__()
        self._entered.append(value)
        return entered

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        present = error
        while self._entered:
            value = self._entered.pop()
            try:
                if present is None:
                    await value.__aexit__(None, None, None)
                else:
                    await value.__aexit__(type(present), present, present.__traceback__)
            except BaseException as raised:
                present = raised
        try:
            if present is not None and present is not error:
                raise present
        finally:
            del present, error
