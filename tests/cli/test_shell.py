from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cli.calling import Terminal, piped, plain, terminal

Write = Callable[[str, str], None]

APP = """
from contextlib import asynccontextmanager
from contextvars import ContextVar
from hesper import Hesper

user: ContextVar[str] = ContextVar("user")

@asynccontextmanager
async def pool(app: Hesper):
    app.state.pool = "a pool"
    user.set("somebody")
    yield
    print("the pool is closed", flush=True)

app = Hesper(lifespan=[pool])
"""

CLOSED = "the pool is closed\n"


@pytest.fixture
def shop(write: Write) -> Write:
    write("main.py", APP)
    return write


def test_a_program_that_is_piped_in_sees_the_state_of_a_lifespan(shop: Write) -> None:
    result = piped("shell", input="print(app.state.pool, lifespan.phase.value)")
    assert result.returncode == 0
    assert result.stdout == "a pool ready\n" + CLOSED
    assert result.stderr == ""


def test_a_program_may_await(shop: Write) -> None:
    program = """
import asyncio

async def ask() -> str:
    await asyncio.sleep(0)
    return app.state.pool

print(await ask())
async with asyncio.timeout(60):
    print(await ask())
"""
    assert piped("shell", input=program).stdout == "a pool\na pool\n" + CLOSED


def test_context_variables_of_the_start_are_seen(shop: Write) -> None:
    program = "from main import user\nprint(user.get())\n"
    assert piped("shell", input=program).stdout == "somebody\n" + CLOSED
    awaiting = program + "import asyncio\nawait asyncio.sleep(0)\n"
    assert piped("shell", input=awaiting).stdout == "somebody\n" + CLOSED


def test_a_program_that_fails_is_told_and_the_lifespan_ends(shop: Write) -> None:
    result = piped("shell", input="print(1)\n1 / 0\n")
    assert result.returncode == 1
    assert result.stdout == "1\n" + CLOSED
    assert result.stderr.startswith("Error: ZeroDivisionError: division by zero\n")
    assert "  <stdin>, line 2, in <module>\nThe whole traceback" in result.stderr


def test_a_program_that_is_no_python_is_told(shop: Write) -> None:
    result = piped("shell", input="print(")
    assert result.returncode == 1
    assert result.stdout == CLOSED
    assert "SyntaxError" in result.stderr


@pytest.mark.parametrize(("text", "status"), [("exit(3)", 3), ("exit()", 0), ("exit('no')", 1)])
def test_a_program_ends_with_its_status_after_the_lifespan(
    shop: Write, text: str, status: int
) -> None:
    result = piped("shell", input=text)
    assert result.returncode == status
    assert result.stdout == CLOSED


def test_awaiting_code_may_end_the_program_too(shop: Write) -> None:
    result = piped("shell", input="import asyncio\nawait asyncio.sleep(0)\nexit(3)\n")
    assert result.returncode == 3
    assert result.stdout == CLOSED


def test_a_start_that_fails_is_told(write: Write) -> None:
    write(
        "main.py",
        """
        from hesper import Hesper

        async def connect() -> None:
            raise ConnectionError("no database")

        app = Hesper(on_startup=[connect])
        """,
    )
    result = piped("shell", input="print(1)")
    assert result.returncode == 1
    assert result.stdout == ""
    assert "ConnectionError: no database" in result.stderr
    assert "main.py, line 5, in connect" in result.stderr
    assert piped("shell", "--no-lifespan", input="print(1)").stdout == "1\n"


def test_without_a_lifespan_the_app_alone_is_in_scope(shop: Write) -> None:
    program = "print('app' in globals(), 'lifespan' in globals())"
    assert piped("shell", "--no-lifespan", input=program).stdout == "True False\n"


def say(opened: Terminal, text: str) -> str:
    """Type a line at the prompt, and return what is answered."""
    opened.until(">>> ")
    opened.write(f"{text}\n")
    opened.until(f"{text}\r\n")
    answer = opened.until(">>> ")
    opened.shown = ">>> " + opened.shown
    return plain(answer).replace("\r\n", "\n")


@pytest.fixture
def without_ipython(shop: Write) -> None:
    shop("IPython.py", "raise ModuleNotFoundError('No module named IPython', name='IPython')")


@pytest.mark.usefixtures("without_ipython")
def test_a_conversation_in_a_terminal() -> None:
    with terminal("shell") as opened:
        assert say(opened, "app.state.pool") == "'a pool'\n"
        assert say(opened, "import asyncio") == ""
        assert say(opened, "await asyncio.sleep(0, 'slept')") == "'slept'\n"
        assert say(opened, "1 / 0") == (
            "Traceback (most recent call last):\n"
            '  File "<console>", line 1, in <module>\n'
            "ZeroDivisionError: division by zero\n"
        )
        assert say(opened, "lifespan.phase.value") == "'ready'\n"
        opened.until(">>> ")
        opened.write("\x04")
        assert "the pool is closed" in opened.until_the_end()
        assert opened.process.returncode == 0


@pytest.mark.usefixtures("without_ipython")
def test_the_scope_is_told_first() -> None:
    with terminal("shell") as opened:
        assert "with app, lifespan in scope" in opened.until(">>> ")


@pytest.mark.usefixtures("without_ipython")
@pytest.mark.parametrize(
    "text", ["await asyncio.Event().wait()", "print(1); threading.Event().wait()"]
)
def test_a_line_can_be_interrupted(text: str) -> None:
    with terminal("shell") as opened:
        say(opened, "import asyncio, threading")
        opened.until(">>> ")
        opened.write(f"{text}\n")
        opened.until(f"{text}\r\n")
        opened.write("\x03")
        assert "KeyboardInterrupt" in opened.until(">>> ")
        opened.shown = ">>> "
        assert say(opened, "app.state.pool") == "'a pool'\n"
        opened.until(">>> ")
        opened.write("\x04")
        assert "the pool is closed" in opened.until_the_end()


@pytest.mark.usefixtures("without_ipython")
def test_the_tabulator_key_completes_names() -> None:
    with terminal("shell") as opened:
        opened.until(">>> ")
        opened.write("lifespan.pha\t.value\n")
        assert "'ready'" in opened.until(">>> ")


@pytest.mark.usefixtures("without_ipython")
def test_exit_ends_the_conversation_with_its_status() -> None:
    with terminal("shell") as opened:
        opened.until(">>> ")
        opened.write("exit(3)\n")
        assert "the pool is closed" in opened.until_the_end()
        assert opened.process.returncode == 3


def test_ipython_is_used_where_it_is_installed(shop: Write) -> None:
    # A terminal that can do nothing: IPython reads plain lines.
    with terminal("shell", environment={"TERM": "dumb", "IPYTHONDIR": "ipython"}) as opened:
        for number, (line, answer) in enumerate(
            [
                ("app.state.pool", "'a pool'"),
                ("import asyncio; await asyncio.sleep(0, app.state.pool)", "'a pool'"),
                ("lifespan.phase.value", "'ready'"),
            ],
            start=1,
        ):
            opened.until(f"In [{number}]: ")
            opened.write(f"{line}\r")
            opened.until("Out[")
            assert answer in opened.until("\r\n\r\n")
        opened.until("In [4]: ")
        opened.write("exit\r")
        assert "the pool is closed" in opened.until_the_end()
        assert opened.process.returncode == 0
