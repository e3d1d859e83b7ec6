"""What fails while a lifespan starts or stops, and what is closed all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from hesper import Hesper, get
from hesper.exceptions import LifespanNotStarted
from hesper.handlers import mount
from hesper.lifespan import MountedAppFailed, Phase
from tests.asgi_driver import serve
from tests.lifespan.journal import Journal, RefusalError, leaves, notes

pytestmark = pytest.mark.anyio

NAMES = ["a", "b", "c"]
EXITS = ["exit c", "exit b", "exit a"]


@pytest.mark.parametrize("place", range(3))
async def test_the_managers_before_one_that_cannot_be_entered_are_exited(place: int) -> None:
    journal = Journal()
    error = RefusalError()
    failing = NAMES[place]
    app = Hesper(
        lifespan=[journal.manager(n, enters=error if n == failing else None) for n in NAMES],
        on_startup=journal.hook("up"),
        on_shutdown=journal.hook("down"),
    )
    lifespan = app.lifespan()
    with pytest.raises(RefusalError) as caught:
        await lifespan.start()
    assert caught.value is error
    assert notes(error) == (
        f"raised when the lifespan manager tests.lifespan.journal.{failing} was entered"
    )
    assert journal == [f"enter {name}" for name in NAMES[: place + 1]] + EXITS[3 - place :]
    assert lifespan.phase is Phase.FAILED


@pytest.mark.parametrize("place", range(3))
async def test_all_is_closed_after_a_start_up_hook_that_fails(place: int) -> None:
    journal = Journal()
    error = RefusalError()
    hooks = [
        (journal.hook if n % 2 else journal.async_hook)(
            f"up {n}", fails=error if n == place else None
        )
        for n in range(3)
    ]
    app = Hesper(
        [mount("/app", journal.app("app"))],
        lifespan=[journal.manager(name) for name in NAMES],
        on_startup=hooks,
        on_shutdown=[journal.hook("down 1"), journal.hook("down 2")],
    )
    with pytest.raises(RefusalError) as caught:
        await app.lifespan().start()
    assert notes(caught.value) == f"raised by the start-up hook tests.lifespan.journal.up {place}"
    assert journal == [
        *(f"enter {name}" for name in NAMES),
        *(f"up {n}" for n in range(place + 1)),
        *EXITS,
        "down 1",
        "down 2",
    ]


@pytest.mark.parametrize("place", range(3))
async def test_the_mounted_apps_before_one_that_cannot_start_are_stopped(place: int) -> None:
    journal = Journal()
    answers = ["failed" if n == place else "complete" for n in range(3)]
    app = Hesper(
        [mount(f"/{n}", journal.app(n, starts=a)) for n, a in zip(NAMES, answers, strict=True)],
        lifespan=journal.manager("m"),
        on_shutdown=journal.hook("down"),
    )
    failing = NAMES[place]
    message = f"the startup of the app mounted at /{failing} failed: {failing} cannot start"
    with pytest.raises(MountedAppFailed, match=message):
        await app.lifespan().start()
    assert journal == [
        "enter m",
        *(f"start {name}" for name in NAMES[: place + 1]),
        *(f"stop {name}" for name in reversed(NAMES[:place])),
        "exit m",
        "down",
    ]


async def test_shutdown_hooks_do_not_run_before_a_start_up_hook_has_begun() -> None:
    journal = Journal()
    app = Hesper(
        lifespan=journal.manager("a", enters=RefusalError()),
        on_startup=journal.hook("up"),
        on_shutdown=journal.hook("down"),
    )
    with pytest.raises(RefusalError):
        await app.lifespan().start()
    assert journal == ["enter a"]


@pytest.mark.parametrize("place", range(3))
async def test_all_managers_are_exited_whichever_fails_to(place: int) -> None:
    journal = Journal()
    error = RefusalError()
    failing = NAMES[place]
    app = Hesper(
        lifespan=[journal.manager(n, exits=error if n == failing else None) for n in NAMES],
        on_shutdown=journal.hook("down"),
    )
    lifespan = app.lifespan()
    await lifespan.start()
    journal.clear()
    with pytest.raises(RefusalError) as caught:
        await lifespan.stop()
    assert caught.value is error
    assert notes(error) == (
        f"raised when the lifespan manager tests.lifespan.journal.{failing} was exited"
    )
    assert journal == [*EXITS, "down"]
    assert lifespan.phase is Phase.CLOSED


@pytest.mark.parametrize("place", range(3))
async def test_all_shutdown_hooks_run_whichever_fails(place: int) -> None:
    journal = Journal()
    app = Hesper(
        on_shutdown=[
            (journal.hook if n % 2 else journal.async_hook)(
                f"down {n}", fails=RefusalError() if n == place else None
            )
            for n in range(3)
        ]
    )
    lifespan = app.lifespan()
    await lifespan.start()
    with pytest.raises(RefusalError) as caught:
        await lifespan.stop()
    assert notes(caught.value) == f"raised by the shutdown hook tests.lifespan.journal.down {place}"
    assert journal == ["down 0", "down 1", "down 2"]


async def test_a_mounted_app_that_cannot_stop_keeps_no_other_from_it() -> None:
    journal = Journal()
    app = Hesper(
        [
            mount("/a", journal.app("a")),
            mount("/b", journal.app("b", stops="failed")),
            mount("/c", journal.app("c")),
        ],
        lifespan=journal.manager("m"),
    )
    lifespan = app.lifespan()
    await lifespan.start()
    journal.clear()
    with pytest.raises(MountedAppFailed, match="the shutdown of the app mounted at /b failed"):
        await lifespan.stop()
    assert journal == ["stop c", "stop b", "stop a", "exit m"]


async def test_all_that_fails_while_stopping_comes_out_in_one_group() -> None:
    journal = Journal()
    errors = [RefusalError("a"), RefusalError("b"), RefusalError("down")]
    app = Hesper(
        [mount("/app", journal.app("app", stops="failed"))],
        lifespan=[journal.manager("a", exits=errors[0]), journal.manager("b", exits=errors[1])],
        on_shutdown=[journal.hook("down", fails=errors[2]), journal.hook("after")],
    )
    lifespan = app.lifespan()
    await lifespan.start()
    with pytest.raises(ExceptionGroup, match="several places") as caught:
        await lifespan.stop()
    mounted, *others = caught.value.exceptions
    assert isinstance(mounted, MountedAppFailed)
    assert others == [errors[1], errors[0], errors[2]]
    assert all(notes(error) for error in others)
    assert journal[-4:] == ["exit b", "exit a", "down", "after"]


async def test_what_fails_while_a_failed_start_is_unwound_comes_out_with_what_failed_first() -> (
    None
):
    journal = Journal()
    first, second, third = RefusalError("up"), RefusalError("exit"), RefusalError("down")
    app = Hesper(
        lifespan=[journal.manager("a", exits=second), journal.manager("b")],
        on_startup=journal.hook("up", fails=first),
        on_shutdown=journal.hook("down", fails=third),
    )
    with pytest.raises(ExceptionGroup) as caught:
        await app.lifespan().start()
    assert caught.value.exceptions == (first, second, third)
    assert journal == ["enter a", "enter b", "up", "exit b", "exit a", "down"]


async def test_an_error_in_the_block_and_one_while_stopping_come_out_together() -> None:
    journal = Journal()
    inside, exiting = RefusalError("inside"), RefusalError("exit")
    app = Hesper(lifespan=journal.manager("a", exits=exiting))
    with pytest.raises(ExceptionGroup) as caught:
        async with app.lifespan():
            raise inside
    assert caught.value.exceptions == (inside, exiting)


async def test_an_error_in_the_block_comes_out_as_it_is_when_all_else_goes_well() -> None:
    journal = Journal()
    inside = RefusalError("inside")
    with pytest.raises(RefusalError) as caught:
        async with Hesper(lifespan=journal.manager("a")).lifespan():
            raise inside
    assert caught.value is inside
    assert journal == ["enter a", "exit a"]


async def test_a_manager_cannot_swallow_the_failure_of_a_start() -> None:
    @asynccontextmanager
    async def swallowing() -> AsyncIterator[None]:
        with suppress(BaseException):  # the worst that a manager can do
            yield

    app = Hesper(lifespan=swallowing, on_startup=Journal().hook("up", fails=RefusalError()))
    with pytest.raises(RefusalError):
        await app.lifespan().start()


async def test_a_manager_that_yields_twice_is_an_error() -> None:
    @asynccontextmanager
    async def twice() -> AsyncIterator[None]:
        yield
        yield

    with pytest.raises(RuntimeError, match="didn't stop") as caught:
        async with Hesper(lifespan=twice).lifespan():
            pass
    assert "twice was exited" in notes(caught.value)


async def test_a_manager_that_does_not_yield_is_an_error() -> None:
    @asynccontextmanager
    async def never() -> AsyncIterator[None]:
        if notes(RefusalError()):
            yield

    with pytest.raises(RuntimeError, match="didn't yield") as caught:
        await Hesper(lifespan=never).lifespan().start()
    assert "never was entered" in notes(caught.value)


async def test_a_hook_that_exits_the_program_is_unwound_first() -> None:
    journal = Journal()
    app = Hesper(
        lifespan=journal.manager("a"),
        on_startup=journal.hook("up", fails=GeneratorExit("not an Exception")),
    )
    with pytest.raises(GeneratorExit):
        await app.lifespan().start()
    assert journal == ["enter a", "up", "exit a"]


async def test_an_app_whose_start_failed_serves_nothing() -> None:
    @get("/", sync_to_thread=False)
    def index() -> str:
        return "served"

    app = Hesper([index], on_startup=Journal().hook("up", fails=RefusalError()))
    with pytest.raises(RefusalError):
        await app.lifespan().start()
    with pytest.raises(LifespanNotStarted):
        await serve(app, "GET", "/")


async def test_an_app_whose_start_failed_can_be_started_again() -> None:
    attempts: list[int] = []

    def hook() -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise RefusalError

    app = Hesper(on_startup=hook)
    with pytest.raises(RefusalError):
        await app.lifespan().start()
    async with app.lifespan() as lifespan:
        assert lifespan.phase is Phase.READY


async def test_one_error_raised_twice_is_reported_twice() -> None:
    journal = Journal()
    error = RefusalError()
    app = Hesper(on_shutdown=[journal.hook("a", fails=error), journal.hook("b", fails=error)])
    with pytest.raises(ExceptionGroup) as caught:
        async with app.lifespan():
            pass
    assert list(leaves(caught.value)) == [error, error]
