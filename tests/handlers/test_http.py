"""HTTP handlers: methods and the status of their responses."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest

from hesper import Hesper, delete, get, head, patch, post, put, route
from hesper.enums import HttpMethod
from hesper.exceptions import ConfigurationError
from tests.asgi_driver import answer

DECORATORS: dict[str, Any] = {
    "GET": get,
    "POST": post,
    "PUT": put,
    "PATCH": patch,
    "DELETE": delete,
    "HEAD": head,
}


@pytest.mark.parametrize(("method", "decorator"), DECORATORS.items())
def test_a_decorator_answers_its_method_alone(method: str, decorator: Any) -> None:
    @decorator("/")
    async def handle() -> None: ...

    app = Hesper([handle])
    assert answer(app, method, "/").status == {"POST": 201, "DELETE": 204}.get(method, 200)
    for other in DECORATORS.keys() - {method}:
        expected = 200 if (other, method) == ("HEAD", "GET") else 405
        assert answer(app, other, "/").status == expected


@pytest.mark.parametrize(("method", "decorator"), DECORATORS.items())
def test_a_status_of_ones_own_is_used(method: str, decorator: Any) -> None:
    @decorator("/", status_code=HTTPStatus.ACCEPTED)
    async def handle() -> None: ...

    assert answer(Hesper([handle]), method, "/").status == 202


@pytest.mark.parametrize("status", [100, 199, 600, 0, -1, "200", 2.5])
def test_a_status_that_no_response_ends_with_is_refused(status: Any) -> None:
    with pytest.raises(TypeError, match="status_code takes the status of a whole response"):
        get("/", status_code=status)


@pytest.mark.parametrize(
    ("given", "methods"),
    [
        ("GET", ("GET",)),
        ("get", ("GET",)),
        (HttpMethod.PATCH, ("PATCH",)),
        (["GET", "POST"], ("GET", "POST")),
        ([HttpMethod.PUT, "put"], ("PUT",)),
        (("REPORT", "M-SEARCH"), ("REPORT", "M-SEARCH")),
    ],
)
def test_route_takes_one_method_or_several(given: Any, methods: tuple[str, ...]) -> None:
    assert route("/", http_method=given).http_methods == methods

    @route("/", http_method=given)
    async def handle() -> str:
        return "handled"

    app = Hesper([handle])
    for method in methods:
        assert answer(app, method, "/").text == "handled"


@pytest.mark.parametrize("given", [[], "", "GET POST", ["GET", ""], [5.5], "GET,POST", "GET\n"])
def test_route_refuses_what_is_no_method(given: Any) -> None:
    with pytest.raises(TypeError, match="route takes an http_method such as 'GET'"):
        route("/", http_method=given)


def test_route_needs_a_method() -> None:
    declare: Any = route
    with pytest.raises(TypeError, match="http_method"):
        declare("/")


@pytest.mark.parametrize(("method", "status"), [("POST", 201), ("DELETE", 204), ("PUT", 200)])
def test_a_route_of_one_method_has_its_status(method: str, status: int) -> None:
    assert route("/", http_method=method).default_status == status


def test_a_route_of_several_methods_has_200() -> None:
    assert route("/", http_method=["POST", "DELETE"]).default_status == 200


@pytest.mark.parametrize("annotation", [str, bytes, dict[str, int], str | None])
def test_a_body_on_a_response_without_one_is_a_configuration_error(annotation: Any) -> None:
    async def handle() -> Any: ...

    handle.__annotations__["return"] = annotation
    with pytest.raises(ConfigurationError, match="a response of status 204 has no body"):
        Hesper([delete("/")(handle)])


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("argument", ["data", "body"])
def test_a_body_on_a_request_without_one_is_a_configuration_error(
    method: str, argument: str
) -> None:
    async def with_data(data: dict[str, int]) -> None: ...

    async def with_body(body: bytes) -> None: ...

    handle = with_data if argument == "data" else with_body
    with pytest.raises(
        ConfigurationError, match=f"'{argument}' is the body, which a {method} request does not"
    ):
        Hesper([route("/", http_method=method)(handle)])


def test_a_body_is_welcome_where_one_of_the_methods_has_one() -> None:
    @route("/", http_method=["GET", "POST"])
    async def handle(body: bytes) -> bytes:
        return body

    assert answer(Hesper([handle]), "POST", "/", body=b"text").body == b"text"


@pytest.mark.parametrize(
    ("option", "wrong"), [("status_code", 99), ("raises", KeyError), ("responses", [404])]
)
def test_what_a_property_of_a_decorators_class_says_is_checked(option: str, wrong: object) -> None:
    class Own(get): ...

    setattr(Own, option, property(lambda _: wrong))
    with pytest.raises(TypeError, match=f"{option} takes"):
        Own("/")


def test_a_status_that_is_an_attribute_of_a_decorators_class_says_nothing() -> None:
    class Own(get):
        status_code = 99

    assert Own("/").default_status == 200
