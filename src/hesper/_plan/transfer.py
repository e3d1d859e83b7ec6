"""What the DTOs of a route do with its body and its results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hesper._dto import DTO, Inbound, Outbound
from hesper._plan.annotations import UnclearArgument, shown
from hesper._resolution import contributions, option_of
from hesper.exceptions import ImproperlyConfiguredException
from hesper.layer import Layer, changes_of


def inbound(annotation: Any, dto: type[DTO], where: str, *, own: bool) -> Inbound | None:
    """Return what a DTO makes of the body for an argument; `None` if nothing.

    Args:
        annotation: The argument's type.
        dto: The DTO.
        where: How messages name the argument.
        own: Whether the handler itself names the DTO.

    Raises:
        UnclearArgument: The DTO does not fit the argument.
    """
    try:
        return dto.inbound_of(annotation, own=own)
    except ImproperlyConfiguredException as error:
        raise UnclearArgument(f"{where}: {error.detail}") from None


def outbound(
    handler: Layer, chain: tuple[Layer, ...], returns: Any, problems: list[str]
) -> Outbound | None:
    """Return what a DTO makes of a handler's results; `None` if nothing.

    A `dto` serves results too, unless a layer says something else with `return_dto`.

    Args:
        handler: The resolved handler.
        chain: Its layers.
        returns: The type that it returns.
        problems: Where problems are added.
    """
    said = any(True for _ in contributions(chain, "return_dto"))
    option = "return_dto" if said else "dto"
    dto: type[DTO] | None = option_of(handler, option)
    if dto is None:
        return None
    try:
        return dto.outbound_of(returns, own=said and "return_dto" in changes_of(chain[-1]))
    except ImproperlyConfiguredException as error:
        problems.append(f"the result: {error.detail}")
        return None


def idle(
    handler: Layer, scope_type: str, read: list[Inbound | None], sent: Outbound | None
) -> Iterator[str]:
    """Yield the DTOs that a handler itself names and that have nothing to do.

    Args:
        handler: The resolved handler.
        scope_type: The type of its connections.
        read: What is made of the body for each argument.
        sent: What is made of the results.
    """
    own = changes_of(handler)
    for option in ("dto", "return_dto"):
        dto: type[DTO] | None = own[option].value if option in own else None
        if dto is None:
            continue
        if scope_type != "http":
            yield f"{option} has no effect on {type(handler).__name__} handlers; leave it out"
        elif option == "dto" and not any(read) and (sent is None or sent.dto is not dto):
            yield (
                f"dto={dto.__name__} has nothing to do: the handler neither takes data: "
                f"{shown(dto.model_type)}, nor does it return one; leave it out"
            )
