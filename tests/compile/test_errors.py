from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hesper import Hesper, Request, Response, Router, get, post
from hesper._compile.errors import handler_for
from hesper.background_tasks import BackgroundTask
from hesper.exceptions import (
    ClientException,
    HTTPException,
    ImproperlyConfiguredException,
    InternalServerException,
    NoRouteMatchFoundException,
    NotAuthorizedException,
    NotFoundException,
    ValidationException,
)
from hesper.response import File, Stream
from tests.compile.driver import JSON, http_scope, request, sent_by, serve


def raising(error: Exception, **options: Any) -> Any:
    """Return a handler that raises."""

    @get("/", **options)
    async def handler() -> str:
        raise error

    return handler


def answering(text: str) -> Any:
    """Return an exception handler that answers with a text."""

    async def answer(request: Request, error: Exception) -> Response[str]:
        return Response(text, status_code=499)

    return answer


def test_an_http_exception_is_answered_with_its_status_detail_and_extra() -> None:
    app = Hesper([raising(ClientException("odd", extra={"at": [1]}))])
    sent = sent_by(app, "GET", "/")
    assert sent.status == 400
    assert sent.header(b"content-type") == b"application/json"
    assert sent.json() == {"status_code": 400, "detail": "odd", "extra": {"at": [1]}}


def test_the_headers_of_an_http_exception_are_sent() -> None:
    app = Hesper([raising(NotAuthorizedException(headers={"WWW-Authenticate": "Basic"}))])
    assert sent_by(app, "GET", "/").header(b"www-authenticate") == b"Basic"


def test_any_other_exception_is_a_500_that_tells_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sent = sent_by(Hesper([raising(RuntimeError("password=hunter2"))]), "GET", "/")
    assert sent.status == 500
    assert sent.json() == {"status_code": 500, "detail": "Internal Server Error"}
    (record,) = caplog.records
    assert record.getMessage() == "GET / raised"
    assert record.exc_info is not None


