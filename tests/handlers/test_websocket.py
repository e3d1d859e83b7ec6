"""Websocket handlers, as declarations."""

from __future__ import annotations

import pytest

from hesper import Hesper, Request, WebSocket, get, websocket
from hesper.exceptions import ConfigurationError
from hesper.testing import TestClient
from tests.asgi_driver import answer


def test_a_websocket_and_a_get_may_share_a_path() -> None:
    @websocket("/")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("hello")

    @get("/")
    async def page() -> str:
        return "page"

    with TestClient(Hesper([talk, page])) as client:
        assert client.get("/").text == "page"
        with client.websocket_connect("/") as session:
            assert session.receive_text() == "hello"


def test_a_websocket_takes_parameters_like_any_handler() -> None:
    @websocket("/{room:str}")
    async def talk(socket: WebSocket, room: str, times: int = 1) -> None:
        await socket.accept()
        await socket.send_text(room * times)

    app = Hesper([talk])
    with TestClient(app) as client, client.websocket_connect("/ab?times=2") as session:
        assert session.receive_text() == "abab"


def test_a_websocket_answers_no_http() -> None:
    @websocket("/")
    async def talk(socket: WebSocket) -> None: ...

    assert answer(Hesper([talk]), "GET", "/").status == 404


def test_a_websocket_handler_is_asynchronous() -> None:
    @websocket("/")
    def talk(socket: WebSocket) -> None: ...

    with pytest.raises(ConfigurationError, match="a websocket handler is an asynchronous function"):
        Hesper([talk])


def test_a_websocket_has_no_request() -> None:
    @websocket("/")
    async def talk(request: Request) -> None: ...

    with pytest.raises(
        ConfigurationError, match=r"takes 'request', which a websocket route.*'socket'"
    ):
        Hesper([talk])


def test_an_http_handler_has_no_socket() -> None:
    @get("/")
    async def page(socket: WebSocket) -> None: ...

    with pytest.raises(ConfigurationError, match=r"takes 'socket', which a http route.*'request'"):
        Hesper([page])


def test_request_hooks_of_outer_layers_are_not_for_websockets() -> None:
    async def hook(request: Request, data: bytes) -> None: ...

    @websocket("/")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("hello")

    app = Hesper([talk], before_request=hook, after_request=lambda response: response)
    with TestClient(app) as client, client.websocket_connect("/") as session:
        assert session.receive_text() == "hello"


def test_two_websockets_on_one_path_are_a_conflict() -> None:
    @websocket("/a")
    async def one(socket: WebSocket) -> None: ...

    @websocket("/a/")
    async def other(socket: WebSocket) -> None: ...

    with pytest.raises(ConfigurationError, match=r"WEBSOCKET /a.*one .*other"):
        Hesper([one, other])
