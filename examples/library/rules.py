"""What holds everywhere in the library: who may change the stock, and what cannot be done twice."""

from __future__ import annotations

import os
from datetime import date
from secrets import compare_digest
from typing import Annotated

from msgspec import Meta

from hesper import Request, Response
from hesper.connection import ASGIConnection
from hesper.exceptions import NotAuthorizedException, PermissionDeniedException
from hesper.handlers import BaseRouteHandler

KEY_HEADER = "x-librarian-key"

Line = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\w")]
"""A line of text with a letter or a digit in it."""

RowNumber = Annotated[int, Meta(ge=1, le=2**63 - 1)]
"""A number that SQLite gave to a row."""


class ConflictError(Exception):
    """What was asked for is well said, but cannot be done as things stand."""


def conflict(_request: Request, error: ConflictError) -> Response:
    """Answer a `ConflictError` with 409 (RFC 9110, section 15.5.10)."""
    return Response({"status_code": 409, "detail": str(error)}, status_code=409)


def librarian(connection: ASGIConnection, _handler: BaseRouteHandler) -> None:
    """Admit requests that carry the librarian's key: the setting `LIBRARIAN_KEY`.

    Raises:
        NotAuthorizedException: There is no key.
        PermissionDeniedException: It is not the librarian's.
    """
    key = connection.headers.get(KEY_HEADER)
    if key is None:
        raise NotAuthorizedException(
            f"only a librarian may do this: send the key in the header {KEY_HEADER}",
            headers={"www-authenticate": 'LibrarianKey realm="library"'},
        )
    expected = os.environ.get("LIBRARIAN_KEY", "open-sesame")
    if not compare_digest(key.encode(), expected.encode()):
        raise PermissionDeniedException(f"the key in {KEY_HEADER} is not the librarian's")


async def today() -> date:
    """Provide `today`, the date at the library's desk."""
    return date.today()
