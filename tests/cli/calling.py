"""Ways to call the command line: in this process, piped in another, and in a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from click.testing import CliRunner, Result

from hesper.cli.commands import hesper

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def invoke(*arguments: str) -> Result:
    """Call the command line in this process."""
    return CliRunner().invoke(hesper, arguments, prog_name="hesper")


def python(*arguments: str, input: str = "") -> subprocess.CompletedProcess[str]:
    """Call Python in another process, with pipes."""
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        input=input,
    )


def piped(*arguments: str, input: str = "") -> subprocess.CompletedProcess[str]:
    """Call the command line in another process, with pipes."""
    return python("-m", "hesper", *arguments, input=input)


class Terminal:
    """A terminal in which the command line runs."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self.master = master
        self.shown = ""

    def read(self, *, seconds: float = 60) -> bool:
        """Read what is there next; false at the end."""
        ready, _, _ = select.select([self.master], [], [], seconds)
        assert ready, f"nothing more is shown after {self.shown!r}"
        try:
            read = os.read(self.master, 65536)
        except OSError:  # EIO: nobody has the other side open
            return False
        self.shown += read.decode()
        return bool(read)

    def until(self, text: str) -> str:
        """Return what is shown up to *text*, which is taken away."""
        while text not in self.shown:
            assert self.read(), f"the end came before {text!r}: {self.shown!r}"
        before, _, self.shown = self.shown.partition(text)
        return before

    def write(self, text: str) -> None:
        """Type *text*."""
        os.write(self.master, text.encode())

    def until_the_end(self) -> str:
        """Return all that is shown, and wait for the end of the process."""
        while self.read():
            pass
        self.process.wait(timeout=60)
        return self.shown


@contextmanager
def terminal(
    *arguments: str, columns: int = 80, environment: Mapping[str, str] | None = None
) -> Iterator[Terminal]:
    """Call the command line in another process, in a terminal."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    # Little is inherited: what colours are shown depends on many variables.
    kept = {key: value for key, value in os.environ.items() if re.match("PATH$|COVERAGE", key)}
    variables = {"TERM": "xterm-256color", **kept, **(environment or {})}
    with subprocess.Popen(
        [sys.executable, "-m", "hesper", *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=variables,
        start_new_session=True,
        # Ctrl-C interrupts those whom the terminal belongs to. No other thread is there.
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
    ) as process:
        os.close(slave)
        try:
            yield Terminal(process, master)
        finally:
            process.kill()
            os.close(master)


def shown(*arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """Return what the command line shows in a terminal of 80 columns."""
    with terminal(*arguments, environment=environment) as opened:
        return opened.until_the_end().replace("\r\n", "\n")


def plain(text: str) -> str:
    """Return *text* without escape sequences."""
    return ESCAPES.sub("", text)
