"""The bodies of error responses, in both forms."""

from __future__ import annotations

import logging
from typing import Annotated, Any

import msgspec
import pytest

from hesper import Hesper, Request, Response, WebSocket, get, post, websocket
from hesper.config.app import AppConfig
from hesper.exceptions import (
    ClientException,
    HTTPException,
    ImproperlyConfiguredException,
    NotFoundException,
    TooManyRequestsException,
    ValidationException,
)
from hesper.params import Parameter
from hesper.testing import TestClient, WebSocketDeniedError
from tests.asgi_driver import Answer, answer

PROBLEM = "application/problem+json"
JSON = [("content-type", "application/json")]


def raising(error: Exception) -> Any:
    @get("/")
    async def fail() -> None:
        raise error

    return fail


def problem(error: Exception) -> Answer:
    got = answer(Hesper([raising(error)], problem_details=True), "GET", "/")
    assert got.header("content-type") == PROBLEM
    assert got.json()["status"] == got.status
    return got


def plain(error: Exception) -> Answer:
    got = answer(Hesper([raising(error)]), "GET", "/")
    assert got.header("content-type") == "application/json"
    assert got.json()["status_code"] == got.status
    return got


def test_the_plain_form() -> None:
    assert plain(NotFoundException()).json() == {"status_code": 404, "detail": "Not Found"}
    error = ClientException("No such isbn", extra={"isbn": "1"})
    expected = {"status_code": 400, "detail": "No such isbn", "extra": {"isbn": "1"}}
    assert plain(error).json() == expected


def test_the_form_of_rfc_9457() -> None:
    assert problem(NotFoundException("No such book")).json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "No such book",
    }


def test_entries_of_extra_are_members() -> None:
    error = ClientException("Out of credit", extra={"balance": 30, "accounts": ["/a"]})
    got = problem(error).json()
    assert (got["balance"], got["accounts"], got["type"]) == (30, ["/a"], "about:blank")
    assert "extra" not in got


def test_extra_can_say_which_problem_it_is() -> None:
    said = {"type": "https://example.com/credit", "title": "No credit", "instance": "/a/1"}
    got = problem(ClientException("Out of credit", extra=said)).json()
    assert got == {**said, "status": 400, "detail": "Out of credit"}


def test_extra_cannot_say_another_status_or_detail() -> None:
    got = problem(ClientException("why", extra={"status": 200, "detail": "fine"})).json()
    assert (got["status"], got["detail"]) == (400, "why")


def test_a_list_is_the_member_errors() -> None:
    assert problem(ValidationException(extra=[{"key": "a"}])).json()["errors"] == [{"key": "a"}]
    assert problem(ClientException(extra=[])).json()["errors"] == []


def test_unknown_statuses_have_a_title() -> None:
    assert problem(HTTPException(status_code=499)).json()["title"] == "Client Error"


@pytest.mark.parametrize("form", [plain, problem])
@pytest.mark.parametrize("error", [ValueError("secret"), ImproperlyConfiguredException("secret")])
def test_what_is_not_for_clients_is_a_500_that_says_nothing(form: Any, error: Exception) -> None:
    got = form(error)
    assert got.status == 500
    assert got.json()["detail"] == "Internal Server Error"
    assert b"secret" not in got.body


@pytest.mark.parametrize("form", [plain, problem])
def test_headers_of_the_exception_are_sent(form: Any) -> None:
    got = form(TooManyRequestsException(headers={"retry-after": "5"}))
    assert got.header("retry-after") == "5"


@pytest.mark.parametrize("form", [plain, problem])
@pytest.mark.parametrize("extra", [{"a": object()}, [object()], {"a": "\ud800"}])
def test_what_cannot_be_encoded_is_a_500(form: Any, extra: Any) -> None:
    got = form(ClientException(extra=extra))
    assert got.status == 500
    assert b"object" not in got.body


def test_type_encoders_encode_extra() -> None:
    app = Hesper(
        [raising(ClientException(extra={"a": 1j}))],
        problem_details=True,
        type_encoders={complex: str},
    )
    assert answer(app, "GET", "/").json()["a"] == "1j"


class Book(msgspec.Struct):
    title: str
    pages: Annotated[int, msgspec.Meta(gt=0)]


@post("/books", request_max_body_size=100)
async def add(data: Book, shelf: int, x: Annotated[str, Parameter(header="x-a")]) -> Book:
    return data


