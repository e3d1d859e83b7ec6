"""How clients prove who they are (OpenAPI 3.1, sections 4.8.27 to 4.8.30)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from msgspec import field

from hesper.openapi.spec.schema import SpecObject

SecurityRequirement: TypeAlias = Mapping[str, Sequence[str]]
"""Names of security schemes, all of which a client meets, and the scopes that each takes."""


class OAuthFlow(SpecObject, frozen=True):
    """One flow of OAuth 2."""

    authorization_url: str | None = None
    """Where users say yes."""
    token_url: str | None = None
    """Where tokens are had."""
    refresh_url: str | None = None
    """Where tokens are refreshed."""
    scopes: Mapping[str, str] = field(default_factory=dict)
    """What may be asked for, each with a description."""

    def __post_init__(self) -> None:
        """Refuse a flow without any address, which no client could go through."""
        if self.authorization_url is None and self.token_url is None:
            raise TypeError("an OAuthFlow takes an authorization_url, a token_url, or both")


class OAuthFlows(SpecObject, frozen=True):
    """The flows of OAuth 2 that are supported."""

    implicit: OAuthFlow | None = None
    password: OAuthFlow | None = None
    client_credentials: OAuthFlow | None = None
    authorization_code: OAuthFlow | None = None


class SecurityScheme(SpecObject, frozen=True):
    """One way to prove who one is."""

    type: Literal["apiKey", "http", "mutualTLS", "oauth2", "openIdConnect"]
    """Its kind."""
    description: str | None = None
    """What there is to know of it, in CommonMark."""
    name: str | None = None
    """Of an API key: the name of the parameter, header or cookie."""
    security_scheme_in: Literal["query", "header", "cookie"] | None = field(default=None, name="in")
    """Of an API key: where it stands."""
    scheme: str | None = None
    """Of `http`: the scheme of the `Authorization` header, such as `bearer`."""
    bearer_format: str | None = None
    """Of a bearer token: what it looks like, such as `JWT`."""
    flows: OAuthFlows | None = None
    """Of `oauth2`: the flows."""
    open_id_connect_url: str | None = None
    """Of `openIdConnect`: where its configuration is."""
