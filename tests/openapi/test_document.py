"""The document: what it says of an app's routes."""

from __future__ import annotations

import dataclasses
import functools
import gc
import os
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
import pytest

from hesper import Controller, Hesper, Provide, Request, Response, Router, get, post, put
from hesper.dto import DataclassDTO
from hesper.exceptions import (
    ClientException,
    ConfigurationError,
    HTTPException,
    NotFoundException,
    ValidationException,
)
from hesper.handlers import HTTPRouteHandler
from hesper.openapi import OpenAPIConfig, ResponseSpec, openapi_schema, write_schema
from hesper.openapi.document import document_of
from hesper.openapi.spec import Components, Example, OAuthFlow, PathItem
from hesper.params import Body, FromHeader, Parameter
from hesper.response import Redirect
from tests.asgi_driver import answer
from tests.openapi.everything import Account, make

DOCUMENT: dict[str, Any] = openapi_schema(make())
PATHS: dict[str, Any] = DOCUMENT["paths"]


class Book(msgspec.Struct):
    title: str
    year: int = 0


def operation(handler: Any, **options: Any) -> Any:
    """Return the only operation of an app."""
    (item,) = openapi_schema(Hesper([handler], **options))["paths"].values()
    (found,) = item.values()
    return found


def parameters(path: str, method: str = "get") -> dict[str, Any]:
    return {found["name"]: found for found in PATHS[path][method].get("parameters", ())}


def content(found: Any, status: str = "200") -> Any:
    return found["responses"][status].get("content")


# Which operations there are


def test_only_http_routes_that_are_to_appear_do() -> None:
    shown = {"/accounts", "/both", "/two", "/head", "/deleted/{name}", "/secret"}
    below = ("/values/", "/accounts/", "/parameters/", "/bodies/", "/answers/")
    assert {path for path in PATHS if not path.startswith(below)} == shown


def test_methods_that_no_document_can_describe_are_left_out() -> None:
    assert list(PATHS["/both"]) == ["get", "post"]


@pytest.mark.parametrize(
    "app",
    [
        Hesper([Router("/", [get()(lambda: None)], include_in_schema=False)]),
        Hesper([get()(lambda: None)], include_in_schema=False),
    ],
)
def test_whole_layers_can_be_left_out(app: Hesper) -> None:
    assert openapi_schema(app)["paths"] == {}


def test_an_inner_layer_can_be_shown_though_an_outer_one_is_not() -> None:
    @get("/shown", include_in_schema=True)
    async def shown() -> None: ...

    @get("/not")
    async def other() -> None: ...

    assert list(openapi_schema(Hesper([shown, other], include_in_schema=False))["paths"]) == [
        "/shown"
    ]


def test_paths_that_differ_in_the_types_of_parameters_alone_are_told_apart() -> None:
    assert list(parameters("/parameters/same/{key}")) == ["key"]
    assert list(parameters("/parameters/same/{key_str}")) == ["key_str"]


# Texts


def test_texts_come_from_the_docstring() -> None:
    found = PATHS["/parameters/query"]["get"]
    assert (found["summary"], found["description"]) == ("Read the query", "It has all there is.")


def test_what_the_decorator_says_goes_before_the_docstring() -> None:
    @get(summary="Said", description="Said **too**", response_description="Well said")
    async def handler() -> None:
        """Written."""

    found = operation(handler)
    assert (found["summary"], found["description"]) == ("Said", "Said **too**")
    assert found["responses"]["200"]["description"] == "Well said"


def test_what_is_called_in_the_end_says_what_it_does() -> None:
    async def search(number: int) -> None:
        """Search."""

    class Calls:
        """Call."""

        async def __call__(self) -> None: ...

    assert operation(get()(functools.partial(search, number=1)))["summary"] == "Search"
    assert operation(get()(Calls()))["summary"] == "Call"


def test_docstrings_can_be_kept_out() -> None:
    @get()
    async def list_all_books() -> None:
        """Tell secrets."""

    config = OpenAPIConfig("T", "1", use_handler_docstrings=False)
    found = operation(list_all_books, openapi_config=config)
    assert found["summary"] == "List all books"
    assert "secrets" not in str(found)


