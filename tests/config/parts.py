"""Handlers, hooks and plugins that the tests of the configuration are made with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hesper import Hesper, Request, Response, WebSocket, get
from hesper._types import ASGIApp, Message, Receive, Scope, Send
from hesper.config.app import AppConfig
from hesper.datastructures import State
from hesper.exceptions import PermissionDeniedException


@get("/")
async def index() -> str:
    return "index"


def permit(connection: object, handler: object) -> None: ...


def refuse(connection: object, handler: object) -> None:
    raise PermissionDeniedException


def same(response: Response[Any]) -> Response[Any]:
    return response


class Upper(Response[Any]):
    pass


class MyRequest(Request):
    pass


class MySocket(WebSocket):
    pass


def stamping(app: ASGIApp) -> ASGIApp:
    async def stamp(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"stamp", b"here"))
            await send(message)

        await app(scope, receive, sending)

    return stamp


@get("/class")
async def class_of_request(request: Request) -> str:
    return type(request).__name__


@get("/one")
async def one(one: int) -> int:
    return one


def setting(**options: Any) -> Callable[[AppConfig], AppConfig]:
    """Return a hook that adds to lists and mappings and sets what is neither."""

    def change(app_config: AppConfig) -> AppConfig:
        for name, value in options.items():
            present = getattr(app_config, name)
            if isinstance(present, list):
                present.extend(value)
            elif isinstance(present, (dict, State)):
                present.update(value)
            else:
                setattr(app_config, name, value)
        return app_config

    return change


def app_with(*handlers: Any, **options: Any) -> Hesper:
    return Hesper(list(handlers), on_app_init=setting(**options))


class Adding:
    """A plugin that adds handlers, and other plugins."""

    def __init__(self, *handlers: Any, plugins: tuple[Any, ...] = ()) -> None:
        self.handlers = handlers
        self.plugins = plugins
        self.calls = 0

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        self.calls += 1
        app_config.route_handlers.extend(self.handlers)
        app_config.plugins.extend(self.plugins)
        return app_config
