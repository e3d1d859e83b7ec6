from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cli.calling import invoke, piped

Write = Callable[[str, str], None]

BROKEN = """
from json import loads

def settings() -> object:
    return loads("{")

settings()
"""

CONTRADICTION = """
from hesper import Hesper
from hesper.exceptions import ConfigurationError

def create_app() -> Hesper:
    raise ConfigurationError("the first problem", "the second problem")
"""


def test_an_error_of_the_users_module_is_told_with_its_place(write: Write) -> None:
    write("main.py", BROKEN)
    result = piped("run")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr == (
        "Error: json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes:"
        " line 1 column 2 (char 1)\n"
        "  main.py, line 5, in settings\n"
        '    return loads("{")\n'
        "The whole traceback is there with --debug.\n"
    )


@pytest.mark.parametrize("arguments", [["--debug", "run"], ["run", "--debug"]], ids=" ".join)
def test_the_traceback_is_shown_if_wanted(write: Write, arguments: list[str]) -> None:
    write("main.py", BROKEN)
    result = piped(*arguments)
    assert result.returncode == 1
    assert result.stderr.startswith("Traceback (most recent call last):")
    assert "JSONDecodeError" in result.stderr


def test_a_module_that_is_no_python_is_told_with_the_line(write: Write) -> None:
    write("main.py", "app = Hesper(\n")
    error = piped("routes").stderr
    assert "main.py" in error
    assert "line 1" in error
    assert "SyntaxError: '(' was never closed" in error
    assert "Traceback" not in error


def test_a_missing_import_is_told_with_the_line(write: Write) -> None:
    write("main.py", "import a_module_that_is_nowhere")
    error = piped("run").stderr
    assert "ModuleNotFoundError: No module named 'a_module_that_is_nowhere'" in error
    assert "main.py, line 1, in <module>" in error


def test_an_app_that_contradicts_itself_is_reported_with_status_1(write: Write) -> None:
    write("main.py", CONTRADICTION)
    result = piped("run")
    assert result.returncode == 1
    assert result.stderr.startswith("Error: The app cannot be built.")
    assert "1. the first problem" in result.stderr
    assert "2. the second problem" in result.stderr
    assert "main.py, line 6, in create_app" in result.stderr


def test_every_member_of_a_group_is_told(write: Write) -> None:
    write("main.py", "raise ExceptionGroup('two', [ValueError('one'), KeyError('other')])")
    error = invoke("routes").stderr
    assert "ExceptionGroup: two (2 sub-exceptions)" in error
    assert "  ValueError: one" in error
    assert "  KeyError: 'other'" in error


def test_notes_of_an_error_are_told(write: Write) -> None:
    write("main.py", "error = ValueError('one')\nerror.add_note('a note')\nraise error")
    assert "ValueError: one\na note\n" in invoke("routes").stderr


def test_a_module_may_end_the_process_itself(write: Write) -> None:
    write("main.py", "raise SystemExit('DATABASE_URL is not set')")
    result = piped("routes")
    assert result.returncode == 1
    assert result.stderr == "DATABASE_URL is not set\n"


def test_an_interruption_is_told(write: Write) -> None:
    write("main.py", "raise KeyboardInterrupt")
    result = piped("routes")
    assert result.returncode == 1
    assert result.stderr.strip() == "Aborted."