def test_tags_of_all_layers_are_there_once() -> None:
    @get(tags=["b", "a"])
    async def handler() -> None: ...

    assert operation(Router("/", [handler], tags=["a"]), tags=["app"])["tags"] == ["app", "a", "b"]


# Names of operations


def test_operations_are_called_by_method_and_path() -> None:
    assert PATHS["/values/all"]["get"]["operationId"] == "get_values_all"
    assert PATHS["/deleted/{name}"]["delete"]["operationId"] == "delete_deleted_name"


def test_no_two_operations_have_one_name() -> None:
    names = [found["operationId"] for item in PATHS.values() for found in item.values()]
    assert len(names) == len(set(names))
    assert {"both", "both_2", "both_3", "both_4"} <= set(names)

    @get("/a/b")
    async def one() -> None: ...

    @get("/a_b")
    async def other() -> None: ...

    found = openapi_schema(Hesper([one, other]))["paths"]
    assert [item["get"]["operationId"] for item in found.values()] == ["get_a_b", "get_a_b_2"]


def test_names_can_be_made_by_functions() -> None:
    def create(handler: HTTPRouteHandler, method: str, segments: list[str]) -> str:
        return f"{handler.fn.__name__}-{method}-{'-'.join(segments)}"

    @get("/a/{b:int}")
    async def handler(b: int) -> None: ...

    @get("/a/{b:int}", operation_id=create)
    async def own(b: int) -> None: ...

    config = OpenAPIConfig("T", "1", operation_id_creator=create)
    assert operation(handler, openapi_config=config)["operationId"] == "handler-GET-a-b"
    assert operation(own)["operationId"] == "own-GET-a-b"


def test_one_name_given_to_two_handlers_is_an_error() -> None:
    @get("/one", operation_id="same")
    async def one() -> None: ...

    @get("/other", operation_id="same")
    async def other() -> None: ...

    with pytest.raises(ConfigurationError, match="GET /other: the operation_id 'same' is that of"):
        openapi_schema(Hesper([one, other]))


def test_a_name_that_a_handler_is_given_is_kept_for_it() -> None:
    @get("/books")
    async def made() -> None: ...

    @get("/other", operation_id="get_books")
    async def given() -> None: ...

    paths = openapi_schema(Hesper([made, given]))["paths"]
    assert paths["/books"]["get"]["operationId"] == "get_books_2"
    assert paths["/other"]["get"]["operationId"] == "get_books"


def test_a_controller_in_two_routers_has_numbers_in_its_names() -> None:
    class Books(Controller):
        path = "/books"

        @get("/", operation_id="books")
        async def every(self) -> None: ...

    app = Hesper([Router("/a", [Books]), Router("/b", [Books])])
    paths = openapi_schema(app)["paths"]
    assert paths["/a/books"]["get"]["operationId"] == "books"
    assert paths["/b/books"]["get"]["operationId"] == "books_2"


def test_paths_that_differ_in_the_names_of_parameters_alone_are_one() -> None:
    @get("/books/{number:int}/{part:str}")
    async def read(number: int, part: str) -> None: ...

    @put("/books/{part:int}/{number:str}")
    async def change(
        part: Annotated[int, Parameter(description="Which book.")], number: str
    ) -> None: ...

    @get("/books/{key:str}/{part:str}")
    async def search(key: str, part: str) -> None: ...

    paths = openapi_schema(Hesper([read, change, search]))["paths"]
    assert {path: set(item) for path, item in paths.items()} == {
        "/books/{number}/{part}": {"get", "put"},
        "/books/{key}/{part}": {"get"},
    }
    first, second = paths["/books/{number}/{part}"]["put"]["parameters"]
    assert (first["name"], first["schema"]) == ("number", {"type": "integer"})
    assert first["description"] == "Which book."
    assert (second["name"], second["schema"]) == ("part", {"type": "string"})


def test_bytes_are_in_base64_only_inside_of_json() -> None:
    @get(
        "/",
        responses={
            202: ResponseSpec(bytes, media_type="image/png"),
            203: ResponseSpec(bytes),
        },
    )
    async def handler() -> None: ...

    found = operation(handler)
    assert content(found, "202") == {"image/png": {"schema": {}}}
    assert content(found, "203")["application/json"]["schema"]["contentEncoding"] == "base64"


