from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.cli.calling import invoke, piped, python

Write = Callable[[str, str], None]


def test_without_an_app_the_status_is_2_and_what_was_tried_is_listed(write: Write) -> None:
    result = invoke("run")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "main.py or main" in result.stderr
    assert "Traceback" not in result.stderr


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


def test_a_command_that_is_not_there_is_refused(write: Write) -> None:
    result = invoke("rout")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: No such command 'rout'.")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["run", "--help"]])
def test_help_says_what_there_is(write: Write, arguments: list[str]) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_the_version_is_said() -> None:
    assert "0.1.0" in invoke("--version").stdout


def test_without_uvicorn_the_command_says_how_to_install_it(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("hesper.cli.uvicorn")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = invoke("run")
    assert result.exit_code == 1
    assert "hesper[standard]" in result.stderr


def test_help_loads_neither_a_server_nor_the_framework(write: Write) -> None:
    code = (
        "import sys; from hesper.cli.commands import hesper;"
        "hesper(['--help'], standalone_mode=False);"
        "print(sorted({'uvicorn', 'hesper.app', 'dotenv'} & set(sys.modules)))"
    )
    assert python("-c", code).stdout.endswith("\n[]\n")


def test_importing_the_framework_does_not_load_click() -> None:
    code = "import sys, hesper; hesper.Hesper; print('click' in sys.modules)"
    assert python("-c", code).stdout == "False\n"


def test_the_command_and_the_module_are_the_same(write: Write) -> None:
    script = [sys.executable, "-c", "from hesper.cli.__main__ import main; main()", "--help"]
    by_name = subprocess.run(script, capture_output=True, text=True, timeout=60, check=True)
    assert by_name.stdout == piped("--help").stdout


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


def test_a_closed_pipe_ends_the_command_quietly(write: Write) -> None:
    write("main.py", "from hesper import Hesper\napp = Hesper()")
    with subprocess.Popen(
        [sys.executable, "-m", "hesper", "routes"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
