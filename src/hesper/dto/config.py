"""What a DTO lets through, and under which names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from hesper.exceptions import ImproperlyConfiguredException

RenameStrategy: TypeAlias = (
    Literal["lower", "upper", "camel", "pascal", "kebab"] | Callable[[str], str]
)
"""How a field's name becomes its name on the wire: a name of a style, or a function."""


@dataclass(frozen=True, eq=False)
class DTOConfig:
    """What a DTO lets through, and under which names; never changes.

    Raises:
        ImproperlyConfiguredException: Settings contradict each other, or do not exist.
    """

    exclude: Set[str] = field(default_factory=frozenset)
    """Fields that are left out, by their dotted paths: `"address.street"`. A number stands for a
    type argument: `"pets.0.name"` is the name of each member of `pets: list[Pet]`, and
    `"by_id.1.name"` of each value of `by_id: dict[int, Pet]`."""

    include: Set[str] = field(default_factory=frozenset)
    """The only fields that are not left out, by their dotted paths."""

    rename_fields: Mapping[str, str] = field(default_factory=dict)
    """Names on the wire by the names, or dotted paths, of fields."""

    rename_strategy: RenameStrategy | None = None
    """How all other fields are renamed: `lower`, `upper`, `camel`, `pascal`, `kebab`, or a
    function."""

    max_nested_depth: int = 1
    """How many models may be nested in each other below the first; deeper ones are left out."""

    partial: bool = False
    """Whether every field may be left out of a request, as `PATCH` wants it."""

    underscore_fields_private: bool = True
    """Whether fields whose names begin with an underscore are private."""

    forbid_unknown_fields: bool = False
    """Whether a request with fields that are not let through is refused; else they are ignored."""

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        for name in ("exclude", "include"):
            paths: object = getattr(self, name)
            if not isinstance(paths, Set) or not all(isinstance(path, str) for path in paths):
                raise ImproperlyConfiguredException(
                    f"DTOConfig({name}=...) takes a set of fields, not {paths!r}"
                )
            object.__setattr__(self, name, frozenset(paths))
        names: object = self.rename_fields
        if not isinstance(names, Mapping) or not all(
            isinstance(name, str) and name for name in (*names, *names.values())
        ):
            raise ImproperlyConfiguredException(
                f"DTOConfig(rename_fields=...) takes names on the wire by fields, not {names!r}"
            )
        object.__setattr__(self, "rename_fields", dict(names))
        if self.exclude and self.include:
            raise ImproperlyConfiguredException(
                "DTOConfig has both exclude= and include=; what is not included is excluded: "
                "write one of them"
            )
        if not callable(self.rename_strategy) and self.rename_strategy not in list(_STYLES):
            raise ImproperlyConfiguredException(
                f"DTOConfig(rename_strategy={self.rename_strategy!r}) is no strategy; write one of "
                f"{', '.join(repr(style) for style in _STYLES if style)}, or a function"
            )
        depth: object = self.max_nested_depth
        if not isinstance(depth, int) or depth < 0:
            raise ImproperlyConfiguredException(
                "DTOConfig(max_nested_depth=...) counts models; write 0 to leave out all nested "
                "ones"
            )

    def wire_name(self, path: str, name: str, own: str) -> str:
        """Return the name of a field on the wire.

        Args:
            path: The field's dotted path.
            name: Its name in the model.
            own: The name that the model itself gives it on the wire.
        """
        given = self.rename_fields.get(path) or self.rename_fields.get(name)
        if given is not None:
            return given
        if self.rename_strategy is None:
            return own
        if callable(self.rename_strategy):
            renamed: object = self.rename_strategy(name)
            if not isinstance(renamed, str) or not renamed:
                raise ImproperlyConfiguredException(
                    f"DTOConfig(rename_strategy=...) returned {renamed!r} for the field {name!r}; "
                    "return its name on the wire"
                )
            return renamed
        return _STYLES[self.rename_strategy](name)


def _words(name: str) -> tuple[str, list[str]]:
    """Return the underscores that *name* begins with, and its words."""
    bare = name.lstrip("_")
    return name[: len(name) - len(bare)], [word for word in re.split("_+", bare) if word]


def _camel(name: str) -> str:
    prefix, words = _words(name)
    first = words[0].lower() if words else ""
    return prefix + first + "".join(word.capitalize() for word in words[1:])


def _pascal(name: str) -> str:
    prefix, words = _words(name)
    return prefix + "".join(word.capitalize() for word in words)


def _kebab(name: str) -> str:
    prefix, words = _words(name)
    return prefix + "-".join(words)


_STYLES: Final[Mapping[str | None, Callable[[str], str]]] = {
    None: str,
    "lower": str.lower,
    "upper": str.upper,
    "camel": _camel,
    "pascal": _pascal,
    "kebab": _kebab,
}
