from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from hesper.cli.commands import hesper
from tests.cli.calling import ESCAPES, invoke, piped, plain, shown

Write = Callable[[str, str], None]

COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|9[0-7])(?:;[0-9;]*)?m")
HELP = [["--help"], *([command, "--help"] for command in hesper.commands)]


@pytest.mark.parametrize("arguments", HELP, ids=" ".join)
def test_help_fits_into_80_columns(write: Write, arguments: list[str]) -> None:
    lines = plain(shown(*arguments)).splitlines()
    assert lines[0].startswith("Usage: hesper")
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)


def test_help_is_coloured_in_a_terminal(write: Write) -> None:
    assert COLOUR.search(shown("--help"))


def test_help_has_no_colour_where_none_is_wanted(write: Write) -> None:
    assert not COLOUR.search(shown("--help", environment={"NO_COLOR": "1"}))


@pytest.mark.parametrize("arguments", HELP, ids=" ".join)
def test_piped_help_is_plain_text(write: Write, arguments: list[str]) -> None:
    result = piped(*arguments)
    assert result.returncode == 0
    assert not ESCAPES.search(result.stdout)
    assert result.stdout.isascii()
    assert result.stderr == ""


def test_help_in_a_terminal_and_piped_says_the_same(write: Write) -> None:
    assert plain(shown("run", "--help")).split() == piped("run", "--help").stdout.split()


def test_an_error_is_red_in_a_terminal(write: Write) -> None:
    assert shown("run", "--port", "x").startswith("\x1b[31m\x1b[1mError:\x1b[0m Invalid value")


def test_an_error_has_no_colour_where_none_is_wanted(write: Write) -> None:
    assert not ESCAPES.search(shown("run", "--port", "x", environment={"NO_COLOR": "1"}))


def test_an_error_is_plain_text_where_it_is_piped(write: Write) -> None:
    assert piped("run", "--port", "x").stderr == (
        "Error: Invalid value for '--port': 'x' is not a valid integer range.\n"
        "Try 'hesper run --help' for help.\n"
    )


APP = """
from hesper import Hesper, get

@get("/a/rather/long/path/{number:int}/with/{several:str}/parts")
async def a_function_with_a_rather_long_name(number: int, several: str) -> None: ...

app = Hesper([a_function_with_a_rather_long_name])
"""


every_description = pytest.mark.parametrize(
    "arguments",
    [["routes"], ["explain", "GET", "/a/rather/long/path/1/with/several/parts"]],
    ids=lambda arguments: arguments[0],
)


@every_description
def test_what_is_said_of_an_app_fits_into_80_columns(write: Write, arguments: list[str]) -> None:
    write("main.py", APP)
    lines = plain(shown(*arguments)).splitlines()
    assert max(map(len, lines)) <= 80
    assert any("a_function_with_a_rather_long_name" in line for line in lines)


@every_description
def test_what_is_said_of_an_app_is_coloured_in_a_terminal(
    write: Write, arguments: list[str]
) -> None:
    write("main.py", APP)
    assert COLOUR.search(shown(*arguments))


@every_description
def test_what_is_said_of_an_app_has_no_colour_where_none_is_wanted(
    write: Write, arguments: list[str]
) -> None:
    write("main.py", APP)
    assert not COLOUR.search(shown(*arguments, environment={"NO_COLOR": "1"}))
    assert not ESCAPES.search(piped(*arguments).stdout)


def test_an_explanation_says_the_same_in_a_terminal_and_piped(write: Write) -> None:
    write("main.py", APP)
    arguments = ("explain", "GET", "/a/rather/long/path/1/with/several/parts")
    assert plain(shown(*arguments)) == piped(*arguments).stdout


def test_piped_routes_have_a_line_each(write: Write) -> None:
    write("main.py", APP)
    assert len(piped("routes").stdout.splitlines()) == 1


def test_without_a_command_the_help_is_shown_with_status_2(write: Write) -> None:
    result = invoke()
    assert result.exit_code == 2
    assert "Commands:" in result.output
