from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.calling import invoke, piped

Write = Callable[[str, str], None]

PLUGIN = """
import click
from hesper import Hesper
from hesper.cli.loading import pass_app

class Seeds:
    def on_cli_init(self, group: click.Group) -> None:
        @group.command()
        @click.option("--count", default=1)
        @pass_app
        def seed(app: Hesper, count: int) -> None:
            '''Fill the database.'''
            if count > 3:
                raise ValueError("too many")
            click.echo(f"{len(app.plugins)} plugin, {count} seeds")

        @group.command("routes")
        def other() -> None:
            '''Another one.'''

print("imported")
app = Hesper(plugins=[Seeds()])
"""

BUILDING = """
from hesper import Hesper
from hesper.config.app import AppConfig

class Building:
    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        return app_config

app = Hesper(plugins=[Building()])
"""

BROKEN = "raise LookupError('no settings')"


def test_a_plugin_adds_a_command(write: Write) -> None:
    write("main.py", PLUGIN)
    result = invoke("seed", "--count", "3")
    assert result.exit_code == 0
    assert "1 plugin, 3 seeds" in result.stdout


def test_the_options_of_a_plugins_command_have_settings(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("main.py", PLUGIN)
    write("pyproject.toml", "[tool.hesper.seed]\ncount = 2")
    assert "1 plugin, 2 seeds" in invoke("seed").stdout
    monkeypatch.setenv("HESPER_SEED_COUNT", "3")
    assert "1 plugin, 3 seeds" in invoke("seed").stdout


def test_an_error_of_a_plugins_command_is_told_without_a_traceback(write: Write) -> None:
    write("main.py", PLUGIN)
    result = piped("seed", "--count", "4")
    assert result.returncode == 1
    assert "Error: ValueError: too many\n  main.py, line 14, in seed" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("told", ["option", "environment"])
def test_help_lists_the_commands_of_the_apps_plugins(
    write: Write, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    write("shop.py", PLUGIN)
    if told == "environment":
        monkeypatch.setenv("HESPER_APP", "shop")
    result = invoke(*(["--app", "shop"] if told == "option" else []), "--help")
    assert "Fill the database." in result.stdout


def test_a_command_of_hesper_is_not_replaced(write: Write) -> None:
    write("main.py", PLUGIN)
    result = invoke("--help")
    assert "List the routes of the app." in result.stdout
    assert "Another one." not in result.stdout
    assert result.stderr == "There are two commands 'routes'; hesper's own is meant.\n"


def test_help_is_there_without_an_app(write: Write) -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (BROKEN, "LookupError: no settings"),
        ("raise SystemExit('stop')", "SystemExit: stop"),
        ("", "No app was found in"),
    ],
)
def test_help_is_there_with_an_app_that_cannot_be_loaded(
    write: Write, module: str, reason: str
) -> None:
    write("main.py", module)
    result = invoke("--help")
    assert result.exit_code == 0
    assert "Commands:" in result.stdout
    assert "The app's own commands are not known, for it cannot be loaded: " in result.stderr
    assert reason in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_help_is_there_with_a_place_that_is_none(write: Write) -> None:
    write(".env", "HESPER_APP=nothing:app")
    result = invoke("--help")
    assert result.exit_code == 0
    assert "cannot be loaded: There is no module 'nothing'" in result.stderr


def test_the_reason_comes_with_its_traceback_if_wanted(write: Write) -> None:
    write("main.py", BROKEN)
    result = piped("--debug", "--help")
    assert result.returncode == 1
    assert "Traceback" in result.stderr


def test_a_plugin_that_adds_no_commands_is_fine(write: Write) -> None:
    write("main.py", BUILDING)
    assert invoke("routes").exit_code == 0
    assert invoke("seed").exit_code == 2


COMMANDS = """
import click

@click.command()
def migrate() -> None:
    '''Change the tables.'''
    click.echo("changed")

nothing = "no command"
"""


@pytest.fixture
def package(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package is installed that adds commands."""
    write("tables.py", COMMANDS)
    write("tables-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tables\nVersion: 1.0\n")
    write(
        "tables-1.0.dist-info/entry_points.txt",
        "[hesper.commands]\nmigrate = tables:migrate\nwrong = tables:nothing\n"
        "gone = tables:missing\nrun = tables:migrate\n",
    )
    monkeypatch.syspath_prepend(str(Path.cwd()))


@pytest.mark.usefixtures("package")
def test_a_package_adds_a_command() -> None:
    assert invoke("migrate").stdout == "changed\n"


@pytest.mark.usefixtures("package")
def test_help_lists_the_commands_of_packages() -> None:
    result = invoke("--help")
    assert "Change the tables." in result.stdout
    assert "Serve the app." in result.stdout
    assert "Cannot be loaded" in result.stdout
    assert result.stderr == "There are two commands 'run'; hesper's own is meant.\n"


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("wrong", "TypeError: tables:nothing is 'no command', and no command"),
        ("gone", "AttributeError: module 'tables' has no attribute 'missing'"),
    ],
)
def test_a_packages_command_that_cannot_be_loaded_says_why(name: str, reason: str) -> None:
    result = invoke(name, "--option", "argument")
    assert result.exit_code == 1
    assert reason in result.stderr


@pytest.mark.usefixtures("package")
def test_the_apps_command_goes_before_the_packages(write: Write) -> None:
    write("main.py", PLUGIN.replace("def seed", "def migrate"))
    assert "seeds" in invoke("migrate").stdout
