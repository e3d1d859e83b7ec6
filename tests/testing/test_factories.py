from __future__ import annotations

import inspect
from dataclasses import fields
from typing import assert_type

import pytest

from hesper import Hesper, Request, get
from hesper.app import ApplicationLayer
from hesper.testing import (
    AsyncTestClient,
    TestClient,
    create_async_test_client,
    create_test_client,
)
from hesper.testing.factories import AsyncOptions, SyncOptions


@get("/path")
async def path() -> str:
    return "here"


@get("/fails")
async def fails() -> str:
    raise KeyError("lost")


def test_one_handler_makes_an_app() -> None:
    with create_test_client(path) as client:
        assert isinstance(client.app, Hesper)
        assert client.get("/path").text == "here"


def test_several_handlers_make_an_app() -> None:
    with create_test_client([path, fails]) as client:
        assert client.get("/path").text == "here"


def test_no_handlers_make_an_app() -> None:
    with create_test_client() as client:
        assert client.get("/path").status_code == 404


def test_options_go_to_the_client_and_to_the_app() -> None:
    events: list[str] = []
    with create_test_client(
        [path, fails],
        base_url="https://host",
        cookies={"a": "1"},
        raise_server_exceptions=False,
        backend_options={"use_uvloop": True},
        path="/prefix",
        on_startup=[lambda: events.append("startup")],
    ) as client:
        assert events == ["startup"]
        response = client.get("/prefix/path")
        assert response.text == "here"
        assert response.request.url == "https://host/prefix/path"
        assert response.request.headers["cookie"] == "a=1"
        assert client.get("/prefix/fails").status_code == 500


@pytest.mark.anyio
async def test_an_async_client_is_made_in_the_same_way() -> None:
    async with create_async_test_client(path, base_url="https://host", path="/prefix") as client:
        response = await client.get("/prefix/path")
        assert response.text == "here"
        assert response.request.url.host == "host"


@get("/about")
async def about(request: Request) -> list[object]:
    return [request.headers["x-key"], list(request.scope["client"]), request.scope["asgi"]]


def test_every_option_of_the_client_can_be_given() -> None:
    with create_test_client(
        route_handlers=[about],
        headers={"x-key": "k"},
        client=("reader", 1),
        spec_version="2.4",
        timeout=5,
        follow_redirects=False,
        root_path="/root",
        backend="asyncio",
    ) as client:
        answer = ["k", ["reader", 1], {"version": "3.0", "spec_version": "2.4"}]
        assert client.get("/about").json() == answer
        assert client.follow_redirects is False
        assert client.timeout.read == 5


@pytest.mark.parametrize(
    ("options", "client"), [(SyncOptions, TestClient), (AsyncOptions, AsyncTestClient)]
)
def test_the_options_are_those_of_the_client_with_the_same_defaults(
    options: type[AsyncOptions], client: type[object]
) -> None:
    of_the_app = {option.name for option in fields(ApplicationLayer)}
    own = {o.name: o.default for o in fields(options) if o.name not in of_the_app}
    parameters = inspect.signature(client).parameters.values()
    taken = {p.name: p.default for p in parameters if p.name != "app"}
    assert own == {name: taken[name] for name in taken if name not in of_the_app}


def test_the_factories_are_typed() -> None:
    assert_type(create_test_client(path), TestClient[Hesper])
    assert_type(create_async_test_client([path]), AsyncTestClient[Hesper])


def test_a_misspelt_option_is_an_error_that_names_the_one_that_was_meant() -> None:
    with pytest.raises(TypeError, match="did you mean 'guards'"):
        create_test_client(path, gaurds=[])  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
