"""What hooks and managers may be, and what they are given."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from types import TracebackType
from typing import Any, Protocol, Self

import pytest

from hesper import Hesper, Lifespan
from hesper.datastructures import ImmutableState, State
from hesper.exceptions import ConfigurationError
from tests.lifespan.journal import Journal, leaves, notes

pytestmark = pytest.mark.anyio


class Shop(State):
    """A state of the user's, with an attribute and a method."""

    price: int

    def twice(self) -> int:
        return 2 * self.price


class Recorder:
    """Hooks of every form; each writes down what it was given."""

    def __init__(self) -> None:
        self.given: list[object] = []

    def method(self, app: Hesper) -> None:
        self.given.append(app)

    async def async_method(self, app: Hesper) -> None:
        await asyncio.sleep(0)
        self.given.append(app)

    def __call__(self, app: Hesper) -> Any:
        self.given.append(app)

    def labelled(self, label: str, app: Hesper) -> None:
        self.given.append(app)


class AsyncCallable(Recorder):
    def __call__(self, app: Hesper) -> Any:
        return self.async_method(app)


def function_of(recorder: Recorder) -> Callable[..., object]:
    def hook(app: Hesper) -> None:
        recorder.given.append(app)

    return hook


def coroutine_function_of(recorder: Recorder) -> Callable[..., object]:
    async def hook(app: Hesper) -> None:
        await asyncio.sleep(0)
        recorder.given.append(app)

    return hook


def deferring_function_of(recorder: Recorder) -> Callable[..., object]:
    def hook(app: Hesper) -> Awaitable[None]:
        return recorder.async_method(app)

    return hook


