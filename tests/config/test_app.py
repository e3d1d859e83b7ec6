"""`on_app_init` hooks and plugins: what they get, and that all they change takes effect."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from hesper import Hesper
from hesper._types import Empty
from hesper.app import ApplicationLayer
from hesper.config.app import AppConfig
from hesper.datastructures import State
from hesper.exceptions import ConfigurationError
from hesper.layer import RULES
from tests.asgi_driver import answer
from tests.config.parts import (
    Adding,
    MyRequest,
    app_with,
    class_of_request,
    index,
    one,
    permit,
    refuse,
    same,
    setting,
    stamping,
)
from tests.lifespan.journal import Journal


def unchanged(app_config: AppConfig) -> AppConfig:
    return app_config


def test_the_config_has_a_field_for_each_of_the_app_s_options_and_no_other() -> None:
    options = {f.name for f in fields(ApplicationLayer)} - {"on_app_init"}
    assert {f.name for f in fields(AppConfig)} == options


def test_a_config_is_made_empty() -> None:
    config = AppConfig()
    for f in fields(AppConfig):
        if f.name not in {"path", "drain_timeout"}:
            assert not getattr(config, f.name), f.name


def test_two_configs_share_no_list_and_no_mapping() -> None:
    one, two = AppConfig(), AppConfig()
    for f in fields(AppConfig):
        value = getattr(one, f.name)
        if isinstance(value, (list, dict, State)):
            assert value is not getattr(two, f.name), f.name


def initialised(**options: Any) -> AppConfig:
    """Return the config that a hook of an app with these options gets."""
    seen: list[AppConfig] = []

    def look(app_config: AppConfig) -> AppConfig:
        seen.append(app_config)
        return app_config

    Hesper(on_app_init=look, **options)
    return seen[0]


def test_a_hook_gets_lists_and_mappings_of_its_own() -> None:
    handlers, guards, headers = [index], [permit], {"a": "b"}
    config = initialised(route_handlers=handlers, guards=guards, response_headers=headers)
    config.route_handlers.append(index)
    config.guards.append(refuse)
    config.response_headers.clear()
    assert (handlers, guards, headers) == ([index], [permit], {"a": "b"})


def test_a_hook_finds_one_hook_and_several_as_lists() -> None:
    journal = Journal()
    one, two = journal.hook("one"), journal.hook("two")
    config = initialised(on_startup=one, on_shutdown=(one, two), after_request=[same])
    assert (config.on_startup, config.on_shutdown) == ([one], [one, two])
    assert config.after_request == [same]


def test_a_hook_finds_what_the_app_was_given() -> None:
    config = initialised(
        path="/api",
        state={"a": 1},
        dependencies={"one": lambda: 1},
        response_headers={"x-one": "1"},
        response_cookies={"one": "1"},
        opt={"key": "value"},
        request_max_body_size=None,
    )
    assert config.path == "/api"
    assert config.state == {"a": 1}
    assert list(config.dependencies) == ["one"]
    assert [(header.name, header.value) for header in config.response_headers] == [("x-one", "1")]
    assert [(cookie.key, cookie.value) for cookie in config.response_cookies] == [("one", "1")]
    assert config.opt == {"key": "value"}
    assert config.request_max_body_size is None
    assert config.request_class is Empty


def test_the_initial_state_is_not_changed_by_a_hook_of_another_app() -> None:
    given = State({"a": 1})

    def change(app_config: AppConfig) -> AppConfig:
        app_config.state.b = 2
        return app_config

    assert Hesper(state=given, on_app_init=change).state == {"a": 1, "b": 2}
    assert given == {"a": 1}


def test_an_option_that_a_hook_empties_is_gone() -> None:
    def clear(app_config: AppConfig) -> AppConfig:
        app_config.guards.clear()
        app_config.response_headers = []
        app_config.route_handlers.append(index)
        return app_config

    app = Hesper(guards=[refuse], response_headers={"x-one": "1"}, on_app_init=clear)
    found = answer(app, "GET", "/")
    assert (found.status, found.header("x-one")) == (200, None)


def test_what_the_app_was_given_stays_unless_a_hook_changes_it() -> None:
    app = Hesper(
        [index, class_of_request],
        on_app_init=unchanged,
        response_headers={"x-one": "1"},
        response_cookies={"one": "1"},
        request_class=MyRequest,
        middleware=[stamping],
        state={"a": 1},
    )
    found = answer(app, "GET", "/class")
    assert found.text == "MyRequest"
    assert found.header("x-one") == "1"
    assert (found.header("set-cookie") or "").startswith("one=1")
    assert found.header("stamp") == "here"
    assert app.state == {"a": 1}


def test_what_a_hook_sets_wrongly_is_an_error_as_from_the_constructor() -> None:
    with pytest.raises((TypeError, ConfigurationError), match="guards"):
        app_with(index, guards=["no guard"])


def test_hooks_are_called_in_order_each_with_what_the_one_before_returned() -> None:
    order: list[str] = []

    def hook(name: str) -> Callable[[AppConfig], AppConfig]:
        def change(app_config: AppConfig) -> AppConfig:
            order.append(f"{name} after {app_config.opt.get('last')}")
            app_config.opt["last"] = name
            return app_config

        return change

    Hesper(on_app_init=[hook("one"), hook("two"), hook("three")])
    assert order == ["one after None", "two after one", "three after two"]


def test_a_hook_may_return_another_config() -> None:
    def replace(app_config: AppConfig) -> AppConfig:
        return AppConfig(route_handlers=[index], path="/other")

    assert answer(Hesper([one], on_app_init=replace), "GET", "/other").text == "index"


def test_one_hook_needs_no_list() -> None:
    app = Hesper(on_app_init=setting(route_handlers=[index]))
    assert answer(app, "GET", "/").text == "index"


async def asynchronous(app_config: AppConfig) -> AppConfig:
    return app_config


def test_an_asynchronous_hook_is_an_error_that_says_where_to_go() -> None:
    with pytest.raises(TypeError, match=r"asynchronous is asynchronous, .* in a start-up hook"):
        Hesper(on_app_init=asynchronous)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("returned", [None, {}, "config"])
def test_a_hook_that_returns_something_else_is_an_error(returned: Any) -> None:
    def forgetful(app_config: AppConfig) -> Any:
        return returned

    message = f"forgetful returns {type(returned).__name__}; it must return the AppConfig"
    with pytest.raises(TypeError, match=re.escape(message)):
        Hesper(on_app_init=forgetful)


def test_a_plugin_changes_the_config() -> None:
    assert answer(Hesper(plugins=[Adding(index)]), "GET", "/").text == "index"


def test_plugins_come_after_hooks_in_their_order() -> None:
    order: list[str] = []

    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

        def on_app_init(self, app_config: AppConfig) -> AppConfig:
            order.append(self.name)
            return app_config

    def hook(app_config: AppConfig) -> AppConfig:
        order.append("hook")
        return app_config

    Hesper(plugins=[Named("one"), Named("two")], on_app_init=hook)
    assert order == ["hook", "one", "two"]


def test_a_plugin_may_add_a_plugin_which_is_called_once() -> None:
    inner = Adding(index)
    outer = Adding(plugins=(inner, inner))
    assert answer(Hesper(plugins=[outer, outer]), "GET", "/").text == "index"
    assert (outer.calls, inner.calls) == (1, 1)


def test_a_plugin_may_be_asked_by_several_apps() -> None:
    plugin = Adding(index)
    for _ in range(2):
        assert answer(Hesper(plugins=[plugin]), "GET", "/").text == "index"
    assert plugin.calls == 2


def test_a_plugin_that_returns_nothing_is_an_error_that_names_it() -> None:
    class Forgetful:
        def on_app_init(self, app_config: AppConfig) -> Any:
            return None

    with pytest.raises(TypeError, match=r"Forgetful\.on_app_init returns NoneType"):
        Hesper(plugins=[Forgetful()])


def test_a_plugin_may_add_commands_alone() -> None:
    class Commands:
        def on_cli_init(self, group: object) -> None:
            raise AssertionError("there is no command line here")

    plugin = Commands()
    app = Hesper([index], plugins=[plugin])
    assert list(app.plugins) == [plugin]
    assert answer(app, "GET", "/").text == "index"


def test_the_class_of_a_plugin_is_no_plugin() -> None:
    plugins: list[Any] = [Adding]
    with pytest.raises(TypeError, match=r"not the class .*Adding; call it"):
        Hesper(plugins=plugins)


def test_a_plugin_with_neither_hook_is_an_error_that_names_it() -> None:
    with pytest.raises(TypeError, match=r"on_app_init\(.*on_cli_init\(.*'no plugin'"):
        Hesper(plugins=["no plugin"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]


def test_the_rules_cover_every_layered_field_of_the_config() -> None:
    assert set(RULES) <= {f.name for f in fields(AppConfig)}