@pytest.mark.parametrize(
    "error",
    [
        ImproperlyConfiguredException("no such middleware: SecretMiddleware"),
        NoRouteMatchFoundException("no handler is called 'secret'"),
    ],
)
def test_what_is_for_developers_is_told_to_the_log_alone(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    sent = sent_by(Hesper([raising(error)]), "GET", "/")
    assert sent.json() == {"status_code": 500, "detail": "Internal Server Error"}
    assert "ecret" in caplog.text


def test_a_client_error_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    sent_by(Hesper([raising(NotFoundException())]), "GET", "/")
    assert caplog.records == []


def test_a_server_error_on_purpose_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    sent_by(Hesper([raising(InternalServerException("no disk"))]), "GET", "/")
    assert [record.getMessage() for record in caplog.records] == ["GET / raised"]


def test_a_handler_that_answers_keeps_an_exception_out_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = Hesper([raising(ValueError())], exception_handlers={ValueError: answering("odd")})
    assert sent_by(app, "GET", "/").body == b"odd"
    assert caplog.records == []


@pytest.mark.parametrize("status", [204, 304])
def test_an_http_exception_of_a_status_without_body_has_none(status: int) -> None:
    sent = sent_by(Hesper([raising(HTTPException(status_code=status))]), "GET", "/")
    assert sent.status == status
    assert sent.body == b""
    assert sent.header(b"content-type") is None


@pytest.mark.parametrize(
    "error",
    [
        ClientException(headers={"x-name": "a\r\nset-cookie: b=1"}),
        ClientException(headers={"x name": "a"}),
        ClientException(headers={"x-name": "\u20ac"}),
        ClientException(extra={"a": object()}),
        ClientException("half of a pair: \ud800"),
    ],
    ids=["line break", "space in the name", "not latin-1", "not encodable", "half of a pair"],
)
def test_an_exception_that_cannot_be_sent_is_a_500(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    sent = sent_by(Hesper([raising(error)]), "GET", "/")
    assert sent.json() == {"status_code": 500, "detail": "Internal Server Error"}
    assert "cannot be sent" in caplog.text


def test_the_nearest_layer_answers() -> None:
    router = Router("/", [raising(ValueError())], exception_handlers={ValueError: answering("in")})
    app = Hesper([router], exception_handlers={ValueError: answering("out")})
    assert sent_by(app, "GET", "/").body == b"in"


def test_a_general_handler_of_a_near_layer_comes_before_a_special_one_of_an_outer() -> None:
    route = raising(ValueError(), exception_handlers={Exception: answering("near")})
    app = Hesper([route], exception_handlers={ValueError: answering("far")})
    assert sent_by(app, "GET", "/").body == b"near"


def test_a_handler_that_raises_hands_its_exception_to_the_next_layer_out() -> None:
    seen: list[Exception] = []

    def fail(request: Request, error: Exception) -> None:
        seen.append(error)
        raise KeyError("worse")

    def outer(request: Request, error: Exception) -> Response[str]:
        seen.append(error)
        return Response("outer")

    failure = ValueError()
    near = {ValueError: fail, KeyError: answering("same layer")}
    route = raising(failure, exception_handlers=near)
    app = Hesper([route], exception_handlers={KeyError: outer})
    assert sent_by(app, "GET", "/").body == b"outer"
    assert seen[0] is failure
    assert isinstance(seen[1], KeyError)
    assert seen[1].__context__ is failure


def test_the_last_handler_that_raises_is_answered_by_default() -> None:
    def fail(request: Request, error: Exception) -> None:
        raise NotFoundException("translated")

    app = Hesper([raising(ValueError())], exception_handlers={ValueError: fail})
    assert sent_by(app, "GET", "/").json() == {"status_code": 404, "detail": "translated"}


@pytest.mark.parametrize(
    "result",
    [
        Response(object()),
        Response("x", status_code=204),
        Response("x", media_type="text/plain\r\nx: y"),
        File("/nonexistent"),
    ],
)
def test_a_handler_whose_response_cannot_be_made_hands_on(result: Any) -> None:
    def broken(request: Request, error: Exception) -> Any:
        return result

    route = raising(ValueError(), exception_handlers={ValueError: broken})
    app = Hesper([route], exception_handlers={Exception: answering("outer")})
    assert sent_by(app, "GET", "/").body == b"outer"
    assert sent_by(Hesper([route]), "GET", "/").status in {404, 500}


def test_a_handler_may_return_a_stream() -> None:
    def streamed(request: Request, error: Exception) -> Stream:
        return Stream(["a", "b"], status_code=500)

    app = Hesper([raising(ValueError())], exception_handlers={ValueError: streamed})
    assert sent_by(app, "GET", "/").body == b"ab"


@pytest.mark.anyio
async def test_a_handlers_stream_that_fails_is_never_started_twice() -> None:
    async def broken() -> AsyncIterator[str]:
        yield "a"
        raise KeyError("amid")

    def streamed(request: Request, error: Exception) -> Stream:
        return Stream(broken())

    route = raising(ValueError(), exception_handlers={ValueError: streamed})
    app = Hesper([route], exception_handlers={KeyError: answering("second")})
    sent = await request(app, "GET", "/")
    assert isinstance(sent.error, KeyError)
    assert not sent.complete


def test_plain_results_of_a_handler_are_sent_as_what_they_are() -> None:
    def text(request: Request, error: Exception) -> str:
        return "text"

    def data(request: Request, error: Exception) -> dict[str, int]:
        return {"a": 1}

    @get("/text", exception_handlers={ValueError: text})
    async def as_text() -> dict[str, int]:
        raise ValueError

    @get("/data", exception_handlers={ValueError: data})
    async def as_data() -> str:
        raise ValueError

    app = Hesper([as_text, as_data])
    assert sent_by(app, "GET", "/text").body == b"text"
    assert sent_by(app, "GET", "/data").json() == {"a": 1}


def test_error_responses_bear_the_headers_of_the_route() -> None:
    app = Hesper([raising(NotFoundException())], response_headers={"x-app": "yes"})
    assert sent_by(app, "GET", "/").header(b"x-app") == b"yes"


def test_a_handlers_background_work_is_done() -> None:
    done: list[str] = []

    async def work(what: str) -> None:
        done.append(what)

    def handle(request: Request, error: Exception) -> Response[str]:
        return Response("x", background=BackgroundTask(work, request.url.path))

    handlers: dict[Any, Any] = {ValueError: handle, 404: handle}
    app = Hesper([raising(ValueError())], exception_handlers=handlers)
    sent_by(app, "GET", "/")
    sent_by(app, "GET", "/missing")
    assert done == ["/", "/missing"]


def test_exception_handlers_see_404_and_405() -> None:
    handlers: dict[Any, Any] = {404: answering("lost"), 405: answering("method")}
    app = Hesper([raising(ValueError())], exception_handlers=handlers)
    assert sent_by(app, "GET", "/missing").body == b"lost"
    assert sent_by(app, "POST", "/").body == b"method"


def test_the_request_of_a_handler_knows_its_route_and_its_limit() -> None:
    seen: list[Any] = []

    async def handle(request: Request, error: Exception) -> Response[None]:
        seen.append(request.route_handler.opt["role"])
        try:
            await request.body()
        except HTTPException as refused:
            seen.append(refused.status_code)
        return Response(None)

    @post("/", opt={"role": "admin"}, request_max_body_size=3, exception_handlers={500: handle})
    async def handler() -> None:
        raise ValueError

    sent_by(Hesper([handler]), "POST", "/", body=b"1234")
    assert seen == ["admin", 413]


def test_an_own_class_comes_before_a_status_and_a_status_before_base_classes() -> None:
    def at(key: object) -> Any:
        def answer(request: Any, error: Any) -> object:
            return key

        return answer

    handlers = {key: at(key) for key in (ValidationException, 400, ClientException, Exception)}

    def chosen(error: Exception, *without: object) -> object:
        left: Any = {key: value for key, value in handlers.items() if key not in without}
        handler: Any = handler_for(left, error)
        return handler(None, error)

    error = ValidationException()
    assert chosen(error) is ValidationException
    assert chosen(error, ValidationException) == 400
    assert chosen(error, ValidationException, 400) is ClientException
    assert chosen(error, ValidationException, 400, ClientException) is Exception
    assert chosen(KeyError()) is Exception


def test_500_is_the_last_resort_for_exceptions_that_are_none_of_http() -> None:
    server_error: Any = answering("500")
    last: dict[Any, Any] = {500: server_error}
    assert handler_for(last, KeyError()) is server_error
    assert handler_for(last, NotFoundException()) is None
    assert handler_for(last, InternalServerException()) is server_error
    lookup: Any = answering("lookup")
    assert handler_for({**last, LookupError: lookup}, KeyError()) is lookup


@pytest.mark.anyio
async def test_a_client_that_goes_amid_its_request_is_no_failure_of_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @post("/")
    async def handler(data: dict[str, int]) -> None:
        raise AssertionError("not to be called")

    scope = http_scope("POST", "/", headers=JSON)
    sent = await serve(Hesper([handler]), scope, [b'{"a"'], truncated=True)
    assert sent.error is None
    assert sent.status == 400
    assert caplog.records == []


@pytest.mark.anyio
@pytest.mark.parametrize("fails_at", [0, 1])
async def test_a_client_that_goes_amid_an_error_response_gets_no_second_one(
    fails_at: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    app = Hesper([raising(ValueError())], exception_handlers={Exception: answering("x")})
    sent = await request(app, "GET", "/", send_fails_at=fails_at)
    assert isinstance(sent.error, OSError)
    assert len(sent.messages) == fails_at


@pytest.mark.parametrize("status", [204, 205, 304])
def test_no_answer_to_an_error_makes_a_body_follow_a_status_that_has_none(status: int) -> None:
    @get("/{status:int}")
    async def fails(status: int) -> str:
        raise HTTPException(status_code=status)

    def answer(request: Request, error: Exception) -> dict[str, int]:
        return {"a": 1}

    app = Hesper([fails], exception_handlers={HTTPException: answer})
    assert sent_by(app, "GET", "/400").status == 400
    assert sent_by(app, "GET", f"/{status}").status == 500
