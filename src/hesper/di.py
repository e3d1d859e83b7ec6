"""Say how a dependency is made, and how long it lives: `Provide`."""

from __future__ import annotations

from hesper._types import Provider
from hesper.lifetime import Lifetime
from hesper.params import NamedDependency

__all__ = ["NamedDependency", "Provide"]


class Provide:
    """A provider of a dependency: what makes the value, how, and how long it lives.

    Never changes once it is made, and may be used by any number of layers and apps.

    Args:
        dependency: A function, generator, context manager factory or class, sync or asynchronous.
            Its arguments are injected as a handler's are, other dependencies included. What it
            yields or enters is exited when its lifetime ends.
        lifetime: How long the value lives.
        use_cache: Whether the first value is kept, and used again, as long as the lifespan: it is
            a value without an end, and depends on nothing that belongs to a connection or a call.
        sync_to_thread: Whether a sync provider runs in a worker thread.

    Raises:
        TypeError: *dependency* is not callable, *lifetime* is none, or *use_cache* contradicts it.
    """

    __slots__ = ("__weakref__", "dependency", "lifetime", "sync_to_thread", "use_cache")

    dependency: Provider
    lifetime: Lifetime
    sync_to_thread: bool
    use_cache: bool

    def __init__(
        self,
        dependency: Provider,
        *,
        lifetime: Lifetime = Lifetime.CALL,
        use_cache: bool = False,
        sync_to_thread: bool = True,
    ) -> None:
        if not callable(dependency):
            raise TypeError(
                f"Provide takes a callable that makes the value, not {dependency!r}; "
                "write Provide(lambda: value, sync_to_thread=False) for a ready one"
            )
        if not isinstance(lifetime, Lifetime):
            members = ", ".join(f"Lifetime.{member.name}" for member in reversed(Lifetime))
            raise TypeError(f"lifetime takes one of {members}, not {lifetime!r}")
        if use_cache and lifetime is not Lifetime.CALL:
            raise TypeError(
                f"use_cache=True keeps the first value as long as the lifespan, and "
                f"lifetime=Lifetime.{lifetime.name} says otherwise; leave one of them out"
            )
        self.dependency = dependency
        self.lifetime = lifetime
        self.sync_to_thread = sync_to_thread
        self.use_cache = use_cache

    def __repr__(self) -> str:
        name = getattr(self.dependency, "__qualname__", self.dependency)
        how = "" if self.lifetime is Lifetime.CALL else f", lifetime=Lifetime.{self.lifetime.name}"
        return f"Provide({name}{how}{', use_cache=True' if self.use_cache else ''})"