FORMS: dict[str, Callable[[Recorder], Callable[..., object]]] = {
    "function": function_of,
    "coroutine function": coroutine_function_of,
    "function that returns an awaitable": deferring_function_of,
    "method": lambda recorder: recorder.method,
    "async method": lambda recorder: recorder.async_method,
    "callable instance": lambda recorder: recorder,
    "async callable instance": lambda recorder: recorder,
    "partial": lambda recorder: partial(recorder.labelled, "label"),
    "partial by keyword": lambda recorder: partial(recorder.labelled, label="label"),
    "partial of an async method": lambda recorder: partial(recorder.async_method),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("several", [False, True], ids=["one", "a list"])
async def test_a_hook_of_any_form_is_given_the_app(form: str, several: bool) -> None:
    recorder = AsyncCallable() if form.startswith("async callable") else Recorder()
    hook = FORMS[form](recorder)
    hooks = [hook, hook] if several else hook
    app = Hesper(on_startup=hooks, on_shutdown=hooks)
    async with app.lifespan():
        assert recorder.given == [app] * (2 if several else 1)
    assert recorder.given == [app] * (4 if several else 2)


async def given_to(hook: Callable[..., object], **options: Any) -> tuple[Hesper, Lifespan]:
    app = Hesper(on_startup=hook, **options)
    async with app.lifespan() as lifespan:
        pass
    return app, lifespan


async def test_a_hook_may_take_nothing() -> None:
    given: list[str] = []
    await given_to(lambda: given.append("nothing"))
    assert given == ["nothing"]


async def test_the_app_may_have_any_name_as_the_first_argument() -> None:
    given: list[object] = []

    def hook(_: Hesper) -> None:
        given.append(_)

    app, _ = await given_to(hook)
    assert given == [app]


class HasState(Protocol):
    @property
    def state(self) -> Any: ...


async def test_the_app_may_be_annotated_with_anything_that_it_is() -> None:
    given: list[object] = []

    def as_object(_: object) -> None:
        given.append(_)

    def as_protocol(_: HasState) -> None:
        given.append(_)

    app = Hesper(on_startup=[as_object, as_protocol])
    async with app.lifespan():
        assert given == [app, app]


async def test_what_has_a_default_is_left_alone() -> None:
    given: list[object] = []

    def hook(app: Hesper, retries: int = 3) -> None:
        given.append((app, retries))

    app, _ = await given_to(hook)
    assert given == [(app, 3)]


async def test_a_hook_may_take_app_state_and_lifespan_in_any_order() -> None:
    given: list[object] = []

    def hook(state: State, lifespan: Lifespan, app: Hesper) -> None:
        given.extend([state.dict(), lifespan, app])

    app, lifespan = await given_to(hook, state={"a": 1})
    assert given == [{"a": 1}, lifespan, app]


async def test_a_hook_may_take_them_by_keyword_only() -> None:
    given: list[object] = []

    def hook(*, state: State, app: Hesper) -> None:
        given.extend([state.a, app])

    app, _ = await given_to(hook, state={"a": 1})
    assert given == [1, app]


async def test_a_hook_gets_the_state_as_the_class_it_names() -> None:
    given: list[int] = []

    def hook(shop: Shop) -> None:
        shop.price = 4
        given.append(shop.twice())

    app = Hesper(on_startup=hook)
    async with app.lifespan():
        assert app.state.price == 4
    assert given == [8]


async def test_a_hook_that_names_an_immutable_state_cannot_write() -> None:
    def hook(state: ImmutableState) -> None:
        state.a = 2  # type: ignore[assignment]  # pyright: ignore  # that is the point

    with pytest.raises(AttributeError, match="refuses writes"):
        await given_to(hook, state={"a": 1})


async def test_a_hook_that_names_a_state_without_annotation_gets_a_state() -> None:
    given: list[object] = []
    await given_to(lambda state: given.append(type(state)))
    assert given == [State]


@asynccontextmanager
async def of_nothing() -> AsyncIterator[dict[str, str]]:
    yield {"given": "nothing"}


@asynccontextmanager
async def of_the_app(app: Hesper) -> AsyncIterator[None]:
    app.state.given = "app"
    yield


@asynccontextmanager
async def of_the_state(state: Shop) -> AsyncIterator[None]:
    state.given = "state"
    yield


class Manager:
    """A class of context managers that are made of the app."""

    def __init__(self, app: Hesper) -> None:
        self.app = app

    async def __aenter__(self) -> Self:
        self.app.state.given = "app, a class"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


@pytest.mark.parametrize(
    ("manager", "given"),
    [
        (of_nothing, "nothing"),
        (of_the_app, "app"),
        (of_the_state, "state"),
        (Manager, "app, a class"),
        (partial(Manager), "app, a class"),
    ],
)
async def test_a_manager_is_made_anew_for_every_lifespan(manager: Any, given: str) -> None:
    app = Hesper(lifespan=manager)
    for _ in range(3):
        async with app.lifespan():
            assert app.state.given == given


class Reentrant:
    """A context manager that can be entered any number of times."""

    open = 0

    async def __aenter__(self) -> None:
        self.open += 1

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.open -= 1


async def test_a_manager_object_that_can_be_entered_again_is() -> None:
    manager = Reentrant()
    app = Hesper(lifespan=manager)
    async with app.lifespan(), app.lifespan():
        assert manager.open == 2
    async with app.lifespan():
        assert manager.open == 1
    assert manager.open == 0


class Bare:
    """A manager object without any room beside its own."""

    __slots__ = ("journal",)

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    async def __aenter__(self) -> None:
        self.journal.append("enter")

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.journal.append("exit")


async def test_a_manager_object_that_cannot_be_referred_to_weakly_is_exited_too() -> None:
    journal = Journal()
    async with Hesper(lifespan=[Bare(journal)]).lifespan():
        pass
    assert journal == ["enter", "exit"]


async def test_a_manager_object_that_is_used_up_is_told_apart_by_name() -> None:
    app = Hesper(lifespan=[of_nothing()])
    async with app.lifespan():
        pass
    with pytest.raises(
        RuntimeError, match=re.escape("of_nothing() was entered by an earlier lifespan")
    ) as caught:
        await app.lifespan().start()
    assert "give the app the function that makes it" in str(caught.value)
    assert "of_nothing" in notes(caught.value)


async def test_a_manager_object_that_another_app_used_up_is_told_apart_too() -> None:
    manager = of_nothing()
    async with Hesper(lifespan=[manager]).lifespan():
        pass
    with pytest.raises(RuntimeError, match="was entered by an earlier lifespan"):
        await Hesper(lifespan=[manager]).lifespan().start()


async def test_what_a_manager_yields_is_added_to_the_state_if_it_is_a_mapping() -> None:
    @asynccontextmanager
    async def pool() -> AsyncIterator[State]:
        yield State({"pool": "a pool"})

    @asynccontextmanager
    async def other() -> AsyncIterator[list[str]]:
        yield ["no mapping"]

    app = Hesper(lifespan=[pool, other], state={"a": 1})
    async with app.lifespan():
        assert app.state == {"a": 1, "pool": "a pool"}


async def test_a_manager_that_yields_a_name_of_the_framework_is_refused_and_exited() -> None:
    journal = Journal()

    @asynccontextmanager
    async def manager() -> AsyncIterator[dict[str, str]]:
        try:
            yield {"hesper.lifespan": "mine"}
        finally:
            journal.append("exit")

    with pytest.raises(KeyError, match="belong to the framework"):
        await Hesper(lifespan=[manager]).lifespan().start()
    assert journal == ["exit"]


def takes_a_second(app: Hesper, pool: Any) -> None: ...


def takes_a_keyword(*, pool: Any) -> None: ...


def takes_a_number(count: int) -> None: ...


def takes_everything(*everything: Any) -> None: ...


@pytest.mark.parametrize("option", ["on_startup", "on_shutdown", "lifespan"])
@pytest.mark.parametrize(
    ("hook", "message"),
    [
        (takes_a_second, "takes_a_second takes 'pool', which it cannot be given"),
        (takes_a_keyword, "takes_a_keyword takes 'pool', which it cannot be given"),
        (takes_a_number, "takes_a_number takes 'count', which it cannot be given"),
        (takes_everything, "takes_everything: it takes *everything"),
        ("a text", "'a text' is not callable"),
        (None, "None is not callable"),
    ],
)
def test_a_hook_that_asks_for_something_else_is_an_error_when_the_app_is_built(
    option: str, hook: Any, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        Hesper(**{option: hook})


def takes_it_all(*everything: Any) -> AbstractAsyncContextManager[None]:
    raise NotImplementedError


def test_all_hooks_that_ask_for_something_else_are_reported_together() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Hesper(on_startup=takes_a_number, on_shutdown=takes_a_second, lifespan=takes_it_all)
    message = str(caught.value)
    assert "the start-up hook" in message
    assert "the shutdown hook" in message
    assert "the lifespan manager" in message


async def an_async_generator() -> AsyncIterator[None]:
    yield


def a_generator() -> Iterator[None]:
    yield


@pytest.mark.parametrize("option", ["on_startup", "on_shutdown"])
@pytest.mark.parametrize("hook", [an_async_generator, a_generator, of_nothing()])
def test_a_hook_with_an_end_of_its_own_is_an_error_when_the_app_is_built(
    option: str, hook: Any
) -> None:
    with pytest.raises(ConfigurationError, match=r"put an asynchronous .* into lifespan="):
        Hesper(**{option: hook})


class CallsGenerator:
    async def __call__(self) -> AsyncIterator[None]:
        yield


@pytest.mark.parametrize("hook", [of_nothing, CallsGenerator()])
async def test_a_hook_that_returns_something_to_enter_is_an_error(hook: Any) -> None:
    with pytest.raises(TypeError, match=r"which a hook does not enter; put .* into lifespan="):
        await Hesper(on_startup=hook).lifespan().start()


async def coroutine_function() -> None: ...


@pytest.mark.parametrize("manager", [an_async_generator, a_generator, coroutine_function])
def test_a_manager_that_was_not_decorated_is_an_error_when_the_app_is_built(manager: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"decorate an asynchronous generator function"):
        Hesper(lifespan=[manager])


@contextmanager
def synchronous() -> Iterator[None]:
    yield


def makes_a_coroutine() -> Awaitable[None]:
    return coroutine_function()


@pytest.mark.parametrize("manager", [synchronous, lambda: None, makes_a_coroutine])
async def test_a_manager_that_makes_something_else_is_an_error_that_says_what(manager: Any) -> None:
    with pytest.raises(TypeError, match="is no asynchronous context manager") as caught:
        await Hesper(lifespan=[manager]).lifespan().start()
    assert "raised when the lifespan manager" in notes(caught.value)
    assert len(list(leaves(caught.value))) == 1