def book(body: bytes, headers: list[tuple[str, str]] = JSON, method: str = "POST") -> Answer:
    app = Hesper([add], problem_details=True)
    got = answer(app, method, "/books?shelf=x", body=body, headers=headers)
    assert got.header("content-type") == PROBLEM
    return got


def test_validation_faults_are_the_errors_of_the_problem() -> None:
    got = book(b'{"title": 1, "pages": 0}')
    assert (got.status, got.json()["title"]) == (400, "Bad Request")
    faults = {(fault["source"], fault["key"]) for fault in got.json()["errors"]}
    assert faults == {("body", "title"), ("body", "pages"), ("query", "shelf"), ("header", "x-a")}


@pytest.mark.parametrize(
    ("got", "status"),
    [
        (book(b"{", JSON), 400),
        (book(b"x" * 101), 413),
        (book(b"{}", [("content-type", "text/html")]), 415),
        (book(b"", method="PUT"), 405),
        (answer(Hesper(problem_details=True), "GET", "/none"), 404),
    ],
)
def test_every_refusal_is_a_problem(got: Answer, status: int) -> None:
    assert (got.status, got.json()["status"]) == (status, status)
    assert got.header("content-type") == PROBLEM
    assert (got.header("allow") is not None) is (status == 405)


@pytest.mark.parametrize("problem_details", [True, False])
@pytest.mark.parametrize("path", ["/", "/none"])
def test_the_response_to_head_has_no_body(problem_details: bool, path: str) -> None:
    app = Hesper([raising(ClientException("why"))], problem_details=problem_details)
    got, full = answer(app, "HEAD", path), answer(app, "GET", path)
    assert (got.status, got.body) == (full.status, b"")
    assert got.headers == full.headers


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_body_has_none(status: int) -> None:
    app = Hesper([raising(HTTPException(status_code=status))], problem_details=True)
    got = answer(app, "GET", "/")
    assert (got.status, got.body, got.header("content-type")) == (status, b"", None)


def test_the_form_holds_where_an_exception_handler_fails() -> None:
    def fail(_request: Request, _error: Exception) -> Response[str]:
        raise NotFoundException("in the handler")

    app = Hesper(
        [raising(ValueError())], exception_handlers={ValueError: fail}, problem_details=True
    )
    assert answer(app, "GET", "/").json()["detail"] == "in the handler"


def test_the_form_holds_for_errors_of_middleware() -> None:
    def refusing(_app: object) -> Any:
        async def refuse(_scope: object, _receive: object, _send: object) -> None:
            raise NotFoundException

        return refuse

    app = Hesper([raising(ValueError())], middleware=[refusing], problem_details=True)
    assert answer(app, "GET", "/").header("content-type") == PROBLEM


@websocket("/refused")
async def refused(socket: WebSocket) -> None:
    raise NotFoundException("no such room")


@pytest.mark.parametrize("path", ["/refused", "/none"])
def test_the_form_holds_for_refused_websockets(path: str) -> None:
    app = Hesper([refused], problem_details=True)
    with (
        TestClient(app) as client,
        pytest.raises(WebSocketDeniedError) as caught,
        client.websocket_connect(path),
    ):
        pass
    denied = caught.value.response
    assert denied.headers["content-type"] == PROBLEM
    assert denied.json()["status"] == 404


def test_two_apps_of_the_same_handlers_have_each_their_form() -> None:
    handler = raising(NotFoundException())
    one, other = Hesper([handler], problem_details=True), Hesper([handler])
    for path in ("/", "/none"):
        assert answer(one, "GET", path).header("content-type") == PROBLEM
        assert answer(other, "GET", path).header("content-type") == "application/json"


def test_a_hook_can_choose_the_form() -> None:
    def choose(config: AppConfig) -> AppConfig:
        config.problem_details = True
        return config

    got = answer(Hesper(on_app_init=choose), "GET", "/")
    assert got.header("content-type") == PROBLEM


@pytest.mark.parametrize("name", ["problem_details", "debug"])
@pytest.mark.parametrize("value", ["0", 1, None])
def test_only_true_and_false_are_taken(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"{name} takes True or False, not {value!r}"):
        Hesper(**{name: value})


@pytest.mark.parametrize("form", [plain, problem])
def test_a_failure_is_logged(form: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "hesper"):
        form(ValueError("why"))
    (record,) = caplog.records
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "why"