# Parameters


def test_parameters_with_all_that_is_said_of_them() -> None:
    found = parameters("/parameters/query")
    assert found["number"] == {
        "name": "number",
        "in": "query",
        "description": "A number.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1, "exclusiveMaximum": 1000, "multipleOf": 5},
        "examples": {"example": {"value": 5}},
    }
    assert found["Word"]["schema"] == {
        "type": "string",
        "minLength": 2,
        "maxLength": 5,
        "pattern": "^[a-z]+$",
        "default": "abc",
    }
    assert found["several"]["schema"]["title"] == "Several"
    assert found["several"]["schema"]["maxItems"] == 3
    assert found["old"]["deprecated"] is True
    assert found["old"]["examples"] == {"example-1": {"value": 1}, "example-2": {"value": 2}}
    assert found["colour"]["schema"] == {"$ref": "#/components/schemas/Colour"}
    assert "hidden" not in found
    assert [name for name, one in found.items() if one.get("required")] == ["number"]


def test_parameters_of_dependencies_guards_and_layers_are_there() -> None:
    found = {name: one["in"] for name, one in parameters("/parameters/others").items()}
    assert found == {
        "x-token": "header",
        "session": "cookie",
        "x-tenant": "header",
        "page": "query",
    }
    assert parameters("/parameters/others")["x-tenant"]["description"] == "Whose data it is."
    assert parameters("/parameters/guarded")["x-key"]["required"] is True


def test_parameters_in_the_path_stand_first_whether_the_handler_takes_them_or_not() -> None:
    found = parameters("/parameters/path/{number}/{key}/{rest}")
    assert [(name, one["in"], one["required"]) for name, one in found.items()] == [
        ("number", "path", True),
        ("key", "path", True),
        ("rest", "path", True),
    ]
    assert found["number"]["schema"] == {"type": "integer", "minimum": 0, "maximum": 9}
    assert found["key"]["schema"] == {"type": "string", "format": "uuid"}


async def first(page: int = 1) -> int:
    return page


async def second(page: Annotated[int, Parameter(ge=1)]) -> int:
    return page


def test_a_parameter_that_two_calls_take_follows_both() -> None:
    @get(dependencies={"one": Provide(first), "other": Provide(second)})
    async def handler(one: int, other: int) -> None: ...

    assert operation(handler)["parameters"] == [
        {
            "name": "page",
            "in": "query",
            "required": True,
            "schema": {"allOf": [{"type": "integer"}, {"type": "integer", "minimum": 1}]},
        }
    ]


def test_no_parameter_is_null() -> None:
    @get()
    async def handler(
        one: int | None = None,
        two: int | str | None = None,
        three: Literal["a", None] = None,
        four: Literal[1, "a", None] = None,
    ) -> None: ...

    assert [found["schema"] for found in operation(handler)["parameters"]] == [
        {"type": "integer"},
        {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        {"type": "string", "enum": ["a"]},
        {"enum": [1, "a"]},
    ]


def test_a_parameter_that_two_calls_take_alike_is_there_once() -> None:
    @get(dependencies={"one": Provide(first)})
    async def handler(one: int, page: int = 2) -> None: ...

    (found,) = operation(handler)["parameters"]
    assert found["schema"] == {"type": "integer", "default": 2}


def test_headers_that_a_document_describes_elsewhere_are_left_out() -> None:
    @get()
    async def handler(authorization: FromHeader[str], accept: FromHeader[str] = "") -> None: ...

    assert "parameters" not in operation(handler)


def test_secrets_are_not_shown() -> None:
    assert parameters("/secret")["token"]["schema"] == {"type": "string", "format": "password"}
    assert "hunter2" not in str(DOCUMENT)


def test_keywords_of_schemas_can_be_added() -> None:
    @post()
    async def handler(
        data: Annotated[int, Body(schema_extra={"x-unit": "metre"})],
        page: Annotated[int, Parameter(schema_extra={"x-y": 1})] = 0,
    ) -> None: ...

    found = operation(handler)
    assert found["parameters"][0]["schema"] == {"type": "integer", "x-y": 1, "default": 0}
    body = found["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"type": "integer", "x-unit": "metre"}


# Bodies


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("form", "application/x-www-form-urlencoded"),
        ("msgpack", "application/x-msgpack"),
        ("text", "text/plain"),
        ("raw", "*/*"),
        ("optional", "application/json"),
    ],
)
def test_bodies_of_all_media_types(path: str, media_type: str) -> None:
    found = PATHS[f"/bodies/{path}"]["post"]["requestBody"]
    assert list(found["content"]) == [media_type]
    assert found.get("required", False) is (path not in {"raw", "optional"})


