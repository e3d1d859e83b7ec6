"""What a DTO does with the body of a request, and with the result of a handler.

Found out when an app is built. Where nothing is to be transformed, nothing is done.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args, get_origin

import msgspec

from hesper._faults import Fault, fault_of
from hesper._signature import MISSING, members, without_extras
from hesper._type_survey import leaves
from hesper.dto.around import Around
from hesper.dto.construction import Construction
from hesper.dto.data import DTOData
from hesper.dto.kinds import arguments_of_bases
from hesper.dto.looking import mentions_model
from hesper.dto.shape import (
    COLLECTIONS,
    MAPPINGS,
    ChoiceShape,
    Direction,
    ItemsShape,
    ModelShape,
    Shape,
    all_parts,
    union,
    wire_type,
)
from hesper.dto.shaping import ShapedDTO, is_unclear, shape_of
from hesper.dto.transfer import Misfit, Transfer, stray, transfer_of
from hesper.exceptions import ImproperlyConfiguredException
from hesper.response.response import Response

_REFUSALS = (TypeError, ValueError, ArithmeticError)
"""What a model raises for values that it does not take."""

_OPEN = (Any, object, MISSING, *COLLECTIONS, *MAPPINGS, tuple)
"""Annotations that do not say what is inside."""


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class DTOInbound:
    """What a DTO makes of a request's body; lives as long as the plan of the route."""

    dto: type[ShapedDTO]
    annotation: Any
    """What the handler takes."""
    shape: Shape
    wire: Any
    """The type that the body is decoded as."""
    finish: Transfer | None
    """Makes what the handler takes of what was decoded; `None` if it is that already."""
    is_data: bool
    """Whether the handler takes a `DTOData`."""

    @property
    def described(self) -> Any:
        """The type of the body for documentation, with constraints and defaults."""
        return wire_type(self.shape, described=True)

    @property
    def identity(self) -> tuple[Any, ...]:
        """What arguments have in common that take the same."""
        classes = (id(leaf) for leaf in leaves(self.annotation) if isinstance(leaf, type))
        return (id(self.dto), repr(self.annotation), *classes)

    def faults(self, decoded: Any, error: Exception) -> list[Fault]:
        """Return everything that the models refuse of a value that was decoded.

        Args:
            decoded: What was decoded.
            error: What was raised when it was finished.
        """
        values = transfer_of(self.shape, "values")
        construction = Construction()
        try:
            plain = decoded if values is None else values(decoded)
            if self.is_data:
                construction.examine(self.shape, plain)
            else:
                construction.part(self.shape, plain, "")
        except _REFUSALS:  # of one of several models, whose values alone do not tell which it is
            return fault_of(error)
        return construction.faults or fault_of(error)


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class DTOOutbound:
    """What a DTO makes of a handler's result; lives as long as the plan of the route."""

    dto: type[ShapedDTO]
    annotation: Any
    """What the handler returns, a response's content in its place."""
    shape: Shape
    transfer: Transfer | None
    """Makes of a result what is encoded; `None` if it is that already."""

    @property
    def described(self) -> Any:
        """The type of what is sent, for documentation."""
        return wire_type(self.shape, described=True)

    def loosely(self, result: Any) -> Any:
        """Return what is encoded of a result that may be plain data, as a hook's may.

        Args:
            result: What a hook returned, or what a response holds.

        Raises:
            TypeError: A model is in it that the DTO is not for.
        """
        if self.transfer is None:
            return result
        try:
            return self.transfer(result)
        except Misfit:
            return stray(result)

    def in_response(self, response: Response[Any]) -> Response[Any]:
        """Return a response whose content is transformed; a copy, as it may be sent again.

        Args:
            response: What the handler returned.
        """
        if self.transfer is None or response.streaming or response.content is None:
            return response
        twin = copy(response)
        twin.content = self.loosely(response.content)
        return twin


def inbound_of(annotation: Any, dto: type[ShapedDTO], *, own: bool) -> DTOInbound | None:
    """Return what a DTO makes of the body for an argument; `None` if it is not concerned.

    Args:
        annotation: The argument's type.
        dto: The DTO.
        own: Whether the handler itself names the DTO.

    Raises:
        ImproperlyConfiguredException: The DTO does not fit the argument.
    """
    wanted, is_data = _without_data(annotation)
    around = Around(dto.model_type, shape_of(dto, "data" if is_data else "in"), dto.kinds, "in")
    shape = around.of(wanted)
    if not around.found:
        _refuse_misfit(annotation, dto, "dto", own=own or is_data)
        return None
    _check_parts(shape)
    if is_data:
        for part in all_parts(shape):
            if isinstance(part, ChoiceShape) and part.has_several_models:
                _check_complete(part)  # made at once, as values alone do not tell which it is
        finish: Transfer | None = partial(_to_data, shape, transfer_of(shape, "values"))
    else:
        _check_complete(shape)
        make = transfer_of(shape, "make")
        finish = None if make is None else partial(_to_instance, make)
    return DTOInbound(dto, annotation, shape, wire_type(shape), finish, is_data)


