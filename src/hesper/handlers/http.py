"""Handlers of HTTP requests: `get`, `post`, `put`, `patch`, `delete` and `head`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

import hesper._late as late
from hesper._sparse import shape_of, sparse
from hesper.background_tasks import BackgroundTask, BackgroundTasks
from hesper.enums import MediaType
from hesper.handlers.handler import BaseRouteHandler

_STATUS: Final[Mapping[tuple[str, ...], int]] = {("POST",): 201, ("DELETE",): 204}
"""The status of a response by the methods, where it is not 200."""


@sparse
class HTTPRouteHandler(BaseRouteHandler):
    """A handler of HTTP requests."""

    status_code: int | None = None
    """The status of a successful response: by default 201 for `POST`, 204 for `DELETE`, 200 for all
    others."""

    media_type: MediaType | str | None = None
    """The media type of the response; by default `text/plain` for `str` and `bytes`, else JSON."""

    sync_to_thread: bool = True
    """Whether a `def` handler runs in a worker thread."""

    background: BackgroundTask | BackgroundTasks | None = None
    """Work to do after each response of the handler."""

    summary: str | None = None
    """What the operation does, in a few words, for the OpenAPI document; by default the first
    paragraph of the function's docstring."""

    description: str | None = None
    """What the operation does, in CommonMark, for the OpenAPI document; by default the rest of the
    docstring, up to its sections."""

    operation_id: str | Callable[[HTTPRouteHandler, str, list[str]], str] | None = None
    """The name of the operation in the OpenAPI document, or a function that makes it of the
    handler, the method and the segments of the path."""

    deprecated: bool = False
    """Whether nobody is to use the operation any more, for the OpenAPI document."""

    raises: Sequence[type[Exception]] = ()
    """Exceptions that the handler may raise, for the OpenAPI document."""

    responses: Mapping[int, late.ResponseSpec] | None = None
    """Further responses by status, for the OpenAPI document."""

    response_description: str | None = None
    """What a successful response says, for the OpenAPI document."""

    methods: ClassVar[tuple[str, ...]] = ()
    """The HTTP methods that the handler answers."""

    def __post_init__(self) -> None:
        """Check what is said of the responses."""
        super().__post_init__()
        own, descriptors = vars(self), shape_of(type(self)).descriptors
        for name, check in _CHECKS.items():
            if name in own or name in descriptors:  # PERF: the defaults, which most have, fit
                check(getattr(self, name))

    @property
    def http_methods(self) -> tuple[str, ...]:
        """The HTTP methods that the handler answers."""
        return self.methods

    @property
    def default_status(self) -> int:
        """The status of a response that nobody gave one."""
        if self.status_code is not None:
            return self.status_code
        return _STATUS.get(self.http_methods, 200)


def _check_status(status: object) -> None:
    if status is not None and not (isinstance(status, int) and 200 <= status <= 599):
        raise TypeError(
            f"status_code takes the status of a whole response, 200 to 599, not {status!r}"
        )


def _check_raises(raises: Any) -> None:
    several = raises if isinstance(raises, (list, tuple)) else (None,)
    if not all(isinstance(kind, type) and issubclass(kind, Exception) for kind in several):
        raise TypeError(f"raises takes a list of exception classes, not {raises!r}")


def _check_responses(responses: object) -> None:
    for status, spec in responses.items() if isinstance(responses, Mapping) else ():
        if not isinstance(status, int) or not 100 <= status <= 599:
            raise TypeError(f"responses takes statuses, 100 to 599, as keys, not {status!r}")
        if not isinstance(spec, late.ResponseSpec):
            raise TypeError(f"responses takes a ResponseSpec(...) for {status}, not {spec!r}")
    if responses is not None and not isinstance(responses, Mapping):
        raise TypeError(f"responses takes a mapping of statuses, not {responses!r}")


_CHECKS: Final[Mapping[str, Callable[[Any], None]]] = {
    "status_code": _check_status,
    "raises": _check_raises,
    "responses": _check_responses,
}
"""What is checked of an option when a handler is declared, by its name."""


class get(HTTPRouteHandler):  # noqa: N801 - a decorator
    """Handle `GET`, and `HEAD` with it."""

    methods = ("GET",)


class post(HTTPRouteHandler):  # noqa: N801
    """Handle `POST`."""

    methods = ("POST",)


class put(HTTPRouteHandler):  # noqa: N801
    """Handle `PUT`."""

    methods = ("PUT",)


class patch(HTTPRouteHandler):  # noqa: N801
    """Handle `PATCH`."""

    methods = ("PATCH",)


class delete(HTTPRouteHandler):  # noqa: N801
    """Handle `DELETE`."""

    methods = ("DELETE",)


class head(HTTPRouteHandler):  # noqa: N801
    """Handle `HEAD`."""

    methods = ("HEAD",)
