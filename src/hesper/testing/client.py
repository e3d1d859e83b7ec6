"""The test client for sync tests: httpx2's client, with an app on a loop in a thread behind it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar

import httpx2
from anyio.from_thread import BlockingPortal

from hesper._types import ASGIApp
from hesper.lifespan.lifespan import Lifespan
from hesper.testing.belonging import Belonging
from hesper.testing.conversation import Conversation
from hesper.testing.portal import Portals, PortalTransport
from hesper.testing.portal_websocket import WebSocketTestSession
from hesper.testing.requests import (
    DEFAULT_BASE_URL,
    CookiesLike,
    HeadersLike,
    ParamsLike,
    TimeoutLike,
    client_headers,
    handshake,
)
from hesper.testing.server import Server
from hesper.testing.transport import AppTransport
from hesper.testing.websocket import AsyncWebSocketTestSession

__all__ = ("TestClient",)

AppT = TypeVar("AppT", bound=ASGIApp)


class TestClient(httpx2.Client, Generic[AppT]):
    """A sync client whose requests an app answers. It lives as long as its `with` block.

    Everything is as in `AsyncTestClient`, but for the app's loop: it runs in a thread of its own,
    which is there for the time of the block. Without a block each response has one for itself,
    until it is closed.

    Args:
        app: The app that answers.
        base_url: What relative URLs are relative to.
        state: Whether the app is offered `scope["state"]`, as by servers that support it.
        raise_server_exceptions: Whether an exception that gets out of the app comes out of the
            client's call. If not, it is answered with a 500, or ends the response that had begun
            with an error. Hesper itself answers what handlers raise.
        root_path: The path under which the app is mounted. As with uvicorn, the app finds it in
            front of the path of each request.
        backend: The kind of loop; asyncio is the only one.
        backend_options: What anyio takes to start asyncio, such as `{"use_uvloop": True}`.
        headers: Headers of every request.
        cookies: Cookies to begin with.
        client: Host and port that the app sees as the peer.
        timeout: How long to wait for the app's next message, in seconds.
        follow_redirects: Whether redirects are followed.
        lifespan: Whether the block runs the app's lifespan.
        spec_version: The version of the ASGI HTTP and websocket format to behave by. With "2.4" and
            later, sending to a client that has gone raises an `OSError` in the app.

    Raises:
        ValueError: The backend is not asyncio.
    """

    # pytest collects classes by this name.
    __test__ = False

    app: AppT
    """The app that answers."""

    def __init__(
        self,
        app: AppT,
        base_url: str = DEFAULT_BASE_URL,
        *,
        state: bool = True,
        raise_server_exceptions: bool = True,
        root_path: str = "",
        backend: Literal["asyncio"] = "asyncio",
        backend_options: dict[str, Any] | None = None,
        headers: HeadersLike | None = None,
        cookies: CookiesLike | None = None,
        client: tuple[str, int] | None = ("testclient", 50000),
        timeout: TimeoutLike = None,
        follow_redirects: bool = True,
        lifespan: bool = True,
        spec_version: str = "2.3",
    ) -> None:
        if backend != "asyncio":
            raise ValueError(f"The backend is {backend!r}; the test clients run on 'asyncio' only.")
        self.app = app
        server = Server(
            app=app,
            namespace={} if state else None,
            raise_server_exceptions=raise_server_exceptions,
            root_path=root_path,
            client=client,
            spec_version=spec_version,
            lifespan=lifespan,
        )
        self._portal_transport = PortalTransport(AppTransport(server), Portals(backend_options))
        super().__init__(
            base_url=base_url,
            headers=client_headers(headers),
            cookies=cookies,
            timeout=timeout,
            follow_redirects=follow_redirects,
            transport=self._portal_transport,
            trust_env=False,
        )
        self._belonging = Belonging(server)

    @property
    def lifespan(self) -> Lifespan:
        """The lifespan of the block, if the app is a `Hesper`.

        Raises:
            RuntimeError: None runs, or the app is none of Hesper's.
        """
        return self._belonging.lifespan

    def __enter__(self) -> Self:
        super().__enter__()
        self._belonging.begin()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._belonging.end()
        super().__exit__(exc_type, exc_value, traceback)

    def portal(self) -> AbstractContextManager[BlockingPortal]:
        """Return anyio's portal into the app's thread, for a `with` block.

        Inside the client's block it is the thread that the lifespan runs in.
        """
        return self._portal_transport.portals.entered()

    def websocket_connect(
        self,
        url: httpx2.URL | str,
        subprotocols: Sequence[str] | None = None,
        *,
        params: ParamsLike | None = None,
        headers: HeadersLike | None = None,
    ) -> WebSocketTestSession:
        """Return a session for a websocket at *url*, to be entered with `with`.

        Entering raises `WebSocketDisconnect` if the app refuses: with the code that it closes with,
        or as `WebSocketDeniedError` with the status and the response that it sends instead.

        Args:
            url: Where to connect to, relative to the base URL or absolute.
            subprotocols: What to offer to speak, the most wanted first.
            params: The query.
            headers: Headers of the handshake, besides those of the client.
        """
        offered = list(subprotocols or ())
        request = handshake(self.build_request("GET", url, params=params, headers=headers), offered)
        transport = self._portal_transport.transport
        session = AsyncWebSocketTestSession(
            Conversation(transport.server, transport.calls), request, offered
        )
        return WebSocketTestSession(self._portal_transport, session)
