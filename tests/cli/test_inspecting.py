from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.calling import invoke, piped

Write = Callable[[str, str], None]

APP = """
from contextlib import asynccontextmanager
from hesper import Hesper, get, mount, post, websocket

print("imported")

@get("/books", name="books")
async def books() -> list[str]: ...

@post("/books")
async def add(data: dict[str, int]) -> None: ...

@websocket("/talk")
async def talk(socket: object) -> None: ...

async def other(scope: object, receive: object, send: object) -> None: ...

class Plugin:
    def on_app_init(self, config: object) -> object:
        return config

@asynccontextmanager
async def database(app: Hesper):
    yield

async def warm_up() -> None: ...

app = Hesper(
    [books, add, talk, mount("/other", other)],
    lifespan=[database],
    on_startup=[warm_up],
    plugins=[Plugin()],
)
"""


def test_routes_are_listed(write: Write) -> None:
    write("main.py", APP)
    assert invoke("routes").stdout.splitlines() == [
        "GET        /books  main.books",
        "POST       /books  main.add",
        "WEBSOCKET  /talk   main.talk",
        "MOUNT      /other  main.other",
    ]


def test_what_the_app_prints_is_no_part_of_the_list(write: Write) -> None:
    write("main.py", APP)
    result = invoke("routes", "--json")
    assert [route["path"] for route in json.loads(result.stdout)] == [
        "/books", "/books", "/talk", "/other",
    ]  # fmt: skip
    assert result.stderr == "imported\n"


def test_routes_are_listed_with_their_generated_source(write: Write) -> None:
    write("main.py", APP)
    assert "async def endpoint" in invoke("routes", "--source").stdout
    listed = json.loads(invoke("routes", "--source", "--json").stdout)
    assert all("async def" in route["source"] for route in listed)


def test_an_app_without_routes_has_none_to_list(write: Write) -> None:
    write("main.py", "from hesper import Hesper\napp = Hesper()")
    assert invoke("routes").stdout == "no routes\n"
    assert json.loads(invoke("routes", "--json").stdout) == []


def test_a_route_is_explained(write: Write) -> None:
    write("main.py", APP)
    result = invoke("explain", "get", "/books?page=2")
    assert result.exit_code == 0
    assert result.stdout.startswith("GET /books: GET /books\n")
    assert "main.books" in result.stdout


def test_the_source_of_a_route_is_shown_alone(write: Write) -> None:
    write("main.py", APP)
    source = invoke("explain", "GET", "/books", "--source").stdout
    compile(source, "<source>", "exec")


def test_what_no_route_takes_is_explained_with_status_1(write: Write) -> None:
    write("main.py", APP)
    for method, path, status in [("GET", "/nothing", "404"), ("PUT", "/books", "405")]:
        result = invoke("explain", method, path)
        assert result.exit_code == 1
        assert status in result.stdout.splitlines()[0]
        assert invoke("explain", method, path, "--source").stdout == result.stdout


def test_what_hesper_answers_itself_is_no_failure(write: Write) -> None:
    write("main.py", APP)
    assert invoke("explain", "OPTIONS", "/books").exit_code == 0
    assert invoke("explain", "HEAD", "/books").exit_code == 0


def test_an_app_in_order_is_reported_with_status_0(write: Write) -> None:
    write("main.py", APP)
    result = piped("check")
    assert result.returncode == 0
    assert result.stdout.endswith("main:app is in order: 4 routes.\n")


WRONG = """
from hesper import Hesper, get

@get("/one")
async def one(data: object) -> None: ...

@get("/two")
async def two() -> None: ...

app = Hesper([one, two, two])
"""


def test_every_error_of_the_configuration_is_reported_at_once(write: Write) -> None:
    write("main.py", WRONG)
    result = piped("check")
    assert result.returncode == 1
    assert result.stdout == ""
    assert "1. GET /one (main.one): 'data' is the body" in result.stderr
    assert "GET /two is declared twice" in result.stderr
    assert "Traceback" not in result.stderr


LATE = """
from hesper import Hesper, get

def broken(app: object) -> object:
    raise ValueError("no such cache")

@get("/one", middleware=[broken])
async def one() -> None: ...

@get("/two", middleware=[broken])
async def two() -> None: ...

@get("/three")
async def three() -> None: ...

app = Hesper([one, two, three])
"""


def test_what_shows_only_when_endpoints_are_compiled_is_reported_too(write: Write) -> None:
    write("main.py", LATE)
    result = piped("check")
    assert result.returncode == 1
    assert result.stderr == (
        "Error: The app cannot serve all of its routes:\n"
        "  GET /one: ValueError: no such cache\n"
        "  GET /two: ValueError: no such cache\n"
    )


SAME = """
from hesper import Hesper, get

@get("/one", operation_id="same")
async def one() -> None: ...

@get("/two", operation_id="same")
async def two() -> None: ...

app = Hesper([one, two], openapi_config=None)
documented = Hesper([one, two])
"""


def test_a_document_that_cannot_be_written_is_reported_if_there_is_to_be_one(write: Write) -> None:
    write("main.py", SAME)
    assert piped("check").returncode == 0
    result = piped("check", "--app", "main:documented")
    assert result.returncode == 1
    assert "the OpenAPI document: ConfigurationError" in result.stderr
    assert "GET /two: the operation_id 'same' is that of main.one, too" in result.stderr


def test_info_tells_versions_settings_and_what_the_app_consists_of(write: Write) -> None:
    write("main.py", APP)
    write(".env", "HESPER_RUN_HOST=0.0.0.0")
    write("pyproject.toml", "[tool.hesper.run]\nport = 9000")
    result = invoke("info", "--app", "main")
    assert {tuple(line.split(maxsplit=1)) for line in result.stdout.splitlines()} >= {
        ("hesper", "0.1.0"),
        ("app", "main, from the command line"),
        ("app-dir", str(Path.cwd())),
        ("place", "main:app"),
        ("file", str(Path.cwd() / "main.py")),
        ("class", "hesper.app.Hesper"),
        ("routes", "2 HTTP, 1 websocket, 1 mounted"),
        ("plugins", "Plugin"),
    }
    text = " ".join(result.stdout.split())
    assert "run --host 0.0.0.0, from HESPER_RUN_HOST in .env" in text
    assert "run --port 9000, from pyproject.toml" in text
    assert "to start the lifespan manager main.database the start-up hook main.warm_up" in text


def test_info_tells_what_it_can_without_an_app(write: Write) -> None:
    result = invoke("info")
    assert result.exit_code == 2
    assert "searched for" in result.stdout
    assert "No app was found" in result.stderr


def test_info_tells_what_is_not_installed(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("main.py", APP)
    monkeypatch.setattr("hesper.cli.facts._PACKAGES", ("hesper", "a-package-that-is-nowhere"))
    assert "a-package-that-is-nowhere  not installed" in invoke("info").stdout
