"""Content to bytes."""

from __future__ import annotations

from typing import Any

import pytest

from hesper.enums import MediaType
from hesper.exceptions import ImproperlyConfiguredException, SerializationException
from hesper.response.rendering import content_type_line, media_type_of, not_encodable, rendered
from hesper.serialization import encode_msgpack, json_encoder, msgpack_encoder

ENCODERS = (json_encoder(), msgpack_encoder())


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (None, None),
        ("a", MediaType.TEXT),
        (b"a", MediaType.TEXT),
        ({"a": 1}, MediaType.JSON),
        (1, MediaType.JSON),
        ([], MediaType.JSON),
    ],
)
def test_content_has_a_media_type_of_its_own(content: object, media_type: str | None) -> None:
    assert media_type_of(content) == media_type


@pytest.mark.parametrize(
    ("content", "media_type", "body"),
    [
        ("ä", "text/plain", b"\xc3\xa4"),
        ("a", "application/xml", b"a"),
        ("a", "application/json", b'"a"'),
        ("a", "application/vnd.api+json; version=1", b'"a"'),
        ("a", "Application/JSON", b'"a"'),
        (b"a", "application/json", b"a"),
        (bytearray(b"a"), "image/png", b"a"),
        (memoryview(b"a"), "image/png", b"a"),
        (None, "application/json", b"null"),
        (None, "text/plain", b""),
        (None, None, b""),
        ([1], "application/x-msgpack", encode_msgpack([1])),
        ([1], "application/vnd.msgpack", encode_msgpack([1])),
        (None, "application/msgpack", b"\xc0"),
    ],
)
def test_content_is_rendered_for_its_media_type(
    content: object, media_type: str | None, body: bytes
) -> None:
    assert rendered(content, media_type, "utf-8", ENCODERS) == body


def test_text_is_encoded_as_asked_for() -> None:
    assert rendered("ä", "text/plain", "latin-1", ENCODERS) == b"\xe4"


@pytest.mark.parametrize("media_type", ["text/html", "image/png", "application/xml"])
def test_a_value_that_no_encoder_is_for_is_an_error_with_advice(media_type: str) -> None:
    with pytest.raises(ImproperlyConfiguredException, match=rf"dict .*{media_type}.*MediaType"):
        rendered({"a": 1}, media_type, "utf-8", ENCODERS)


@pytest.mark.parametrize(
    ("content", "media_type", "encoding"),
    [
        (object(), "application/json", "utf-8"),
        ("\ud800", "application/json", "utf-8"),
        ("\ud800", "text/plain", "utf-8"),
        ("€", "text/plain", "latin-1"),
    ],
)
def test_what_cannot_be_encoded_is_an_error(content: Any, media_type: str, encoding: str) -> None:
    with pytest.raises(SerializationException, match=media_type):
        rendered(content, media_type, encoding, ENCODERS)


def test_the_error_names_the_type_of_the_content_and_the_media_type_without_parameters() -> None:
    error = not_encodable({}, "Application/JSON; version=1", ValueError("why"))
    assert str(error) == "content of type dict cannot be sent as application/json: why"


@pytest.mark.parametrize(
    ("media_type", "encoding", "line"),
    [
        (MediaType.JSON, "utf-8", b"application/json"),
        (MediaType.TEXT, "utf-8", b"text/plain; charset=utf-8"),
        (MediaType.HTML, "latin-1", b"text/html; charset=latin-1"),
        ("text/csv", "utf-8", b"text/csv; charset=utf-8"),
        ("text/csv; Charset=x", "utf-8", b"text/csv; Charset=x"),
        ("image/png", "utf-8", b"image/png"),
    ],
)
def test_the_header_names_the_encoding_of_text(media_type: str, encoding: str, line: bytes) -> None:
    assert content_type_line(media_type, encoding) == (b"content-type", line)


def test_a_media_type_cannot_end_the_line() -> None:
    with pytest.raises(ValueError, match="control character"):
        content_type_line("text/html\r\nset-cookie: a=1", "utf-8")
