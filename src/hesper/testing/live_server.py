"""A real server for tests: uvicorn, on a free port, in a thread: `LiveServer`."""

from __future__ import annotations

import socket
import threading
import warnings
from types import TracebackType
from typing import Protocol, Self

from hesper._types import ASGIApp
from hesper.registry import Details, live
from hesper.testing.openings import Opening, noted


class Stoppable(Protocol):
    """A server that can be asked to stop."""

    should_exit: bool


class LiveServer:
    """A real server on this machine: `with LiveServer(app) as server: server.url`.

    It lives from entering to leaving; dropped without being left it is stopped, with a
    `ResourceWarning`. `hesper.live` lists it.

    Args:
        app: What it serves; its lifespan is run.
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one each time it is entered.
        drain_timeout: Seconds that requests are given to end when it is left, before they are
            cancelled. The app's streams and websockets are ended at once.
    """

    __slots__ = (
        "__weakref__",
        "_drain_timeout",
        "_opening",
        "_port",
        "_server",
        "_thread",
        "app",
        "host",
        "port",
    )

    def __init__(
        self, app: ASGIApp, host: str = "127.0.0.1", port: int = 0, *, drain_timeout: int = 10
    ) -> None:
        self.app = app
        self.host = host
        self.port = port
        """The port; while it runs, the one that it listens on."""
        self._port = port
        self._drain_timeout = drain_timeout
        self._server: Stoppable | None = None
        self._thread: threading.Thread | None = None
        self._opening: Opening | None = None

    @property
    def url(self) -> str:
        """The address of the running server, such as `http://127.0.0.1:49152`.

        Raises:
            RuntimeError: It is not running.
        """
        if self._server is None:
            raise RuntimeError("the server is not running; use `with LiveServer(app) as server:`")
        return self._address

    @property
    def _address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def describe(self) -> tuple[str, Details]:
        """Return what `hesper.live` shows of the server."""
        return self._address, {"host": self.host, "port": self.port}

    def __enter__(self) -> Self:
        """Start the server, and the app's lifespan.

        Raises:
            OSError: It cannot listen there.
            RuntimeError: It runs already, or the app could not be started.
        """
        if self._server is not None:
            raise RuntimeError(f"the server runs already, at {self.url}")
        # The server is optional; only this class needs it.
        from hesper.testing.uvicorn_server import UvicornServer

        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listening = socket.socket(family)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((self.host, self._port))
            self.port = listening.getsockname()[1]
            server = UvicornServer(self.app, self._drain_timeout)
            self._opening = noted("server", f"at {self._address}")
            # The thread knows the server alone, so that this object can be dropped while it runs.
            self._thread = server.start(listening, self._opening)
        except BaseException:
            listening.close()
            self._note_end()
            raise
        self._server = server
        live.add("server", self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        live.discard("server", self)
        server, thread = self._server, self._thread
        self._server = self._thread = None
        if server is not None:
            server.should_exit = True
        if thread is not None:
            thread.join()
        self._note_end()

    def _note_end(self) -> None:
        if self._opening is not None:
            self._opening.close()

    def __del__(self) -> None:
        server = getattr(self, "_server", None)
        if server is not None:
            # Nobody waits for the thread here: the collector may have come in any thread, even
            # that one, and anything may be locked.
            server.should_exit = True
            warnings.warn(
                f"the server at {self._address} was dropped while it ran; leave it with `with`",
                ResourceWarning,
                stacklevel=2,
            )
