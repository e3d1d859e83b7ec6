"""Asking a running app what its document says, by schemathesis."""

from __future__ import annotations

from typing import Any

import msgspec
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, DeserializationContext, GenerationMode, SerializationContext
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@schemathesis.serializer("application/x-msgpack")
def pack(context: SerializationContext, value: Any) -> bytes:
    return msgspec.msgpack.encode(value)


@schemathesis.deserializer("application/x-msgpack")
def unpack(context: DeserializationContext, response: schemathesis.Response) -> Any:
    return msgspec.msgpack.decode(response.content)


schemathesis.openapi.format(
    "decimal", st.decimals(allow_nan=False, allow_infinity=False, places=2).map(str)
)


def probe(document: dict[str, Any], url: str, label: str, mode: GenerationMode) -> int:
    """Call an operation as its document says, or as it forbids; return how often it was taken.

    Args:
        document: The document.
        url: Where the app runs.
        label: The operation: `GET /books`.
        mode: Whether what is sent is to be as described.
    """
    schema = schemathesis.openapi.from_dict(document)
    method, path = label.split(" ")
    operation = schema[path][method]
    statuses: list[int] = []

    @given(operation.as_strategy(mode))
    @settings(
        max_examples=12,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
    )
    def ask(case: Case[Any]) -> None:
        response = case.call(base_url=url, allow_redirects=False, timeout=10)
        statuses.append(response.status_code)
        case.validate_response(response, checks=CHECKS)

    try:
        ask()
    except Unsatisfiable:
        # The description forbids nothing that could be sent.
        assert mode is GenerationMode.NEGATIVE
    return sum(status < 400 for status in statuses)


def labels(document: dict[str, Any]) -> list[str]:
    """Return the operations of a document: `GET /books`."""
    return [
        f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item
    ]
