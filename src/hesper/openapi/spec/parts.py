"""What every part of a document may name: servers and further documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hesper.openapi.spec.schema import SpecObject


class ExternalDocumentation(SpecObject, frozen=True):
    """Documentation that stands elsewhere."""

    url: str
    """Where."""
    description: str | None = None
    """What it is, in CommonMark."""


class ServerVariable(SpecObject, frozen=True):
    """A variable in the URL of a server."""

    default: str
    """Its value where nobody chooses one."""
    enum: Sequence[str] | None = None
    """The values to choose from."""
    description: str | None = None
    """What it is, in CommonMark."""


class Server(SpecObject, frozen=True):
    """A server of the API."""

    url: str
    """Where it is; `{name}` in it stands for a variable."""
    description: str | None = None
    """What it is, in CommonMark."""
    variables: Mapping[str, ServerVariable] | None = None
    """The variables by name."""
