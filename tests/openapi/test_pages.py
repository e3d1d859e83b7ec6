"""What is served of a document: itself, and pages that nothing in it can break."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, ClassVar, cast
from urllib.parse import urljoin

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hesper import Hesper, Request, Router, get, mount, post
from hesper.connection import ASGIConnection
from hesper.exceptions import ConfigurationError, NotAuthorizedException
from hesper.handlers import BaseRouteHandler
from hesper.openapi import OpenAPIConfig, openapi_schema
from hesper.openapi.plugins import (
    OpenAPIRenderPlugin,
    RedocRenderPlugin,
    ScalarRenderPlugin,
    SwaggerRenderPlugin,
    as_data,
)
from hesper.openapi.spec import Server
from hesper.response import Response
from hesper.types import Receive, Scope, Send
from tests.asgi_driver import answer
from tests.openapi.everything import make


class Page(HTMLParser):
    """A page as a browser reads it."""

    VOID: ClassVar = {"meta", "link"}

    def __init__(self, text: str, url: str) -> None:
        super().__init__()
        self.url = url
        self.open: list[str] = []
        self.texts: dict[str, str] = {}
        self.sources: list[str] = []
        self.elements: list[str] = []
        self.inline: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.elements.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name in ("src", "href"):
            if value := given.get(name):
                self.sources.append(urljoin(self.url, value))
        if tag == "script" and "src" not in given and given.get("type") != "application/json":
            self.inline.append(tag)
        self.inline += [name for name in given if name.startswith("on") or name == "style"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open[-1]] = self.texts.get(self.open[-1], "") + data

    @property
    def settings(self) -> Any:
        return msgspec.json.decode(self.texts["script"])


def page(app: Hesper, path: str) -> Page:
    found = answer(app, "GET", path)
    assert (found.status, found.header("content-type")) == (200, "text/html; charset=utf-8")
    return Page(found.text, f"http://host{path}")


def config(**options: Any) -> OpenAPIConfig:
    return OpenAPIConfig("T", "1", **options)


APP = make()
EVERY = ["/schema", "/schema/", "/schema/scalar", "/schema/swagger", "/schema/redoc"]
ELEMENTS = ["html", "head", "meta", "meta", "title", "body", "div", "script", "script", "script"]


def test_the_document_as_json_and_as_yaml() -> None:
    as_json = answer(APP, "GET", "/schema/openapi.json")
    assert as_json.header("content-type") == "application/vnd.oai.openapi+json"
    assert as_json.json() == openapi_schema(APP)
    for path in ("/schema/openapi.yaml", "/schema/openapi.yml"):
        as_yaml = answer(APP, "GET", path)
        assert as_yaml.header("content-type") == "application/vnd.oai.openapi"
        assert yaml.safe_load(as_yaml.text) == openapi_schema(APP)


def test_a_document_that_the_client_has_is_not_sent_again() -> None:
    tag = answer(APP, "GET", "/schema/openapi.json").header("etag") or ""
    again = answer(APP, "GET", "/schema/openapi.json", headers=[("if-none-match", tag)])
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("path", EVERY)
def test_a_page_finds_the_document_and_its_scripts(path: str) -> None:
    found = page(APP, path)
    assert urljoin(found.url, found.settings["url"]) == "http://host/schema/openapi.json"
    for source in found.sources:
        if source.startswith("http://host"):
            if source.endswith("start.js"):
                script = answer(APP, "GET", source.removeprefix("http://host"))
                assert script.status == 200
                assert script.header("content-type") == "text/javascript; charset=utf-8"
                assert script.header("x-content-type-options") == "nosniff"
        else:
            assert source.startswith("https://cdn.jsdelivr.net/npm/")


@pytest.mark.parametrize("path", EVERY)
def test_a_page_needs_nothing_inline(path: str) -> None:
    assert page(APP, path).inline == []


@pytest.mark.parametrize("path", EVERY)
def test_nothing_hostile_gets_into_a_page(path: str) -> None:
    found = page(APP, path)
    assert [name for name in found.elements if name != "link"] == ELEMENTS
    assert found.texts["title"] == "Everything </script><script>alert(1)</script>"


HOSTILE = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    [
        "</script>",
        "<!--<script>",
        "]]>",
        '"><img src=x onerror=alert(1)>',
        "\u2028",
        "{title}",
        "\0",
    ]
)


@given(HOSTILE, HOSTILE, HOSTILE)
def test_no_text_breaks_a_page(title: str, option: str, url: str) -> None:
    plugin = SwaggerRenderPlugin(options={"a": option}, js_url=url)
    app = Hesper(openapi_config=OpenAPIConfig(title, option, render_plugins=[plugin]))
    text = answer(app, "GET", "/schema").text
    found = Page(text, "http://host/schema")
    assert [name for name in found.elements if name != "link"] == ELEMENTS
    assert found.settings["options"] == {"a": option}


@given(HOSTILE)
def test_data_is_data(text: str) -> None:
    data = as_data({text: [text]})
    assert not {"<", ">", "&", "\u2028", "\u2029"} & set(data)
    assert msgspec.json.decode(data) == {text: [text]}


def test_what_libraries_are_told() -> None:
    swagger = page(APP, "/schema/swagger")
    assert swagger.settings["initOAuth"] == {"clientId": "</script>"}
    plugin = ScalarRenderPlugin(options={"theme": "moon"}, version="1.2.3", css_url="/own.css")
    found = page(Hesper(openapi_config=config(render_plugins=[plugin])), "/schema")
    assert found.settings["options"] == {"theme": "moon"}
    assert found.sources[:2] == [
        "http://host/own.css",
        "https://cdn.jsdelivr.net/npm/@scalar/api-reference@1.2.3/dist/browser/standalone.js",
    ]
    redirecting = SwaggerRenderPlugin(oauth2_redirect_url="/back")
    found = page(Hesper(openapi_config=config(render_plugins=[redirecting])), "/schema")
    assert found.settings["options"] == {"oauth2RedirectUrl": "/back"}


def test_heads_can_be_added_to() -> None:
    plugin = RedocRenderPlugin(favicon='<link rel="icon" href="/i">', style="<style></style>")
    found = page(Hesper(openapi_config=config(render_plugins=[plugin])), "/schema")
    assert found.sources[0] == "http://host/i"
    assert "style" in found.elements


# Files of one's own


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    """A folder with the files of a library, in another that is nobody's business."""
    folder = tmp_path / "assets"
    (folder / "fonts").mkdir(parents=True)
    (folder / "redoc.standalone.js").write_text("redoc")
    (folder / "fonts" / "a.woff2").write_text("font")
    (folder / ".secret").write_text("secret")
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    return folder


