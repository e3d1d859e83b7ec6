from __future__ import annotations

import pytest

from hesper import Hesper, get
from hesper.testing import create_async_test_client, create_test_client


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
