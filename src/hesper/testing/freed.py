"""The check that an app that is dropped is gone: `assert_freed`."""

from __future__ import annotations

import gc
import types
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Final

from hesper._types import ASGIApp
from hesper.testing.async_client import AsyncTestClient
from hesper.testing.conformance import ONE_REQUEST, PATIENCE, statuses, well_formed
from hesper.testing.threads import in_thread

__all__ = ("assert_freed",)

SHOWN: Final = 5
"""How many of those that keep an object alive are named."""


def assert_freed(
    factory: Callable[[], ASGIApp],
    *,
    requests: Sequence[str] = ONE_REQUEST,
    collect: bool = False,
) -> None:
    """Check that an app that has been used and dropped is gone.

    The app runs one lifespan, in which it is asked, with the cyclic collector switched off.

    Args:
        factory: Makes the app; it must not keep it.
        requests: What to ask, such as "GET /books".
        collect: Whether the cyclic collector may help: then only what is kept for ever is found.

    Raises:
        AssertionError: Something keeps the app; the message names what refers to it.
        TypeError: The app cannot be weakly referenced, so that nobody can tell.
        ValueError: A request is none.
    """
    well_formed(requests)

    async def use(app: ASGIApp) -> None:
        async with AsyncTestClient(app, timeout=PATIENCE) as client:
            await statuses(client, requests)

    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        made: list[ASGIApp] = [factory()]
        reference = _reference(made[0])
        in_thread(lambda: use(made[0]))
        made.clear()
        if collect:
            gc.collect()
        _demand_freed(reference, collect=collect)
    finally:
        if was_enabled:
            gc.enable()


def _reference(app: ASGIApp) -> weakref.ref[ASGIApp]:
    try:
        return weakref.ref(app)
    except TypeError:
        kind = type(app).__qualname__
        raise TypeError(
            f"a {kind} cannot be weakly referenced, so nobody can tell whether it is gone; let"
            f" '__weakref__' be among the __slots__ of {kind}, or check what the app is made of"
        ) from None


def _demand_freed(reference: weakref.ref[Any], *, collect: bool) -> None:
    if reference() is None:
        return
    names = "".join(f"\n  {name}" for name in _holders(reference)) or "\n  nothing that is known"
    gc.collect()
    how = "until the cyclic collector comes: it is part of a cycle"
    if collect or reference() is not None:
        how = "whatever the cyclic collector does"
    raise AssertionError(f"The app was dropped and is kept, {how}. It is referred to by{names}")


def _holders(reference: weakref.ref[Any]) -> list[str]:
    """Return what keeps an object alive, in words, without being added to that."""
    alive = reference()
    holders = [it for it in gc.get_referrers(alive) if not isinstance(it, types.FrameType)]
    # Not in a comprehension, which would be among those that refer to it.
    return list(map(_named, holders[:SHOWN], [alive] * SHOWN))


def _named(holder: object, held: object) -> str:
    if isinstance(holder, dict):
        keys = [str(key) for key, value in holder.items() if value is held]
        if "__name__" in holder and "__spec__" in holder:
            return f"the module {holder['__name__']}, as {', '.join(keys)}"
        return f"a dict, under the keys {', '.join(keys)}"
    if isinstance(holder, types.CellType):
        parts = [it for it in gc.get_referrers(holder) if isinstance(it, tuple)]
        owners = [it for part in parts for it in gc.get_referrers(part)]
        names = [it.__qualname__ for it in owners if isinstance(it, types.FunctionType)]
        return f"a variable of {names[0]}" if names else "a variable of a function"
    attributes = [name for name, value in getattr(holder, "__dict__", {}).items() if value is held]
    if attributes:
        return f"{', '.join(attributes)} of {holder!r:.200}"
    return f"the {type(holder).__qualname__} {holder!r:.200}"
