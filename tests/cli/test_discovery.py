from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hesper.cli.discovery import AppNotFoundError, find_app

Write = Callable[[str, str], None]

APP = "from hesper import Hesper\napp = Hesper()\n"
FACTORY = "from hesper import Hesper\ndef create_app():\n    return Hesper()\n"


def place_of(place: str | None = None) -> tuple[str, bool]:
    found = find_app(place, Path.cwd())
    return found.import_string, found.factory


def refusal_of(place: str | None = None) -> str:
    with pytest.raises(AppNotFoundError) as caught:
        find_app(place, Path.cwd())
    return str(caught.value)


@pytest.mark.parametrize("module", ["app", "main", "asgi", "application"])
def test_an_app_is_found_in_the_usual_modules(write: Write, module: str) -> None:
    write(f"{module}.py", APP)
    assert place_of() == (f"{module}:app", False)


def test_an_app_is_found_in_a_package(write: Write) -> None:
    write("app/__init__.py", APP)
    assert place_of() == ("app:app", False)


def test_the_first_usual_module_with_an_app_is_taken(write: Write) -> None:
    write("app.py", "nothing = None")
    write("asgi.py", APP)
    write("main.py", APP)
    assert place_of() == ("main:app", False)


def test_an_app_may_have_any_name(write: Write) -> None:
    write("main.py", "from hesper import Hesper\nsite = same = Hesper()")
    assert place_of() == ("main:site", False)


def test_the_usual_names_go_before_others(write: Write) -> None:
    write("main.py", "from hesper import Hesper\nother = Hesper()\napplication = Hesper()")
    assert place_of() == ("main:application", False)


def test_a_function_makes_the_app_where_there_is_none(write: Write) -> None:
    write("main.py", FACTORY)
    assert place_of() == ("main:create_app", True)


def test_an_app_goes_before_a_function_that_makes_one(write: Write) -> None:
    write("main.py", FACTORY + "site = create_app()\n")
    assert place_of() == ("main:site", False)


def test_several_apps_of_other_names_are_ambiguous(write: Write) -> None:
    write("main.py", "from hesper import Hesper\none, two = Hesper(), Hesper()")
    assert "several apps in main: one, two" in refusal_of()
    assert place_of("main:two") == ("main:two", False)


def test_where_nothing_is_found_everything_that_was_tried_is_listed(write: Write) -> None:
    write("asgi.py", "nothing = None")
    refusal = refusal_of()
    for tried in ("app.py or app", "main.py or main", "application.py or application"):
        assert f"{tried}" in refusal
    assert "asgi.py: neither an instance of Hesper nor a function create_app()" in refusal
    assert "--app MODULE:NAME" in refusal
    assert "HESPER_APP" in refusal


def test_a_place_is_a_module_and_a_name(write: Write) -> None:
    write("shop/web.py", APP)
    assert place_of("shop.web:app") == ("shop.web:app", False)


def test_a_place_may_be_a_module_alone(write: Write) -> None:
    write("shop/web.py", FACTORY)
    assert place_of("shop.web") == ("shop.web:create_app", True)


def test_a_module_alone_has_to_hold_an_app(write: Write) -> None:
    write("shop.py", "nothing = None")
    assert "shop: neither an instance of Hesper" in refusal_of("shop")


def test_a_name_may_be_dotted(write: Write) -> None:
    write("shop.py", "from hesper import Hesper\nclass Shop:\n    web = Hesper()")
    assert place_of("shop:Shop.web") == ("shop:Shop.web", False)


def test_a_place_may_be_a_function_of_any_name(write: Write) -> None:
    write(
        "shop.py", "from hesper import Hesper\ndef make(debug=False, *rest):\n    return Hesper()"
    )
    assert place_of("shop:make") == ("shop:make", True)


def test_a_function_that_needs_arguments_is_refused(write: Write) -> None:
    write("shop.py", "def make(settings, *, debug):\n    return None")
    assert "takes the arguments settings, debug" in refusal_of("shop:make")


def test_a_function_that_returns_something_else_is_refused(write: Write) -> None:
    write("shop.py", "def make():\n    return 'an app'")
    assert "shop:make() returned 'an app', not an instance of Hesper" in refusal_of("shop:make")


def test_a_value_of_another_kind_is_refused(write: Write) -> None:
    write("shop.py", "app = 'an app'")
    assert "shop:app is 'an app'" in refusal_of("shop:app")


def test_a_missing_name_is_refused_with_the_names_that_are_there(write: Write) -> None:
    write("shop.py", APP)
    assert "no 'ap' in shop. The apps in it are called app." in refusal_of("shop:ap")
    assert refusal_of("shop:app.nothing.at.all").startswith("There is no 'app.nothing.at.all'")


@pytest.mark.parametrize("place", ["", ":app", "shop:", ".shop:app", "shop..web:app", "my-shop"])
def test_a_place_of_another_form_is_refused(write: Write, place: str) -> None:
    assert "write MODULE:NAME" in refusal_of(place)


@pytest.mark.parametrize(
    ("place", "meant"),
    [
        ("main.py:app", "main:app"),
        ("main.py", "main"),
        ("shop/web.py:app", "shop.web:app"),
        ("shop/web:app", "shop.web:app"),
    ],
)
def test_a_file_is_refused_with_the_module_that_was_meant(
    write: Write, place: str, meant: str
) -> None:
    assert f"name the module: '{meant}'" in refusal_of(place)


def test_a_call_is_refused_with_the_function_that_was_meant(write: Write) -> None:
    assert "name the function: 'shop:create_app'" in refusal_of("shop:create_app()")


def test_a_function_that_is_asynchronous_is_refused(write: Write) -> None:
    write("main.py", "async def create_app():\n    return None")
    assert "main:create_app is asynchronous" in refusal_of()


@pytest.mark.parametrize(
    ("place", "missing"),
    [("shop:app", "'shop'"), ("shop.web:app", "'shop'"), ("store.web:app", "'store.web'")],
)
def test_a_missing_module_is_refused(write: Write, place: str, missing: str) -> None:
    write("store/__init__.py", "")
    assert f"There is no module {missing}" in refusal_of(place)


@pytest.mark.parametrize("place", [None, "main:app"])
def test_an_import_error_inside_the_users_module_is_the_users(
    write: Write, place: str | None
) -> None:
    write("main.py", "import a_module_that_is_nowhere")
    with pytest.raises(ModuleNotFoundError, match="a_module_that_is_nowhere") as caught:
        find_app(place, Path.cwd())
    assert caught.traceback[-1].path == Path.cwd() / "main.py"


def test_the_directory_goes_first_where_modules_are_looked_for(write: Write) -> None:
    write("main.py", APP)
    find_app(None, Path.cwd())
    find_app(None, Path.cwd())
    assert sys.path[0] == str(Path.cwd())
    assert sys.path.count(str(Path.cwd())) == 1
