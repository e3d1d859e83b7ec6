from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.calling import invoke, piped
from tests.cli.test_extending import BROKEN, PLUGIN

Write = Callable[[str, str], None]

COMPLETE = """
eval "$(hesper completion bash)"
COMP_WORDS=({line}) COMP_CWORD={number}
_hesper_completion hesper
echo "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def commands(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which `hesper` is a command."""
    command = tmp_path / "bin" / "hesper"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m hesper "$@"\n')
    command.chmod(0o755)
    return {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}"}


def completed(environment: dict[str, str], *words: str) -> set[str]:
    """Return what bash makes of *words*."""
    line = " ".join(f"'{word}'" for word in ("hesper", *words))
    done = subprocess.run(
        ["bash", "--norc", "-c", COMPLETE.format(line=line, number=len(words))],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=environment,
    )
    assert done.stderr.replace("complete: nosort: invalid option name", "") == ""
    return set(done.stdout.split())


def test_commands_are_completed_in_bash(write: Write, commands: dict[str, str]) -> None:
    assert completed(commands, "r") == {"run", "routes"}


def test_options_are_completed_in_bash(write: Write, commands: dict[str, str]) -> None:
    assert completed(commands, "run", "--po") == {"--port"}
    assert completed(commands, "run", "--server", "h") == {"hypercorn"}


def test_commands_of_plugins_are_completed(write: Write, commands: dict[str, str]) -> None:
    write("shop.py", PLUGIN)
    assert completed(commands, "--app", "shop", "se") == {"seed"}
    assert completed({**commands, "HESPER_APP": "shop"}, "se") == {"seed"}
    assert completed(commands, "--app", "shop", "seed", "--") == {"--count", "--help"}


@pytest.mark.parametrize(
    ("name", "text"),
    [("main.py", BROKEN), ("main.py", "raise SystemExit('x')"), ("pyproject.toml", "[tool")],
)
def test_what_is_wrong_in_the_project_does_not_disturb(
    write: Write, commands: dict[str, str], name: str, text: str
) -> None:
    write(name, text)
    assert completed(commands, "r") == {"run", "routes"}


@pytest.mark.parametrize(
    ("shell", "word"),
    [("bash", "complete -o"), ("zsh", "compdef"), ("fish", "complete --no-files")],
)
def test_there_is_a_script_for_each_shell(write: Write, shell: str, word: str) -> None:
    result = piped("completion", shell)
    assert result.returncode == 0
    assert word in result.stdout
    assert "_HESPER_COMPLETE" in result.stdout


def test_the_shell_of_the_environment_is_taken(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/zsh")
    assert invoke("completion").stdout == invoke("completion", "zsh").stdout


@pytest.mark.parametrize("shell", ["", "/bin/tcsh"])
def test_an_unknown_shell_has_to_be_named(
    write: Write, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    monkeypatch.setenv("SHELL", shell)
    result = invoke("completion")
    assert result.exit_code == 2
    assert "Say for which shell: bash, zsh, fish." in result.stderr
