"""The DTO classes: what a model looks like to clients, as a class that handlers name.

What is made for a DTO (its shapes, the classes of its wire, its functions) lives on the DTO's
class, and goes with it.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Generic, TypeVar, get_args, get_origin
from weakref import WeakValueDictionary

from hesper._dto import Inbound, Outbound
from hesper.dto.config import DTOConfig
from hesper.dto.kinds import AttrsKind, DataclassKind, ModelKind, StructKind, TypedDictKind
from hesper.dto.looking import kind_of
from hesper.dto.shape import COLLECTIONS
from hesper.dto.shaping import ShapedDTO
from hesper.dto.transport import inbound_of, outbound_of
from hesper.exceptions import ImproperlyConfiguredException

T = TypeVar("T")

_narrowed: Final[WeakValueDictionary[tuple[int, ...], type[AbstractDTO[Any]]]] = (
    WeakValueDictionary()
)
"""DTO classes by what they are made of, which each keeps alive as long as it lives itself."""


class AbstractDTO(ShapedDTO, Generic[T]):
    """What a model looks like to clients: which fields, under which names, in which direction.

    `DataclassDTO[Person]` is a DTO; a subclass of it may set `config`. DTOs are never instantiated;
    what is written for one lives as long as its class.
    """

    accepted: ClassVar[tuple[type[ModelKind], ...]] = (ModelKind,)
    """The kinds that the DTO's own model may be of."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._shapes = {}
        config: object = cls.config
        if not isinstance(config, DTOConfig):
            raise ImproperlyConfiguredException(
                f"{cls.__name__}.config is a DTOConfig(...), not {config!r}"
            )

    def __class_getitem__(cls, model: Any) -> Any:
        """Return the DTO for a model, or for `Annotated[model, DTOConfig(...)]`."""
        if isinstance(model, TypeVar):
            return cls  # for a generic subclass, which is given its model later
        if cls.model_type is not None:
            raise ImproperlyConfiguredException(
                f"{cls.__name__} is for {cls.model_type.__name__} already; take [...] from a DTO "
                "that has no model yet"
            )
        config = cls.config
        if get_origin(model) is Annotated:
            model, *extras = get_args(model)
            config = next((extra for extra in extras if isinstance(extra, DTOConfig)), config)
        if get_origin(model) in COLLECTIONS:
            model = get_args(model)[0]
        cls._check_model(model)
        key = (id(cls), id(model), id(config))
        dto = _narrowed.get(key)
        if dto is None:
            name = f"{cls.__name__}[{model.__name__}]"
            namespace = {"model_type": model, "config": config, "__module__": cls.__module__}
            dto = _narrowed[key] = type(name, (cls,), namespace)
        return dto

    @classmethod
    def _check_model(cls, model: Any) -> None:
        kind = kind_of(model, cls.kinds)
        if isinstance(model, type) and kind is not None and isinstance(kind, cls.accepted):
            return
        wanted = " or ".join(getattr(kind, "name", "model") for kind in cls.accepted)
        found = f"{model!r:.100}" if kind is None else f"the {kind.name} {model.__name__}"
        raise ImproperlyConfiguredException(f"{cls.__name__} takes one {wanted}, not {found}")

    @classmethod
    def inbound_of(cls, annotation: Any, *, own: bool) -> Inbound | None:
        """Return what the DTO makes of the body for an argument; `None` if it is not concerned.

        Args:
            annotation: The argument's type.
            own: Whether the handler itself names the DTO.

        Raises:
            ImproperlyConfiguredException: The DTO does not fit the argument.
        """
        return inbound_of(annotation, cls, own=own)

    @classmethod
    def outbound_of(cls, returns: Any, *, own: bool) -> Outbound | None:
        """Return what the DTO makes of a handler's results; `None` if it is not concerned.

        Args:
            returns: The type that the handler returns.
            own: Whether the handler itself names the DTO, for its results alone.

        Raises:
            ImproperlyConfiguredException: The DTO does not fit the results.
        """
        return outbound_of(returns, cls, own=own)


class DataclassDTO(AbstractDTO[T]):
    """A DTO for a dataclass."""

    accepted = (DataclassKind,)


class MsgspecDTO(AbstractDTO[T]):
    """A DTO for a msgspec struct."""

    accepted = (StructKind,)


class AttrsDTO(AbstractDTO[T]):
    """A DTO for a class made by attrs."""

    accepted = (AttrsKind,)


class TypedDictDTO(AbstractDTO[T]):
    """A DTO for a typed dictionary."""

    accepted = (TypedDictKind,)