def test_a_body_with_all_that_is_said_of_it() -> None:
    assert PATHS["/bodies/described"]["post"]["requestBody"] == {
        "description": "Some numbers.",
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "array",
                    "items": {"type": "integer"},
                    "maxItems": 3,
                    "title": "Numbers",
                },
                "examples": {"example-1": {"value": [1, 2]}},
            }
        },
    }


def test_bodies_and_results_with_a_dto_are_as_they_are_on_the_wire() -> None:
    def shown(operation: Any, kind: str) -> tuple[list[str], list[str]]:
        part = operation["requestBody"] if kind == "in" else operation["responses"]["201"]
        reference = part["content"]["application/json"]["schema"]["$ref"]
        schema = DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]]
        return sorted(schema["properties"]), sorted(schema.get("required", ()))

    added = PATHS["/accounts"]["post"]
    assert shown(added, "in") == (["email", "password"], ["email", "password"])
    assert shown(added, "out") == (["email", "id"], ["email", "id"])
    changed = PATHS["/accounts/{number}"]["patch"]
    assert shown(changed, "in") == (["email", "password"], [])
    every = PATHS["/accounts"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert every["type"] == "array"
    assert every["items"] == added["responses"]["201"]["content"]["application/json"]["schema"]


def test_a_response_around_a_model_with_a_dto() -> None:
    @put(dto=DataclassDTO[Account])
    async def handler(data: Account) -> Response[Account]:
        return Response(data)

    found = content(operation(handler))["application/json"]["schema"]["$ref"]
    assert found == "#/components/schemas/DataclassDTO.Account.Output"


# Responses


@pytest.mark.parametrize(
    ("path", "status", "media_types"),
    [
        ("html", "200", ["text/html"]),
        ("bytes", "200", ["image/png"]),
        ("stream", "200", ["*/*"]),
        ("events", "200", ["text/event-stream"]),
        ("file", "200", ["*/*"]),
        ("redirect", "3XX", None),
        ("moved", "301", None),
        ("wrapped", "200", ["application/json"]),
        ("unknown", "200", None),
    ],
)
def test_responses_by_what_handlers_return(
    path: str, status: str, media_types: list[str] | None
) -> None:
    found = PATHS[f"/answers/{path}"]["get"]
    assert next(iter(found["responses"])) == status
    shown = content(found, status)
    assert (None if shown is None else list(shown)) == media_types
    assert ("Location" in found["responses"][status].get("headers", {})) is (
        path in {"redirect", "moved"}
    )


def test_a_handler_that_returns_this_or_that() -> None:
    assert content(PATHS["/values/perhaps"]["get"])["application/json"]["schema"] == {
        "anyOf": [{"$ref": "#/components/schemas/Book"}, {"type": "null"}]
    }
    assert content(PATHS["/values/nothing"]["get"]) == {
        "application/json": {"schema": {"type": "null"}}
    }

    @get()
    async def several() -> Response[Book] | Response[str] | Response[None]:
        return Response("")

    assert list(content(operation(several))) == ["application/json", "text/plain"]

    @get()
    async def mixed() -> Response[bytes] | Response[str] | Response[Book] | Response[list[int]]:
        return Response("")

    assert content(operation(mixed)) == {
        "text/plain": {"schema": {}},
        "application/json": {
            "schema": {
                "anyOf": [
                    {"$ref": "#/components/schemas/Book"},
                    {"type": "array", "items": {"type": "integer"}},
                ]
            }
        },
    }

    @get()
    async def redirecting() -> Redirect | str:
        return ""

    assert list(operation(redirecting)["responses"]) == ["3XX", "200", "default"]

    @get()
    async def bare() -> Response:
        return Response("")

    assert content(operation(bare)) is None

    @get()
    async def app() -> Callable[..., Any]:
        return Response("")

    assert content(operation(app)) is None

    @get(status_code=299)
    async def odd() -> str:
        return ""

    assert operation(odd)["responses"]["299"]["description"] == "Status 299"

    @get()
    async def open_ended() -> Book | Any: ...

    assert content(operation(open_ended)) is None


def test_responses_without_a_body() -> None:
    assert content(PATHS["/deleted/{name}"]["delete"], "204") is None
    assert [one.get("content") for one in PATHS["/head"]["head"]["responses"].values()] == [
        None
    ] * 2


def test_headers_and_cookies_of_the_layers() -> None:
    found = PATHS["/answers/headers"]["get"]["responses"]["200"]
    assert found["description"] == "With headers."
    assert found["headers"] == {
        "cache-control": {"schema": {"type": "string"}},
        "etag": {"schema": {"type": "string"}},
        "x-version": {
            "schema": {"type": "string"},
            "description": "The version.",
            "required": True,
        },
        "x-later": {"schema": {"type": "string"}, "deprecated": True},
        "Set-Cookie": {"schema": {"type": "string"}, "description": "`seen`: Seen before."},
    }


def test_what_a_handler_declares_and_raises() -> None:
    found = PATHS["/answers/responses"]["get"]
    assert {status: one["description"] for status, one in found["responses"].items()} == {
        "200": "OK",
        "202": "Later.",
        "400": "Bad Request",
        "404": "Not Found",
        "410": "Gone.",
        "default": "Any other error",
    }
    assert content(found, "202")["application/json"]["examples"] == {
        "example-1": {"value": {"pageCount": 5, "colour": "red", "author": None, "tags": []}}
    }
    assert content(found, "410") is None
    table = {"type": "object", "additionalProperties": {"type": "string"}}
    assert content(found, "default")["application/json"]["schema"] == {
        "anyOf": [{"$ref": "#/components/schemas/Error"}, table]
    }
    assert found["deprecated"] is True


def test_errors_have_the_form_that_the_app_chooses() -> None:
    @get(raises=[NotFoundException])
    async def handler(page: int = 1) -> None: ...

    plain, problem = operation(handler), operation(handler, problem_details=True)
    for status, name in (("400", "Validation"), ("404", ""), ("default", "")):
        assert content(plain, status) == {
            "application/json": {"schema": {"$ref": f"#/components/schemas/{name}Error"}}
        }
        assert content(problem, status) == {
            "application/problem+json": {"schema": {"$ref": f"#/components/schemas/{name}Problem"}}
        }


def recover(request: Request, error: Exception) -> Response[str]:
    return Response("", status_code=404)


def quiet(request: Request, error: Exception):  # type: ignore[no-untyped-def]
    ...


def test_errors_that_a_handler_answers_are_as_it_says() -> None:
    @get(raises=[NotFoundException], exception_handlers={404: recover})
    async def handler() -> None: ...

    assert list(content(operation(handler), "404")) == ["text/plain"]
    assert list(content(operation(handler), "default")) == ["application/json", "text/plain"]

    @get(raises=[NotFoundException], exception_handlers={ValidationException: quiet})
    async def silent(page: int = 1) -> None: ...

    found = operation(silent)
    assert [content(found, status) is None for status in ("400", "404", "default")] == [
        True,
        False,
        True,
    ]


class LateError(Exception):
    """It is late.

    Very late.
    """


class GoneError(HTTPException):
    """It is gone."""

    status_code = 410


def test_exceptions_of_one_s_own_say_what_they_are() -> None:
    @get(raises=[LateError, GoneError, ValidationException, ClientException])
    async def handler() -> None: ...

    found = operation(handler)["responses"]
    assert [(status, one["description"]) for status, one in found.items()] == [
        ("200", "OK"),
        ("400", "Bad Request"),
        ("410", "It is gone"),
        ("500", "It is late"),
        ("default", "Any other error"),
    ]
    assert found["400"]["content"]["application/json"]["schema"] == {
        "anyOf": [
            {"$ref": "#/components/schemas/ValidationError"},
            {"$ref": "#/components/schemas/Error"},
        ]
    }


def test_the_security_of_a_route() -> None:
    assert PATHS["/answers/responses"]["get"]["security"] == [{"key": []}, {}]
    assert "security" not in PATHS["/values/all"]["get"]
    assert DOCUMENT["security"] == [{"bearer": []}]


# The document as a whole


def test_what_the_configuration_says() -> None:
    assert DOCUMENT["info"] == {
        "title": "Everything </script><script>alert(1)</script>",
        "version": "1.2.3",
        "summary": "All there is",
        "description": "With `</script>` & \u2028 in it: <img src=x onerror=alert(1)>",
        "termsOfService": "https://example.com/terms",
        "contact": {"name": "Ada", "url": "https://example.com/", "email": "ada@example.com"},
        "license": {"name": "MIT", "identifier": "MIT"},
    }
    assert DOCUMENT["servers"] == [{"url": "/", "description": "Here"}]
    assert DOCUMENT["tags"] == [{"name": "values", "description": "Values."}]
    assert DOCUMENT["externalDocs"] == {"url": "https://example.com/docs"}
    assert DOCUMENT["components"]["securitySchemes"] == {
        "bearer": {"type": "http", "scheme": "bearer"},
        "key": {"type": "apiKey", "name": "x-key", "in": "header"},
    }


def test_given_components_keep_their_names() -> None:
    assert DOCUMENT["components"]["schemas"]["Book_2"] == {"type": "string"}

    @get()
    async def handler() -> Book:
        return Book("")

    config = OpenAPIConfig("T", "1", components=Components(schemas={"Book": {"type": "null"}}))
    app = Hesper([handler], openapi_config=config)
    schemas = openapi_schema(app)["components"]["schemas"]
    assert schemas["Book"] == {"type": "null"}
    assert schemas["Book_2"]["title"] == "Book"


def test_webhooks() -> None:
    config = OpenAPIConfig("T", "1", webhooks={"added": PathItem(summary="A book was added")})
    found = openapi_schema(Hesper(openapi_config=config))
    assert found["webhooks"] == {"added": {"summary": "A book was added"}}


def test_an_app_that_says_nothing_has_a_document() -> None:
    for app in (Hesper(), Hesper(openapi_config=None)):
        assert openapi_schema(app)["info"] == {"title": "Hesper API", "version": "1.0.0"}


def test_examples_with_names() -> None:
    @post()
    async def handler(
        data: Annotated[int, Body(examples=[Example(id="one", summary="One", value=1)])],
    ) -> None: ...

    body = operation(handler)["requestBody"]["content"]["application/json"]
    assert body["examples"] == {"one": {"summary": "One", "value": 1}}


def test_examples_are_made_only_where_they_are_wanted() -> None:
    @get(responses={202: ResponseSpec(Book, generate_examples=False), 203: ResponseSpec(Book)})
    async def handler() -> Book:
        return Book("")

    assert "examples" not in str(operation(handler))
    config = OpenAPIConfig("T", "1", create_examples=True)
    found = operation(handler, openapi_config=config)
    made = {"example": {"value": {"title": "text", "year": 1}}}
    shown = [content(found, s)["application/json"].get("examples") for s in ("200", "202", "203")]
    assert shown == [made, None, made]


def test_a_document_is_a_copy_of_its_own() -> None:
    app = Hesper()
    openapi_schema(app)["info"]["title"] = "changed"
    assert openapi_schema(app)["info"]["title"] == "Hesper API"


def test_files(tmp_path: Any) -> None:
    app = make()
    write_schema(app, tmp_path / "a.json")
    write_schema(app, str(tmp_path / "a.yml"))
    assert msgspec.json.decode((tmp_path / "a.json").read_bytes()) == openapi_schema(app)
    assert (tmp_path / "a.yml").read_text().startswith('openapi: "3.1.0"')


def test_a_document_is_the_same_in_every_run() -> None:
    script = (
        "from tests.openapi.everything import make\n"
        "from hesper.openapi.document import document_of\n"
        "print(document_of(make()).tag)"
    )
    tags = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2", "3")
    }
    assert tags == {document_of(make()).tag}


