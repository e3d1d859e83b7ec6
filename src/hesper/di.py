"""Say how a dependency is made: `Provide`."""

from __future__ import annotations

from hesper._types import Provider
from hesper.params import NamedDependency

__all__ = ["NamedDependency", "Provide"]


class Provide:
    """A provider of a dependency: what makes the value, and how.

    Never changes once it is made, and may be used by any number of layers and apps.

    Args:
        dependency: A function, generator, context manager factory or class, sync or asynchronous.
            Its arguments are injected as a handler's are, other dependencies included. What it
            yields or enters is exited when its lifetime ends.
        sync_to_thread: Whether a sync provider runs in a worker thread.

    Raises:
        TypeError: *dependency* is not callable.
    """

    __slots__ = ("__weakref__", "dependency", "sync_to_thread")

    dependency: Provider
    sync_to_thread: bool

    def __init__(self, dependency: Provider, *, sync_to_thread: bool = True) -> None:
        if not callable(dependency):
            raise TypeError(
                f"Provide takes a callable that makes the value, not {dependency!r}; "
                "write Provide(lambda: value, sync_to_thread=False) for a ready one"
            )
        self.dependency = dependency
        self.sync_to_thread = sync_to_thread

    def __repr__(self) -> str:
        return f"Provide({getattr(self.dependency, '__qualname__', self.dependency)})"
