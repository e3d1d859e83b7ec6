"""`app.override`: a new app with other providers; the original stays as it is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hesper import Hesper, Lifetime, Provide, Request, Response, Router, get, websocket
from hesper.background_tasks import background
from hesper.exceptions import ConfigurationError, LifespanNotStarted
from hesper.testing import TestClient
from tests.asgi_driver import answer
from tests.lifetimes.kinds import LIFETIMES, Log, opens


class Client:
    name = "client"


class Fake:
    """Stands in for a client without being one."""

    name = "fake"


async def make_client() -> Client:
    return Client()


async def make_fake() -> Fake:
    return Fake()


@get("/")
async def show(client: Client) -> str:
    return client.name


every_lifetime = pytest.mark.parametrize("lifetime", LIFETIMES)


def app_with(lifetime: Lifetime = Lifetime.CALL, key: Any = "client") -> Hesper:
    return Hesper([show], dependencies={key: Provide(make_client, lifetime=lifetime)})


def text(app: Hesper) -> str:
    with TestClient(app) as client:
        return client.get("/").text


@pytest.mark.parametrize("key", ["client", Client])
@every_lifetime
def test_a_value_takes_the_providers_place(lifetime: Lifetime, key: Any) -> None:
    app = app_with(lifetime, key)
    overridden = app.override({key: Fake()})
    assert text(overridden) == "fake"
    assert text(app) == "client"


@pytest.mark.parametrize("other", LIFETIMES)
@pytest.mark.parametrize("key", ["client", Client])
@every_lifetime
def test_a_provider_takes_the_providers_place(
    lifetime: Lifetime, key: Any, other: Lifetime
) -> None:
    app = app_with(lifetime, key)
    overridden = app.override({key: Provide(make_fake, lifetime=other)})
    assert text(overridden) == "fake"
    assert text(app) == "client"


@every_lifetime
def test_a_provider_is_opened_and_closed_as_its_lifetime_says(lifetime: Lifetime) -> None:
    log: Log = []

    @get("/")
    async def handle(value: str) -> str:
        log.append("handler")
        return value

    app = Hesper([handle], dependencies={"value": opens([], "original", lifetime)})
    overridden = app.override({"value": opens(log, "value", lifetime)})
    assert text(overridden) == "value"
    assert log == ["+value", "handler", "-value"]


def test_a_function_is_a_value_and_is_not_called() -> None:
    @get("/")
    async def handle(now: Any) -> str:
        return str(now())

    app = Hesper([handle], dependencies={"now": lambda: lambda: "now"})
    assert answer(app.override({"now": lambda: "then"}), "GET", "/").text == "then"


@pytest.mark.parametrize("value", [None, 0, False, [], {}, ()])
def test_a_value_that_is_false_is_a_value(value: Any) -> None:
    @get("/")
    async def handle(value: Any) -> str:
        return repr(value)

    app = Hesper([handle], dependencies={"value": lambda: "original"})
    assert answer(app.override({"value": value}), "GET", "/").text == repr(value)


def test_what_depends_on_it_is_made_of_the_replacement_and_the_rest_is_shared() -> None:
    log: Log = []

    async def pool(settings: str) -> AsyncIterator[str]:
        log.append(f"+pool of {settings}")
        yield f"pool of {settings}"
        log.append("-pool")

    async def session(pool: str, unrelated: str) -> str:
        return f"session of {pool} and {unrelated}"

    @get("/")
    async def handle(session: str) -> str:
        return session

    app = Hesper(
        [handle],
        dependencies={
            "settings": Provide(lambda: "real", lifetime=Lifetime.LIFESPAN),
            "pool": Provide(pool, lifetime=Lifetime.LIFESPAN),
            "unrelated": opens(log, "unrelated", Lifetime.LOOP),
            "session": session,
        },
    )
    overridden = app.override({"settings": "fake"})
    with TestClient(app) as one, TestClient(overridden) as other:
        assert one.get("/").text == "session of pool of real and unrelated"
        assert other.get("/").text == "session of pool of fake and unrelated"
    assert log.count("+pool of real") == log.count("+pool of fake") == 1


def test_every_layers_provider_of_that_key_is_replaced() -> None:
    @get("/")
    async def handle(place: str) -> str:
        return place

    @get("/own", dependencies={"place": lambda: "handler"})
    async def own(place: str) -> str:
        return place

    app = Hesper(
        [Router("/r", [handle, own], dependencies={"place": lambda: "router"}), handle],
        dependencies={"place": lambda: "app"},
    )
    overridden = app.override({"place": "everywhere"})
    for path, name in {"/": "app", "/r": "router", "/r/own": "handler"}.items():
        assert answer(app, "GET", path).text == name
        assert answer(overridden, "GET", path).text == "everywhere"


def test_an_inner_layers_own_key_alone_is_replaced() -> None:
    @get("/")
    async def handle(place: str) -> str:
        return place

    app = Hesper([Router("/r", [handle], dependencies={"place": lambda: "router"})])
    assert answer(app.override({"place": "other"}), "GET", "/r").text == "other"


def test_overriding_again_replaces_or_adds() -> None:
    @get("/")
    async def handle(one: str, other: str) -> list[str]:
        return [one, other]

    app = Hesper([handle], dependencies={"one": lambda: "a", "other": lambda: "b"})
    first = app.override({"one": "A"})
    second = first.override({"other": "B"})
    third = second.override({"one": "again"})
    found = [answer(each, "GET", "/").json() for each in (app, first, second, third)]
    assert found == [["a", "b"], ["A", "b"], ["A", "B"], ["again", "B"]]


def test_hooks_guards_late_hooks_background_and_websockets_see_it() -> None:
    seen: list[str] = []

    def guard(connection: object, handler: object, client: Client) -> None:
        seen.append(f"guard {client.name}")

    async def before(request: Request, client: Client) -> None:
        seen.append(f"before {client.name}")

    async def after(request: Request, client: Client) -> None:
        seen.append(f"after {client.name}")

    async def work(client: Client) -> None:
        seen.append(f"work {client.name}")

    def recover(request: Request, error: Exception, client: Client) -> str:
        return f"recovered with {client.name}"

    def prepare(client: Client) -> None:
        seen.append(f"prepare {client.name}")

    @asynccontextmanager
    async def manager(client: Client) -> AsyncIterator[None]:
        seen.append(f"manager {client.name}")
        yield

    def clean(client: Client) -> None:
        seen.append(f"clean {client.name}")

    @get("/", guards=[guard], before_request=before, after_response=after)
    async def handle() -> Response[str]:
        return Response("", background=background(work))

    @get("/fails")
    async def fails() -> None:
        raise LookupError

    @websocket("/live")
    async def talk(socket: Any, client: Client) -> None:
        await socket.accept()
        await socket.send_text(client.name)

    app = Hesper(
        [handle, fails, talk],
        dependencies={"client": Provide(make_client, lifetime=Lifetime.LOOP)},
        exception_handlers={LookupError: recover, 404: recover},
        lifespan=manager,
        on_startup=prepare,
        on_shutdown=clean,
    )
    provide = Provide(make_fake, lifetime=Lifetime.LOOP)
    with TestClient(app.override({"client": provide})) as client:
        client.get("/")
        assert client.get("/fails").text == "recovered with fake"
        assert client.get("/nowhere").text == "recovered with fake"
        with client.websocket_connect("/live") as socket:
            assert socket.receive_text() == "fake"
    assert seen == [
        *["manager fake", "prepare fake", "guard fake", "before fake", "after fake", "work fake"],
        "clean fake",
    ]


@every_lifetime
def test_resolving_finds_the_replacement(lifetime: Lifetime) -> None:
    @get("/")
    async def handle(request: Request) -> str:
        return str((await request.resolve("client")).name)

    if lifetime is Lifetime.CALL:
        return
    app = Hesper([handle], dependencies={"client": Provide(make_client, lifetime=lifetime)})
    assert text(app.override({"client": Provide(make_fake, lifetime=lifetime)})) == "fake"
    assert text(app.override({"client": Fake()})) == "fake"
    assert text(app) == "client"


def test_an_unknown_key_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(ConfigurationError) as raised:
        app_with().override({"cleint": 1, "other": 2, bytes: 3})
    with pytest.raises(ConfigurationError, match=r"'Clent'; did you mean 'Client'\?"):
        app_with(key=Client).override({"Clent": 1})
    assert list(raised.value.problems) == [
        "override: no layer provides the dependency 'cleint'; did you mean 'client'?",
        "override: no layer provides the dependency 'other'",
        "override: no layer provides the dependency 'bytes'",
    ]


def test_a_replacement_that_does_not_fit_is_an_error_with_its_route() -> None:
    async def user(request: Request) -> str:
        return ""

    async def session(user: str) -> str:
        return ""

    @get("/")
    async def handle(session: str) -> None: ...

    app = Hesper(
        [handle],
        dependencies={
            "user": Provide(lambda: "", lifetime=Lifetime.LIFESPAN),
            "session": Provide(session, lifetime=Lifetime.LIFESPAN),
        },
    )
    with pytest.raises(ConfigurationError) as raised:
        app.override({"user": Provide(user)})
    problem = raised.value.problems[0]
    assert problem.startswith("GET /")
    assert "'session' (application, Lifetime.LIFESPAN) takes 'user' (application" in problem


def test_a_replacement_without_anything_to_start_needs_no_lifespan() -> None:
    app = app_with(Lifetime.LIFESPAN)
    with pytest.raises(LifespanNotStarted):
        answer(app, "GET", "/")
    with pytest.raises(LifespanNotStarted):
        answer(app.override({"client": Fake()}), "GET", "/")
    provide = Provide(make_fake)
    assert answer(app.override({"client": provide}), "GET", "/").text == "fake"


def test_a_kept_value_is_replaced_too() -> None:
    app = Hesper([show], dependencies={"client": Provide(make_client, use_cache=True)})
    assert text(app.override({"client": Fake()})) == "fake"
    assert text(app.override({"client": Provide(make_fake, use_cache=True)})) == "fake"
    assert text(app) == "client"


def test_both_apps_run_at_once_on_two_loops() -> None:
    app = app_with(Lifetime.LIFESPAN)
    apps = [app, app.override({"client": Fake()})]
    both = threading.Barrier(2, timeout=10)
    found: dict[int, str] = {}

    async def run(index: int) -> None:
        async with apps[index].lifespan() as lifespan, lifespan.client() as client:
            await asyncio.to_thread(both.wait)
            found[index] = (await client.get("/")).text
            await asyncio.to_thread(both.wait)

    threads = [threading.Thread(target=asyncio.run, args=(run(index),)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {0: "client", 1: "fake"}


def test_the_new_app_is_of_the_same_class_and_has_the_same_options() -> None:
    class Mine(Hesper): ...

    app = Mine([show], dependencies={"client": make_client}, state={"size": 1}, debug=True)
    overridden = app.override({"client": Fake()})
    assert type(overridden) is Mine
    assert overridden.debug is True
    assert overridden.state.size == 1
    assert overridden is not app


def test_overriding_nothing_gives_an_app_like_it() -> None:
    app = app_with()
    overridden = app.override({})
    assert overridden is not app
    assert text(overridden) == "client"
