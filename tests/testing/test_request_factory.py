"""`RequestFactory`: requests that no client has sent."""

from __future__ import annotations

import msgspec
import pytest

from hesper import Hesper, Request, post
from hesper.connection import ASGIConnection
from hesper.datastructures import Cookie, UploadFile
from hesper.enums import RequestEncodingType
from hesper.exceptions import PermissionDeniedException
from hesper.testing import RequestFactory
from hesper.types import RouteHandler

pytestmark = pytest.mark.anyio


class Book(msgspec.Struct):
    title: str
    year: int


MOBY = Book("Moby-Dick", 1851)


async def test_a_request_is_for_the_path_and_the_server() -> None:
    request = RequestFactory(server="books.example", port=8000, root_path="/api").get("/a%20b")
    assert str(request.url) == "http://books.example:8000/api/a%20b"
    assert request.method == "GET"
    assert request.scope["path"] == "/api/a b"


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
async def test_every_method_is_there(method: str) -> None:
    request: Request = getattr(RequestFactory(), method)("/")
    assert request.method == method.upper()
    assert await request.body() == b""


async def test_headers_cookies_and_the_query_are_what_was_said() -> None:
    request = RequestFactory().get(
        headers={"X-Key": "k"},
        cookies=[Cookie("theme", value="dark; very")],
        query_params={"tag": ["a", "b"], "page": "2"},
    )
    assert request.headers["x-key"] == "k"
    assert request.cookies == {"theme": "dark; very"}
    assert request.query_params.getall("tag") == ["a", "b"]
    assert request.query_params["page"] == "2"


async def test_cookies_may_be_the_whole_header() -> None:
    assert RequestFactory().get(cookies="a=1; b=2").cookies == {"a": "1", "b": "2"}


async def test_what_middleware_and_routing_would_have_set_is_there() -> None:
    request = RequestFactory().get(
        user="Ishmael",
        auth="token",
        session={"basket": 1},
        state={"pool": "full"},
        path_params={"number": 7},
        http_version="2",
    )
    assert (request.user, request.auth, request.session) == ("Ishmael", "token", {"basket": 1})
    assert request.state.pool == "full"
    assert request.path_params == {"number": 7}
    assert request.scope["http_version"] == "2"


async def test_the_app_is_the_one_that_was_given() -> None:
    app = Hesper()
    assert RequestFactory(app).get().app is app
    assert isinstance(RequestFactory().get().app, Hesper)


async def test_a_body_is_json_unless_something_else_is_said() -> None:
    request = RequestFactory().post(data=MOBY)
    assert request.content_type[0] == "application/json"
    assert await request.json() == {"title": "Moby-Dick", "year": 1851}


async def test_a_body_may_be_message_pack() -> None:
    kind = RequestEncodingType.MESSAGEPACK
    request = RequestFactory().put(data=MOBY, request_media_type=kind)
    assert request.content_type[0] == kind
    assert await request.msgpack() == {"title": "Moby-Dick", "year": 1851}


async def test_a_body_may_be_a_form() -> None:
    kind = RequestEncodingType.URL_ENCODED
    request = RequestFactory().patch(data={"tag": ["a", "b"]}, request_media_type=kind)
    assert (await request.form()).getall("tag") == ["a", "b"]


async def test_a_body_may_be_a_multipart_form_with_files() -> None:
    cover = UploadFile("image/png", "cover.png", b"pixels")
    request = RequestFactory().post(
        data={"title": "Moby-Dick", "raw": b"\x00", "tag": ["a", "b"], "cover": cover},
        request_media_type=RequestEncodingType.MULTI_PART,
    )
    await cover.close()
    media_type, parameters = request.content_type
    assert media_type == "multipart/form-data"
    parts = (await request.body()).split(b"--" + parameters["boundary"].encode())
    assert len(parts) == 7
    assert parts[1].endswith(b'name="title"\r\n\r\nMoby-Dick\r\n')
    assert b'filename="cover.png"\r\nContent-Type: image/png\r\n\r\npixels' in parts[5]


async def test_bytes_are_sent_as_they_are() -> None:
    request = RequestFactory().post(data=b"{", headers={"content-type": "text/plain"})
    assert await request.body() == b"{"
    assert request.content_type[0] == "text/plain"


async def test_after_its_body_the_client_has_gone() -> None:
    request = RequestFactory().post(data=1)
    await request.receive()
    assert (await request.receive())["type"] == "http.disconnect"


def librarian(connection: ASGIConnection, handler: RouteHandler) -> None:
    if handler.opt["role"] != connection.user:
        raise PermissionDeniedException


async def test_a_guard_is_called_with_the_request_and_its_handler() -> None:
    factory = RequestFactory(handler_kwargs={"opt": {"role": "librarian"}})
    request = factory.get(user="librarian")
    librarian(request, request.scope["route_handler"])
    with pytest.raises(PermissionDeniedException):
        librarian(request := factory.get(user="reader"), request.scope["route_handler"])


async def test_the_handler_may_be_a_decorated_function() -> None:
    @post("/books", opt={"role": "librarian"})
    async def add() -> None: ...

    request = RequestFactory(Hesper(opt={"site": "main"})).post(route_handler=add)
    assert request.route_handler.fn is add
    assert request.route_handler.opt == {"role": "librarian", "site": "main"}


async def test_the_handler_may_be_a_resolved_one() -> None:
    handler = RequestFactory().get().scope["route_handler"]
    assert RequestFactory().get(route_handler=handler).route_handler is handler


async def test_a_function_that_is_no_handler_is_refused() -> None:
    with pytest.raises(TypeError, match="is a function decorated with get"):
        RequestFactory().get(route_handler=lambda: None)


async def test_without_options_the_handler_does_nothing() -> None:
    assert await RequestFactory().get().route_handler.fn() is None
