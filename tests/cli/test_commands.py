from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from hesper.cli.commands import hesper

Write = Callable[[str, str], None]

CONTRADICTION = """
from hesper import Hesper
from hesper.exceptions import ConfigurationError

def create_app() -> Hesper:
    raise ConfigurationError("the first problem", "the second problem")
"""


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(hesper, arguments)


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_without_an_app_the_status_is_2_and_what_was_tried_is_listed(write: Write) -> None:
    result = invoke("run")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "main.py or main" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_app_that_contradicts_itself_is_reported_with_status_1(write: Write) -> None:
    write("main.py", CONTRADICTION)
    result = invoke("run")
    assert result.exit_code == 1
    assert "1. the first problem" in result.stderr
    assert "2. the second problem" in result.stderr
    assert isinstance(result.exception, SystemExit)


def test_the_place_may_be_in_the_environment(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HESPER_APP", "shop:nothing")
    write("shop.py", "")
    result = invoke("run")
    assert result.exit_code == 2
    assert "There is no 'nothing' in shop" in result.stderr


def test_the_option_goes_before_the_environment(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HESPER_APP", "shop:nothing")
    assert "There is no module 'other'" in invoke("--app", "other:app", "run").stderr


def test_a_port_that_is_none_is_refused(write: Write) -> None:
    result = invoke("run", "--port", "65536")
    assert result.exit_code == 2
    assert "65536" in result.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["run", "--help"]])
def test_help_says_what_there_is(arguments: list[str]) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_the_version_is_said() -> None:
    assert "0.1.0" in invoke("--version").stdout


def test_without_uvicorn_the_command_says_how_to_install_it(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "hesper.cli.serve", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = invoke("run")
    assert result.exit_code == 1
    assert "hesper[standard]" in result.stderr


def test_help_loads_no_server(write: Write) -> None:
    code = (
        "import sys; from hesper.cli.commands import hesper;"
        "hesper(['--help'], standalone_mode=False);"
        "print(sorted({'uvicorn', 'hesper.cli.discovery'} & set(sys.modules)))"
    )
    assert python("-c", code).stdout.endswith("\n[]\n")


def test_importing_the_framework_does_not_load_click() -> None:
    code = "import sys, hesper; hesper.Hesper; print('click' in sys.modules)"
    assert python("-c", code).stdout == "False\n"


WITHOUT = """
import sys
from hesper.cli.__main__ import main

class Missing:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == {library!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing)
main()
"""


@pytest.mark.parametrize("library", ["click", "rich_click"])
def test_without_click_the_command_line_says_how_to_install_it(library: str) -> None:
    result = python("-c", WITHOUT.format(library=library))
    assert result.returncode == 1
    assert result.stderr.strip().endswith("pip install 'hesper[standard]'")
    assert "Traceback" not in result.stderr


def test_an_import_error_inside_the_users_module_has_its_traceback(write: Write) -> None:
    write("main.py", "import a_module_that_is_nowhere")
    result = python("-m", "hesper", "run")
    assert result.returncode == 1
    assert "main.py" in result.stderr
    assert "No module named 'a_module_that_is_nowhere'" in result.stderr