def outbound_of(returns: Any, dto: type[ShapedDTO], *, own: bool) -> DTOOutbound | None:
    """Return what a DTO makes of a handler's results; `None` if it is not concerned.

    Args:
        returns: The type that the handler returns.
        dto: The DTO.
        own: Whether the handler itself names the DTO, for its results alone.

    Raises:
        ImproperlyConfiguredException: The DTO does not fit the results.
    """
    annotation = union(contents) if (contents := _contents(returns)) else None
    around = Around(dto.model_type, shape_of(dto, "out"), dto.kinds, "out")
    shape = around.of(annotation)
    if not around.found:
        _refuse_misfit(annotation, dto, "return_dto", own=own)
        return None
    return DTOOutbound(dto, annotation, shape, transfer_of(shape, "send"))


def type_on_wire(dto: type[ShapedDTO], annotation: Any, direction: Direction) -> Any:
    """Return the type of a value as clients see it, for documentation.

    Args:
        dto: The DTO.
        annotation: The type of a handler's `data` (`in`), or the one that it returns (`out`).
        direction: Whether it is read from requests or sent in responses.

    Returns:
        An annotation in which structs stand for models. It is the same object for the same DTO
        and model, and lives with the DTO.

    Raises:
        ImproperlyConfiguredException: The DTO does not fit the annotation.
    """
    find = inbound_of if direction == "in" else outbound_of
    found = find(annotation, dto, own=False)
    return annotation if found is None else found.described


def _to_instance(make: Transfer, decoded: Any) -> Any:
    try:
        return make(decoded)
    except _REFUSALS as error:
        raise msgspec.ValidationError(str(error)) from error


def _to_data(shape: Shape, values: Callable[[Any], Any] | None, decoded: Any) -> Any:
    if decoded is None:
        return None
    try:
        plain = decoded if values is None else values(decoded)
    except _REFUSALS as error:  # of one of several models, which is made at once
        raise msgspec.ValidationError(str(error)) from error
    construction = Construction()
    construction.examine(shape, plain)
    if construction.faults:
        raise msgspec.ValidationError(construction.faults[0].message)
    return DTOData(shape, plain)


def _without_data(annotation: Any) -> tuple[Any, bool]:
    """Return the type inside `DTOData[...]`, and whether it stands there."""
    found = [without_extras(member) for member in members(annotation)]
    if not any((get_origin(member) or member) is DTOData for member in found):
        return annotation, False
    if DTOData in found:
        raise ImproperlyConfiguredException("DTOData says nothing of its model; write DTOData[...]")
    return union(
        get_args(member)[0] if get_origin(member) is DTOData else member for member in found
    ), True


def _contents(returns: Any) -> list[Any]:
    """Return the types of what is sent as data, whether in a response or not."""
    found: list[Any] = []
    for member in members(returns):
        kind = get_origin(member) or member
        if not isinstance(kind, type) or not issubclass(kind, Response):
            found.append(member)
        elif not kind.streaming:
            own = dict(zip(getattr(kind, "__parameters__", ()), get_args(member), strict=False))
            given = arguments_of_bases(kind, own)[Response]
            content = next(iter(given.values()), Any)
            found += [] if content is type(None) else members(content)
    return found


def _refuse_misfit(annotation: Any, dto: type[ShapedDTO], option: str, *, own: bool) -> None:
    """Refuse a DTO for what it is not for; one of an outer layer may be for other handlers.

    Raises:
        ImproperlyConfiguredException: The handler names it itself, or models would pass by it.
    """
    may_be_any = option == "return_dto" and any(leaf in _OPEN for leaf in leaves(annotation))
    if not own and not may_be_any and not mentions_model(annotation, dto.kinds):
        return
    model = dto.model_type.__name__
    shown = "not annotated" if annotation is MISSING else f"{annotation}"
    raise ImproperlyConfiguredException(
        f"it is {shown}, but {dto.__name__} is for {model}; annotate it with {model}, or a "
        f"list of it and the like, or write {option}=None"
    )


def _check_parts(shape: Shape) -> None:
    """Refuse what can never be read."""
    for part in all_parts(shape):
        if isinstance(part, ChoiceShape) and is_unclear(part):
            raise ImproperlyConfiguredException(
                f"nobody can tell in a request which member of {part.annotation} is meant"
            )
        if isinstance(part, ItemsShape) and part.make in {set, frozenset}:
            inner = part.inner
            if isinstance(inner, ModelShape) and inner.type.__hash__ is None:
                raise ImproperlyConfiguredException(
                    f"a set can never hold {inner.type.__name__}, which has no hash: make it "
                    "frozen, or use a list"
                )


def _check_complete(shape: Shape) -> None:
    """Refuse to make instances of what cannot be complete."""
    for model in all_parts(shape):
        if not isinstance(model, ModelShape):
            continue
        lacking = [*model.lacking]
        lacking += [f.name for f in model.fields if f.optional and f.definition.required]
        if lacking and not model.kind.is_lenient(model.type):
            raise ImproperlyConfiguredException(
                f"{model.type.__name__} needs {', '.join(map(repr, lacking))}, which {model.owner} "
                "does not take from every request; give a default there, or take "
                f"data: DTOData[{model.type.__name__}] and its create_instance(...)"
            )