def test_files_of_a_local_folder_are_served(assets: Path) -> None:
    app = Hesper(openapi_config=config(render_plugins=[RedocRenderPlugin(assets=assets)]))
    (library, _start) = page(app, "/schema").sources
    assert library == "http://host/schema/redoc/assets/redoc.standalone.js"
    found = answer(app, "GET", "/schema/redoc/assets/redoc.standalone.js")
    assert (found.status, found.text) == (200, "redoc")
    assert answer(app, "GET", "/schema/redoc/assets/fonts/a.woff2").text == "font"


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "..%2fsecret",
        "fonts/../../secret",
        ".secret",
        "link",
        "missing",
        "fonts",
        "",
        ".",
        "a\0b",
        "/etc/passwd",
        "//etc/passwd",
        "x" * 5_000,
    ],
)
def test_nothing_else_of_the_disk_is_served(assets: Path, name: str) -> None:
    app = Hesper(openapi_config=config(render_plugins=[RedocRenderPlugin(assets=assets)]))
    path = f"/schema/redoc/assets/{name}"
    assert answer(app, "GET", path.replace("\0", "%00")).status == 404
    assert answer(app, "GET", "/schema", path=path).status == 404


def test_without_a_folder_there_are_no_files() -> None:
    assert answer(APP, "GET", "/schema/scalar/assets/standalone.js").status == 404


# Where it is served


def test_a_page_of_one_s_own() -> None:
    class Own(OpenAPIRenderPlugin):
        def __init__(self) -> None:
            super().__init__(path=["/", "/own/page"], media_type="text/plain")

        def render(self, request: Request, openapi_schema: Mapping[str, Any]) -> bytes:
            assert msgspec.json.decode(self.render_json(request, openapi_schema))
            where = self.get_openapi_json_route(request)
            return f"{openapi_schema['info']['title']} {where}".encode()

    app = Hesper(openapi_config=config(render_plugins=[ScalarRenderPlugin(), Own()]))
    assert answer(app, "GET", "/schema").text == "T schema/openapi.json"
    assert answer(app, "GET", "/schema/own/page").text == "T ../openapi.json"
    assert page(app, "/schema/scalar").settings["url"] == "./openapi.json"


def test_the_path_can_be_another() -> None:
    app = Hesper(path="/api", openapi_config=config(path="/docs/v1"))
    assert answer(app, "GET", "/api/docs/v1/openapi.json").status == 200
    found = page(app, "/api/docs/v1")
    assert urljoin(found.url, found.settings["url"]) == "http://host/api/docs/v1/openapi.json"
    assert answer(app, "GET", "/schema").status == 404


