"""The errors that Hesper raises and understands."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from http import HTTPStatus

import pytest

from hesper import exceptions
from hesper.exceptions import (
    ClientException,
    ConfigurationError,
    HesperException,
    HTTPException,
    ImproperlyConfiguredException,
    InternalServerException,
    LifespanNotStarted,
    MethodNotAllowedException,
    MissingDependencyException,
    NoRouteMatchFoundException,
    NotAuthorizedException,
    NotFoundException,
    PermissionDeniedException,
    RequestEntityTooLarge,
    SerializationException,
    ServiceUnavailableException,
    TooManyRequestsException,
    UnsupportedMediaTypeException,
    ValidationException,
    WebSocketDisconnect,
    WebSocketException,
)

STATUSES = [
    (HTTPException, 500),
    (ClientException, 400),
    (ValidationException, 400),
    (NotAuthorizedException, 401),
    (PermissionDeniedException, 403),
    (NotFoundException, 404),
    (MethodNotAllowedException, 405),
    (RequestEntityTooLarge, 413),
    (UnsupportedMediaTypeException, 415),
    (TooManyRequestsException, 429),
    (InternalServerException, 500),
    (NoRouteMatchFoundException, 500),
    (ImproperlyConfiguredException, 500),
    (ServiceUnavailableException, 503),
]


class NoSuchBook(NotFoundException):
    def __init__(self, isbn: int, *, shelf: str) -> None:
        super().__init__(f"no book {isbn} on {shelf}", extra={"isbn": isbn})
        self.shelf = shelf


EXAMPLES = [
    HesperException("broken"),
    HTTPException("away", status_code=410, headers={"x-where": "there"}, extra=[1]),
    NoSuchBook(7, shelf="A"),
    ConfigurationError("first", "second"),
    LifespanNotStarted("not yet"),
    MissingDependencyException("uvicorn", extra="standard"),
    SerializationException("bytes"),
    WebSocketException("no", code=4001),
    WebSocketDisconnect("bye", code=1001),
]


@pytest.mark.parametrize(("kind", "status"), STATUSES)
def test_a_class_has_its_status(kind: type[HTTPException], status: int) -> None:
    assert kind().status_code == status


@pytest.mark.parametrize("kind", [kind for kind, _ in STATUSES])
def test_the_default_detail_is_the_phrase_of_the_status(kind: type[HTTPException]) -> None:
    phrase = {413: "Content Too Large"}.get(kind.status_code, HTTPStatus(kind.status_code).phrase)
    assert kind().detail == phrase


def test_the_default_detail_follows_the_status_that_is_given() -> None:
    assert HTTPException(status_code=409).detail == "Conflict"


def test_a_status_without_a_phrase_is_described_by_its_class() -> None:
    assert HTTPException(status_code=499).detail == "Client Error"


@pytest.mark.parametrize("status", [100, 599])
def test_any_status_of_http_can_be_given(status: int) -> None:
    assert HTTPException(status_code=status).status_code == status


@pytest.mark.parametrize("status", [-1, 0, 99, 600, 4500])
def test_a_status_that_is_none_of_http_is_refused(status: int) -> None:
    with pytest.raises(ValueError, match=rf"HTTPException got the status code {status}\b.*599"):
        HTTPException(status_code=status)


def test_a_status_of_the_class_is_checked_too() -> None:
    class Odd(HTTPException):
        status_code = 700

    with pytest.raises(ValueError, match="Odd got the status code 700"):
        Odd()


def test_headers_are_a_copy() -> None:
    headers = {"retry-after": "3"}
    error = TooManyRequestsException(headers=headers)
    headers.clear()
    assert error.headers == {"retry-after": "3"}


def test_headers_and_extra_are_none_by_default() -> None:
    error = NotFoundException()
    assert (error.headers, error.extra) == (None, None)


def test_an_http_error_reads_as_status_and_detail() -> None:
    assert str(NotFoundException("no such book")) == "404: no such book"


def test_the_representation_shows_what_there_is() -> None:
    assert [repr(error) for error in EXAMPLES[:4]] == [
        "HesperException('broken')",
        "HTTPException('away', status_code=410)",
        "NoSuchBook('no book 7 on A', status_code=404)",
        "ConfigurationError('first', 'second')",
    ]
    assert repr(WebSocketDisconnect("bye")) == "WebSocketDisconnect('bye', code=1000)"


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (ValidationException, ValueError),
        (ImproperlyConfiguredException, ValueError),
        (ConfigurationError, ImproperlyConfiguredException),
        (LifespanNotStarted, RuntimeError),
        (MissingDependencyException, ImportError),
        (NoRouteMatchFoundException, InternalServerException),
        (ServiceUnavailableException, InternalServerException),
    ],
)
def test_an_error_is_caught_as_what_it_also_is(
    kind: type[Exception], builtin: type[Exception]
) -> None:
    assert issubclass(kind, builtin)


def test_every_exported_error_is_one_of_hesper() -> None:
    assert all(
        issubclass(getattr(exceptions, name), HesperException) for name in exceptions.__all__
    )


def test_one_problem_is_shown_plainly() -> None:
    assert str(ConfigurationError("GET /a: no such thing")) == "GET /a: no such thing"


def test_several_problems_are_a_numbered_list() -> None:
    error = ConfigurationError("first", "second:\nwith more", "third")
    assert str(error).splitlines() == [
        "3 problems were found:",
        "  1. first",
        "  2. second:",
        "     with more",
        "  3. third",
    ]


def test_the_numbers_of_many_problems_are_aligned() -> None:
    lines = str(ConfigurationError(*"abcdefghij")).splitlines()
    assert (lines[1], lines[10]) == ("   1. a", "  10. j")


def test_problems_are_kept_in_their_order() -> None:
    assert ConfigurationError("b", "a").problems == ("b", "a")


def test_a_configuration_error_without_a_problem_is_refused() -> None:
    with pytest.raises(TypeError, match="at least one problem"):
        ConfigurationError()


def test_a_missing_library_says_how_to_install_it() -> None:
    assert "pip install 'hesper[standard]'" in str(
        MissingDependencyException("uvicorn", extra="standard")
    )
    assert "pip install 'rich'" in str(MissingDependencyException("rich"))


def test_a_websocket_error_has_the_code_of_its_class() -> None:
    assert (WebSocketException().code, WebSocketDisconnect().code) == (4500, 1000)


@pytest.mark.parametrize("code", [0, 404, 999, 5000])
def test_a_code_that_no_close_frame_carries_is_refused(code: int) -> None:
    with pytest.raises(ValueError, match=f"WebSocketException got the close code {code}"):
        WebSocketException(code=code)


def test_a_disconnect_keeps_whatever_code_the_peer_gave() -> None:
    assert WebSocketDisconnect(code=403).code == 403


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_can_be_pickled(error: HesperException) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.args, vars(again)) == (
        type(error),
        str(error),
        error.args,
        vars(error),
    )


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_can_be_copied(error: HesperException) -> None:
    again = copy.copy(error)
    assert again is not error
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_a_note_is_pickled_with_its_error() -> None:
    error = HesperException("broken")
    error.add_note("while reading")
    assert pickle.loads(pickle.dumps(error)).__notes__ == ["while reading"]


@pytest.mark.parametrize("make", [lambda: HTTPException("x"), lambda: ConfigurationError("a", "b")])
def test_an_error_is_gone_when_it_is_dropped(make: type[HesperException]) -> None:
    gc.disable()
    try:
        error = make()
        gone = weakref.ref(error)
        del error
        assert gone() is None
    finally:
        gc.enable()
