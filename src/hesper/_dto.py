"""What layers, plans and endpoints know of a DTO; the rest is in `hesper.dto`.

Only who uses a DTO imports what it takes to have one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Protocol

from hesper._faults import Fault
from hesper.response.response import Response


class Inbound(Protocol):
    """What a DTO makes of a request's body; lives as long as the plan of the route."""

    @property
    def annotation(self) -> Any:
        """What the handler takes."""
        ...

    @property
    def wire(self) -> Any:
        """The type that the body is decoded as."""
        ...

    @property
    def described(self) -> Any:
        """The type of the body for documentation, with constraints and defaults."""
        ...

    @property
    def finish(self) -> Callable[[Any], Any] | None:
        """Makes what the handler takes of what was decoded; `None` if it is that already."""
        ...

    @property
    def identity(self) -> tuple[Any, ...]:
        """What arguments have in common that take the same."""
        ...

    def faults(self, decoded: Any, error: Exception) -> list[Fault]:
        """Return everything that the models refuse of a value that was decoded."""
        ...


class Outbound(Protocol):
    """What a DTO makes of a handler's results; lives as long as the plan of the route."""

    @property
    def dto(self) -> type[DTO]:
        """The DTO."""
        ...

    @property
    def described(self) -> Any:
        """The type of what is sent, for documentation."""
        ...

    @property
    def transfer(self) -> Callable[[Any], Any] | None:
        """Makes of a handler's result what is encoded; `None` if it is that already."""
        ...

    def loosely(self, result: Any) -> Any:
        """Return what is encoded of a result that may be plain data, as a hook's may."""
        ...

    def in_response(self, response: Response[Any]) -> Response[Any]:
        """Return a response whose content is transformed."""
        ...


class DTO:
    """What every DTO is; `AbstractDTO` says what one can do."""

    model_type: ClassVar[Any] = None
    """The model; `None` for one that has none yet."""

    @classmethod
    def inbound_of(cls, annotation: Any, *, own: bool) -> Inbound | None:
        """Return what the DTO makes of the body for an argument; `None` if it is not concerned.

        Args:
            annotation: The argument's type.
            own: Whether the handler itself names the DTO.

        Raises:
            ImproperlyConfiguredException: The DTO does not fit the argument.
        """
        raise NotImplementedError

    @classmethod
    def outbound_of(cls, returns: Any, *, own: bool) -> Outbound | None:
        """Return what the DTO makes of a handler's results; `None` if it is not concerned.

        Args:
            returns: The type that the handler returns.
            own: Whether the handler itself names the DTO, for its results alone.

        Raises:
            ImproperlyConfiguredException: The DTO does not fit the results.
        """
        raise NotImplementedError
