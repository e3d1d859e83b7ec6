"""The bodies of errors that no exception handler answers, in each form that an app can choose."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from hesper.openapi.spec import OpenAPIMediaType
from hesper.openapi.writing import Writing

Content: TypeAlias = dict[str, OpenAPIMediaType]
"""Bodies by media type."""

_TEXT: Final = {"type": "string"}
_STATUS: Final = {"type": "integer", "minimum": 100, "maximum": 599}
_DETAIL: Final = {**_TEXT, "description": "What went wrong."}

_FAULT: Final[dict[str, Any]] = {
    "title": "Fault",
    "description": "Something that is wrong with a request.",
    "type": "object",
    "properties": {
        "message": {**_TEXT, "description": "What is wrong."},
        "key": {**_TEXT, "description": "The parameter, or the place in the body."},
        "source": {**_TEXT, "enum": ["path", "query", "header", "cookie", "body"]},
    },
    "required": ["message", "key", "source"],
}


def error_content(writing: Writing, *, is_validation: bool = False) -> Content:
    """Return the body of an error.

    Args:
        writing: The document.
        is_validation: Whether it is a refusal of values, which lists faults.
    """
    faults: dict[str, Any] = {"description": "More about it."}
    if is_validation:
        faults = {"type": "array", "items": writing.named("Fault", _FAULT)}
    prefix = "Validation" if is_validation else ""
    if writing.problem_details:
        properties: dict[str, Any] = {
            "type": {**_TEXT, "format": "uri-reference"},
            "title": {**_TEXT, "description": "What kind of problem it is."},
            "status": _STATUS,
            "detail": _DETAIL,
        }
        required = list(properties)
        if is_validation:
            properties["errors"] = faults
        media_type, name = "application/problem+json", f"{prefix}Problem"
    else:
        properties = {"status_code": _STATUS, "detail": _DETAIL, "extra": faults}
        media_type, name, required = "application/json", f"{prefix}Error", ["status_code", "detail"]
    schema = {"title": name, "type": "object", "properties": properties, "required": required}
    return {media_type: OpenAPIMediaType(schema=writing.named(name, schema))}
