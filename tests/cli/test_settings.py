from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.calling import invoke, piped

Write = Callable[[str, str], None]

APP = """
from hesper import Hesper, get

@get("/")
async def {name}() -> None: ...

app = Hesper([{name}])
"""


def asked(*arguments: str) -> str:
    """Return the name of the handler of the app that is found."""
    result = invoke(*arguments, "routes")
    assert result.exit_code == 0, result.stderr
    return result.stdout.strip().rpartition(".")[2]


@pytest.fixture
def shops(write: Write) -> Write:
    """Writes; there are apps in several modules, in none of the usual ones."""
    for name in ("one", "two", "three", "four"):
        write(f"{name}.py", APP.format(name=name))
    return write


def test_places_go_from_the_command_line_to_the_search(
    shops: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    shops("main.py", APP.format(name="found"))
    assert asked() == "found"
    shops("pyproject.toml", '[tool.hesper]\napp = "one"')
    assert asked() == "one"
    shops(".env", "HESPER_APP=two:app")
    assert asked() == "two"
    monkeypatch.setenv("HESPER_APP", "three:app")
    assert asked() == "three"
    assert asked("--app", "four") == "four"


def test_options_may_stand_after_the_command(shops: Write) -> None:
    result = invoke("--app", "one", "routes", "--app", "two")
    assert result.stdout == "GET  /  two.two\n"


def test_an_option_of_a_command_may_stand_in_pyproject(shops: Write) -> None:
    shops("pyproject.toml", "[tool.hesper.routes]\njson = true")
    assert invoke("routes", "--app", "one").stdout.startswith("[")


def test_an_option_of_a_command_may_stand_in_the_environment(shops: Write) -> None:
    shops(".env", "HESPER_RUN_PORT=99999")
    result = invoke("run", "--app", "one")
    assert result.exit_code == 2
    assert "99999" in result.stderr


def test_an_option_that_has_another_variable_in_pyproject_is_known_by_its_name(
    shops: Write,
) -> None:
    shops("pyproject.toml", "[tool.hesper]\napp = 'one'\n[tool.hesper.run]\ndrain-timeout = -1")
    assert "Invalid value for '--drain-timeout'" in invoke("run").stderr


def test_modules_are_looked_for_in_another_directory(shops: Write) -> None:
    shops("src/main.py", APP.format(name="inner"))
    assert asked("--app-dir", "src") == "inner"
    assert invoke("routes", "--app-dir", "src").stdout == "GET  /  main.inner\n"


def test_the_directory_may_stand_in_pyproject(shops: Write) -> None:
    shops("src/main.py", APP.format(name="inner"))
    shops("pyproject.toml", '[tool.hesper]\napp-dir = "src"')
    assert asked() == "inner"


def test_a_directory_that_is_not_there_is_refused(write: Write) -> None:
    result = invoke("--app-dir", "nowhere", "routes")
    assert result.exit_code == 2
    assert "nowhere" in result.stderr


def test_the_app_sees_what_the_env_file_sets(shops: Write) -> None:
    shops(".env", "SHOP_NAME=corner")
    shops("main.py", "import os\n" + APP.format(name="shop") + "assert os.environ['SHOP_NAME']")
    assert asked() == "shop"


def test_the_env_file_changes_nothing_that_is_set(
    shops: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_NAME", "corner")
    shops(".env", "SHOP_NAME=other")
    asked("--app", "one")
    assert os.environ["SHOP_NAME"] == "corner"


def test_a_directory_called_like_the_env_file_is_left_alone(shops: Write) -> None:
    Path(".env").mkdir()
    assert asked("--app", "one") == "one"


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("[tool.hesper]\nap = 'x'", "there is no 'ap'; probably you meant 'app'"),
        ("[tool.hesper]\napp = 3", "app is to be a string, not 3"),
        ("[tool.hesper]\nports = 3", "there is no 'ports'; there are app, app-dir, run, check"),
        ("[tool.hesper.run]\nprt = 3", "run has no option 'prt'; probably you meant 'port'"),
        ("[tool.hesper.run]\napp = 'x'", "run has no option 'app'"),
        ("[tool]\nhesper = 3", "is to be a table, not 3"),
        ("[tool.hesper", "pyproject.toml cannot be read: Expected ']'"),
    ],
)
def test_what_has_no_meaning_in_pyproject_is_refused(write: Write, text: str, refusal: str) -> None:
    write("pyproject.toml", text)
    result = invoke("info")
    assert result.exit_code == 1
    assert refusal in result.stderr
    assert "pyproject.toml" in result.stderr


@pytest.mark.parametrize("text", ["", "tool = 3", "[tool.other]\nx = 1"])
def test_a_project_that_says_nothing_is_fine(shops: Write, text: str) -> None:
    shops("pyproject.toml", text)
    assert asked("--app", "one") == "one"


@pytest.mark.parametrize("name", [".env", "pyproject.toml"])
def test_a_file_that_is_no_text_is_refused(write: Write, name: str) -> None:
    Path(name).write_bytes(b"\xff\xfe\xff")
    result = invoke("info")
    assert result.exit_code == 1
    assert f"{name} cannot be read" in result.stderr


def test_without_dotenv_an_env_file_says_how_to_install_it(write: Write) -> None:
    write(".env", "SHOP_NAME=corner")
    write("dotenv.py", "raise ModuleNotFoundError('No module named dotenv', name='dotenv')")
    result = piped("info")
    assert result.returncode == 1
    assert "pip install 'hesper[standard]'" in result.stderr


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("HESPER_APP=nothing:app", "HESPER_APP in .env"),
        ("", "pyproject.toml"),
    ],
)
def test_a_place_that_is_none_is_refused_with_its_origin(
    write: Write, text: str, origin: str
) -> None:
    write("pyproject.toml", '[tool.hesper]\napp = "nothing:app"')
    write(".env", text)
    result = invoke("routes")
    assert result.exit_code == 2
    assert f"'nothing:app' is from {origin}." in result.stderr


@pytest.mark.parametrize("name", ["HESPER_VERSION", "HESPER_HELP"])
def test_variables_of_other_meanings_are_no_options(
    shops: Write, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "1.2")
    assert asked("--app", "one") == "one"