# What it costs


def many(count: int) -> Hesper:
    class Part(msgspec.Struct):
        values: list[Book]

    def handler(number: int) -> Any:
        model: Any = msgspec.defstruct(f"Model{number}", [("number", int), ("part", Part)])

        async def replace(data: Any, page: int = 1) -> Any: ...

        replace.__annotations__ = {"data": model, "page": int, "return": list[model]}
        return put(f"/models{number}/{{key:int}}")(replace)

    return Hesper([handler(number) for number in range(count)])


def test_a_thousand_operations() -> None:
    app = many(1_000)
    begin = time.process_time()
    document = document_of(app).json
    made = time.process_time()
    assert document_of(app).json is document
    again = time.process_time()
    assert len(openapi_schema(app)["paths"]) == 1_000
    # A second is what it may take alone on a machine; what counts here is the order of magnitude.
    assert made - begin < 3
    assert again - made < 0.001


def test_an_app_is_freed_after_its_document_was_made() -> None:
    gc.collect()
    gc.disable()
    try:
        app = make()
        for path in ("/schema", "/schema/openapi.json", "/schema/openapi.yaml"):
            assert answer(app, "GET", path).status == 200
        gone = weakref.ref(app)
        del app
        assert gone() is None
    finally:
        gc.enable()


def test_an_app_that_overrides_another_has_a_document_of_its_own() -> None:
    async def number() -> int:
        return 1

    async def other(page: int) -> int:
        return page

    @get()
    async def handler(number: int) -> None: ...

    app = Hesper([handler], dependencies={"number": Provide(number)})
    assert "parameters" not in openapi_schema(app)["paths"]["/"]["get"]
    overriding = app.override({"number": Provide(other)})
    assert len(openapi_schema(overriding)["paths"]["/"]["get"]["parameters"]) == 1
    assert "parameters" not in openapi_schema(app)["paths"]["/"]["get"]


