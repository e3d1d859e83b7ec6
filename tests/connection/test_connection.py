"""A connection as its scope describes it."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from hesper._types import Receive, Scope, Send
from hesper.connection import ASGIConnection, Request, WebSocket
from hesper.datastructures import Address, State
from hesper.exceptions import ImproperlyConfiguredException
from tests.peers import Peer, request_scope, socket_scope


class Library:
    """An application, as far as a connection knows it."""

    state = State({"name": "library"})

    def route_reverse(self, name: str, **path_parameters: Any) -> str:
        return f"/{name}/{path_parameters['id']}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class ShelfState(State):
    def shelves(self) -> int:
        return len(self.shelf)


class ShelfRequest(Request[Any, Any, ShelfState]):
    __slots__ = ()
    state_class = ShelfState


def test_it_names_the_application() -> None:
    library: Any = Library()
    connection = ASGIConnection[Any, Any, State](request_scope(hesper_app=library))
    assert connection.app is library


def test_without_an_application_it_says_so() -> None:
    with pytest.raises(ImproperlyConfiguredException, match=r"connection\.app .*'/books'"):
        _ = ASGIConnection(request_scope(path="/books")).app


def test_it_names_the_handler() -> None:
    handler = object()
    assert ASGIConnection(request_scope(route_handler=handler)).route_handler is handler


def test_before_routing_there_is_no_handler() -> None:
    with pytest.raises(ImproperlyConfiguredException, match="not routed"):
        _ = ASGIConnection(request_scope()).route_handler


def test_the_state_is_that_of_the_scope() -> None:
    data = {"pool": 1}
    connection = ASGIConnection(request_scope(state=data))
    connection.state.user = "Ada"
    assert connection.state.pool == 1
    assert data == {"pool": 1, "user": "Ada"}
    assert connection.state is connection.state


def test_without_a_state_the_connection_gets_its_own() -> None:
    scope = request_scope()
    ASGIConnection(scope).state.user = "Ada"
    assert ASGIConnection(scope).state.user == "Ada"
    assert scope["state"] == {"user": "Ada"}


def test_a_subclass_chooses_the_class_of_the_state() -> None:
    request = ShelfRequest(request_scope(state={"shelf": [1, 2]}))
    assert request.state.shelves() == 2


def test_the_url_is_the_one_asked_for() -> None:
    connection = ASGIConnection(request_scope(path="/a b", query=b"c=d"))
    assert str(connection.url) == "http://books.example/a%20b?c=d"


def test_the_base_url_is_the_root_of_the_application() -> None:
    scope = request_scope(path="/library/books", query=b"a=1", root_path="/library")
    assert str(ASGIConnection(scope).base_url) == "http://books.example/library/"
    assert str(ASGIConnection(request_scope(path="/a")).base_url) == "http://books.example/"


def test_the_url_of_a_handler_is_absolute() -> None:
    scope = request_scope(root_path="/library", hesper_app=Library())
    url = ASGIConnection(scope).url_for("books", id=5)
    assert url == "http://books.example/library/books/5"


def test_headers_are_found_in_any_case() -> None:
    connection = ASGIConnection(request_scope(headers=[(b"x-shelf", b"7")]))
    assert connection.headers["X-Shelf"] == "7"


def test_query_parameters_keep_all_values() -> None:
    connection = ASGIConnection(request_scope(query=b"a=1&a=2&b=%C3%A4"))
    assert connection.query_params.dict() == {"a": ["1", "2"], "b": ["ä"]}


def test_path_parameters_are_those_of_the_scope() -> None:
    assert ASGIConnection(request_scope(path_params={"id": 5})).path_params == {"id": 5}
    assert ASGIConnection(request_scope()).path_params == {}


def test_cookies_may_come_in_several_lines() -> None:
    headers = [(b"cookie", b"a=1; b=2"), (b"cookie", b"c=3")]
    connection = ASGIConnection(request_scope(headers=headers))
    assert connection.cookies == {"a": "1", "b": "2", "c": "3"}


def test_what_is_computed_is_kept() -> None:
    connection = ASGIConnection(request_scope())
    for name in ("url", "base_url", "headers", "query_params", "cookies"):
        assert getattr(connection, name) is getattr(connection, name)


def test_addresses_are_those_of_both_ends() -> None:
    connection = ASGIConnection(request_scope())
    assert connection.client == Address("127.0.0.1", 50000)
    assert connection.server == Address("127.0.0.1", 8000)


def test_an_unknown_client_has_no_address() -> None:
    assert ASGIConnection(request_scope(client=None)).client is None


def test_user_and_auth_are_those_that_middleware_has_set() -> None:
    connection = ASGIConnection(request_scope(user="Ada", auth=None))
    assert connection.user == "Ada"
    assert connection.auth is None


@pytest.mark.parametrize("name", ["user", "auth", "session"])
def test_what_no_middleware_has_set_is_an_error_that_says_what_to_add(name: str) -> None:
    with pytest.raises(ImproperlyConfiguredException, match=rf"connection\.{name}.*middleware"):
        getattr(ASGIConnection(request_scope()), name)


def test_the_session_is_that_of_the_scope() -> None:
    scope = request_scope(session={"a": 1})
    connection = ASGIConnection(scope)
    assert connection.session == {"a": 1}
    connection.set_session({"b": 2})
    assert scope["session"] == {"b": 2}
    connection.clear_session()
    assert connection.session == {}


@pytest.mark.anyio
async def test_made_from_a_scope_alone_it_neither_receives_nor_sends() -> None:
    connection = ASGIConnection(request_scope())
    with pytest.raises(RuntimeError, match="nothing can be received"):
        await connection.receive()
    with pytest.raises(RuntimeError, match="nothing can be sent"):
        await connection.send({"type": "http.response.start"})


def test_its_representation_names_class_and_path() -> None:
    assert repr(Request(request_scope(path="/books"))) == "<Request '/books'>"


def test_it_goes_at_once_when_it_is_dropped() -> None:
    gc.collect()
    gc.disable()
    connection: Any = None
    try:
        peer = Peer()
        connections: list[Any] = [
            Request(request_scope(state={}), peer.receive, peer.send),
            WebSocket(socket_scope(), peer.receive, peer.send),
        ]
        for name in ("url", "headers", "state", "cookies"):
            for connection in connections:
                getattr(connection, name)
        references = [weakref.ref(each) for each in connections]
        connection = None
        connections.clear()
        assert [reference() for reference in references] == [None, None]
    finally:
        gc.enable()
