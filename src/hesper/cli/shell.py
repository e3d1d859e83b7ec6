"""A Python shell inside a lifespan of the app.

The lifespan runs on a loop in a thread of its own, and what is awaited at the prompt runs there.
All else runs in the main thread, where it can be interrupted, and sees the same `app.state`.
"""

from __future__ import annotations

import ast
import code
import inspect
import sys
import traceback
import weakref
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import Any, Final, TypeAlias

import rich_click as click
from anyio import CancelScope
from anyio.from_thread import BlockingPortal, start_blocking_portal

from hesper.app import Hesper
from hesper.lifespan.lifespan import Lifespan
from hesper.lifetime import BELONGS_TO

__all__ = ("open_shell",)

Run: TypeAlias = Callable[[Coroutine[Any, Any, Any]], Any]
"""Runs a coroutine on the lifespan's loop, and returns what it returns."""

_AWAIT: Final = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


def open_shell(app: Hesper, *, with_lifespan: bool) -> None:
    """Run what the user writes, with `app` and `lifespan` in scope, until the input ends.

    A terminal is a conversation, in IPython if that is installed; other input is a program.

    Args:
        app: The app.
        with_lifespan: Whether a lifespan of it runs meanwhile.

    Raises:
        SystemExit: The user has called `exit`, with its status.
        Exception: Whatever the program, or the lifespan's start or stop, raises.
    """
    names: dict[str, Any] = {"__name__": "__main__", "app": app}
    status: object = None
    with start_blocking_portal("asyncio") as portal:
        run = _runner(portal)
        if with_lifespan:
            with portal.wrap_async_context_manager(app.lifespan()) as lifespan, _inside(lifespan):
                names["lifespan"] = lifespan
                status = _until_the_end(names, run)
        else:
            status = _until_the_end(names, run)
    raise SystemExit(status)


@contextmanager
def _inside(lifespan: Lifespan) -> Iterator[None]:
    """Let the caller's context be like that of a connection of *lifespan*."""
    for variable, value in lifespan.variables:
        variable.set(value)
    token = BELONGS_TO.set(weakref.ref(lifespan))
    try:
        yield
    finally:
        BELONGS_TO.reset(token)


def _runner(portal: BlockingPortal) -> Run:
    def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        scopes: list[CancelScope] = []
        interrupted = False

        async def awaited() -> tuple[Any, SystemExit | None]:
            with CancelScope() as scope:
                scopes.append(scope)
                if interrupted:
                    scope.cancel()
                try:
                    return await coroutine, None
                except SystemExit as end:  # in a task, it would end the loop
                    return None, end
            return None, None

        def interrupt() -> None:
            nonlocal interrupted
            interrupted = True  # the task may not have begun
            for scope in scopes:
                scope.cancel()

        try:
            result, end = portal.start_task_soon(awaited).result()
        except KeyboardInterrupt:
            # Not by the future, for it may have come before that was here.
            portal.call(interrupt)
            raise
        if end is not None:
            raise end
        return result

    return run


def _until_the_end(names: dict[str, Any], run: Run) -> object:
    """Return the status that the user has called `exit` with."""
    try:
        if not sys.stdin.isatty():
            program = compile(sys.stdin.read(), "<stdin>", "exec", _AWAIT, dont_inherit=True)
            _execute(program, names, run)
        elif not _in_ipython(names, run):
            _Console(names, run).converse()
    except SystemExit as end:
        # It must not pass through the lifespan: it is no error, and would end the loop.
        return end.code
    return None


def _execute(program: CodeType, names: dict[str, Any], run: Run) -> None:
    result = FunctionType(program, names)()
    if inspect.iscoroutine(result):
        run(result)


def _in_ipython(names: dict[str, Any], run: Run) -> bool:
    """Converse in IPython; `False` if it is not installed."""
    try:
        # Optional, and slow to load.
        from IPython import start_ipython
        from traitlets.config import Config
    except ModuleNotFoundError:
        return False
    config = Config()
    config.InteractiveShell.loop_runner = run
    config.TerminalIPythonApp.display_banner = False
    click.echo(_banner(names))
    start_ipython(argv=[], user_ns=names, config=config)
    return True


def _banner(names: dict[str, Any]) -> str:
    shown = ", ".join(name for name in names if not name.startswith("_"))
    return f"Python {sys.version.split()[0]}, with {shown} in scope. `await` works."


class _Console(code.InteractiveConsole):
    """Python's own console, in which `await` works; lives as long as the conversation.

    Args:
        names: The variables.
        run: Runs what is awaited.
    """

    def __init__(self, names: dict[str, Any], run: Run) -> None:
        super().__init__(names)
        self._names = names
        self._run = run
        self.compile.compiler.flags |= _AWAIT

    def converse(self) -> None:
        """Read and run until the input ends."""
        with_completion(self._names)
        self.interact(banner=_banner(self._names), exitmsg="")

    def runcode(self, code: CodeType) -> None:
        """Run one statement; its errors are shown from the user's own line on."""
        try:
            _execute(code, self._names, self._run)
        except Exception as error:
            trace = error.__traceback__
            while trace is not None and trace.tb_frame.f_code.co_filename != self.filename:
                trace = trace.tb_next
            self.write("".join(traceback.format_exception(type(error), error, trace)))


def with_completion(names: dict[str, Any]) -> None:
    """Let the tabulator key complete *names* and their attributes."""
    try:
        # Not on every platform.
        import readline
        import rlcompleter
    except ModuleNotFoundError:
        return
    readline.set_completer(rlcompleter.Completer(names).complete)
    readline.parse_and_bind("tab: complete")