def test_nothing_of_it_is_loaded_before_it_is_asked_for() -> None:
    script = (
        "import sys\n"
        "from hesper import Hesper, get\n"
        "Hesper([get()(lambda: None)])\n"
        "print([n for n in sys.modules if n.startswith('hesper.openapi.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['hesper.openapi.serving']"


# Wrong use


@pytest.mark.parametrize(
    ("call", "options", "message"),
    [
        (Hesper, {"openapi_config": True}, "openapi_config takes OpenAPIConfig"),
        (OpenAPIConfig, {"path": "/{a:int}"}, "the path of the document has parameters"),
        (OpenAPIConfig, {"render_plugins": ["scalar"]}, "render_plugins takes objects"),
        (get, {"raises": [1]}, "raises takes a list of exception classes"),
        (get, {"raises": ValueError}, "raises takes a list of exception classes"),
        (get, {"responses": {"200": ResponseSpec(None)}}, "responses takes statuses"),
        (get, {"responses": {200: Book}}, "responses takes a ResponseSpec"),
        (get, {"responses": [200]}, "responses takes a mapping"),
        (OAuthFlow, {"scopes": {}}, "an OAuthFlow takes an authorization_url, a token_url"),
    ],
)
def test_wrong_use_is_an_error_at_once(
    call: Callable[..., object], options: dict[str, Any], message: str
) -> None:
    said = {"title": "T", "version": "1"} if call is OpenAPIConfig else {}
    with pytest.raises(TypeError, match=message):
        call(**said, **options)


def test_a_response_spec_is_a_dataclass_that_never_changes() -> None:
    spec: Any = ResponseSpec(Book, description="Later.")
    changed = dataclasses.replace(spec, description="Now.")
    assert (changed.data_container, changed.description) == (Book, "Now.")
    assert weakref.ref(spec)() is not None
    assert spec != ResponseSpec(Book, description="Later.")
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.description = "Now."