def test_without_plugins_there_are_no_pages() -> None:
    app = Hesper(openapi_config=config(render_plugins=[]))
    assert answer(app, "GET", "/schema").status == 404
    assert answer(app, "GET", "/schema/openapi.json").status == 200


def refuse(connection: ASGIConnection, handler: BaseRouteHandler) -> None:
    raise NotAuthorizedException


def test_guards_of_the_app_guard_the_document() -> None:
    app = Hesper(guards=[refuse])
    assert answer(app, "GET", "/schema/openapi.json").status == 401


def test_a_router_of_one_s_own_has_its_options_and_its_path() -> None:
    @get("/note")
    async def note() -> str:
        return "note"

    router = Router("/inside", [note], guards=[refuse])
    app = Hesper(openapi_config=config(openapi_router=router))
    assert answer(app, "GET", "/inside/openapi.json").status == 401
    assert answer(app, "GET", "/inside/note").status == 401
    assert [route.path for route in app.iter_routes()] == ["/inside/note"]
    assert router.route_handlers == (note,)


def test_nothing_but_get_is_answered() -> None:
    assert answer(APP, "POST", "/schema").status == 405
    assert answer(APP, "HEAD", "/schema/openapi.json").body == b""


def test_it_can_be_switched_off() -> None:
    app = Hesper(openapi_config=None)
    assert answer(app, "GET", "/schema").status == 404
    assert answer(app, "GET", "/schema/openapi.json").status == 404


def test_its_routes_are_not_among_the_app_s() -> None:
    assert list(Hesper().iter_routes()) == []
    assert answer(Hesper(), "GET", "/schema").status == 200


@post("/schema")
async def own() -> str:
    return "own"


def test_what_nobody_asked_for_gives_way_to_a_route_of_the_app_s() -> None:
    app = Hesper([own])
    assert answer(app, "POST", "/schema").text == "own"
    assert answer(app, "GET", "/schema/openapi.json").status == 404
    assert openapi_schema(app)["paths"].keys() == {"/schema"}


def test_a_document_that_was_asked_for_stands_beside_other_methods() -> None:
    app = Hesper([own], openapi_config=config())
    assert answer(app, "POST", "/schema").text == "own"
    assert answer(app, "GET", "/schema").status == 200


def test_a_mount_at_the_root_gets_the_rest() -> None:
    async def mounted(scope: Any, receive: Any, send: Any) -> None:
        await Response("mounted")(scope, receive, send)

    app = Hesper([mount("/", mounted)])
    assert answer(app, "GET", "/elsewhere").text == "mounted"


def test_an_app_whose_guards_cannot_be_called_has_no_document_that_nobody_asked_for() -> None:
    def keyed(
        connection: ASGIConnection, handler: BaseRouteHandler, tenant: dict[str, int]
    ) -> None: ...

    assert answer(Hesper(guards=[keyed]), "GET", "/schema").status == 404
    with pytest.raises(ConfigurationError, match="takes 'tenant'"):
        Hesper(guards=[keyed], openapi_config=config())


@get("/one")
async def one() -> None: ...


@pytest.mark.parametrize("root_path", ["/inner", "/inner/"])
def test_an_app_below_a_path_says_so(root_path: str) -> None:
    inner = Hesper([one])

    async def below(scope: Scope, receive: Receive, send: Send) -> None:
        await inner(cast("Scope", {**scope, "root_path": root_path}), receive, send)

    found = answer(below, "GET", "/schema/openapi.json")
    assert found.json() == {**openapi_schema(inner), "servers": [{"url": "/inner"}]}
    tag = answer(inner, "GET", "/schema/openapi.json").header("etag")
    assert found.header("etag") != tag


def test_a_mounted_app_says_where_it_is() -> None:
    outer = Hesper([mount("/a b", Hesper([one]))])
    found = answer(outer, "GET", "/a%20b/schema/openapi.json").json()
    assert found["servers"] == [{"url": "/a%20b"}]
    as_yaml = answer(outer, "GET", "/a%20b/schema/openapi.yaml")
    assert yaml.safe_load(as_yaml.text) == found
    placed = Hesper([one], openapi_config=config(servers=[Server("https://api.example")]))
    outer = Hesper([mount("/inner", placed)])
    found = answer(outer, "GET", "/inner/schema/openapi.json").json()
    assert found["servers"] == [{"url": "https://api.example"}]


def test_a_page_without_a_path_is_an_error_at_once() -> None:
    with pytest.raises(TypeError, match="a page needs a path"):
        ScalarRenderPlugin(path=[])
