"""Handlers of several HTTP methods, or of one that has no decorator: `route`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hesper._sparse import sparse
from hesper.enums import HttpMethod
from hesper.handlers.http import HTTPRouteHandler


@sparse
class route(HTTPRouteHandler):  # noqa: N801
    """Handle several methods: `@route("/", http_method=["GET", "POST"])`."""

    http_method: HttpMethod | str | Sequence[HttpMethod | str]
    """The method, or the methods, that the handler answers."""

    def __post_init__(self) -> None:
        """Check that there is a method, and that each is one."""
        super().__post_init__()
        methods = self.http_methods
        if not methods or not all(method.replace("-", "").isalnum() for method in methods):
            raise TypeError(
                f"route takes an http_method such as 'GET', or a list, not {self.http_method!r}"
            )

    @property
    def http_methods(self) -> tuple[str, ...]:
        """The HTTP methods that the handler answers."""
        given: Any = self.http_method
        several = (given,) if isinstance(given, str) or not isinstance(given, Iterable) else given
        return tuple(dict.fromkeys(str(method).upper() for method in several))
