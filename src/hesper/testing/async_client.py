"""The test client for async tests: httpx2's client, on the caller's loop, with an app behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Generic, Self, TypeVar, Unpack

import httpx2

from hesper._types import Application, ASGIApp
from hesper.lifespan.lifespan import Lifespan
from hesper.testing.belonging import Belonging, InLifespan
from hesper.testing.conversation import Conversation
from hesper.testing.requests import (
    DEFAULT_BASE_URL,
    ClientOptions,
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

__all__ = ("AsyncTestClient",)

AppT = TypeVar("AppT", bound=ASGIApp)


class AsyncTestClient(httpx2.AsyncClient, Generic[AppT]):
    """An async client whose requests an app answers. It lives as long as its `async with` block.

    All of httpx2's client is there. The block runs the app's lifespan in one task, its start-up
    when it is entered and its shutdown when it is left; without a block requests are answered, and
    no lifespan runs. Each request and each websocket is a call of the app in a task of its own,
    with a copy of the caller's context. A response that has been read is one whose call has
    returned: the work that an app does after its response is done.

    Args:
        app: The app that answers.
        base_url: What relative URLs are relative to.
        state: Whether the app is offered `scope["state"]`, as by servers that support it.
        raise_server_exceptions: Whether an exception that gets out of the app comes out of the
            client's call. If not, it is answered with a 500, or ends the response that had begun
            with an error. Hesper itself answers what handlers raise.
        root_path: The path under which the app is mounted. As with uvicorn, the app finds it in
            front of the path of each request.
        headers: Headers of every request.
        cookies: Cookies to begin with.
        client: Host and port that the app sees as the peer.
        timeout: How long to wait for the app's next message, in seconds.
        follow_redirects: Whether redirects are followed.
        lifespan: Whether the block runs the app's lifespan.
        spec_version: The version of the ASGI HTTP and websocket format to behave by. With "2.4" and
            later, sending to a client that has gone raises an `OSError` in the app.
    """

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
        headers: HeadersLike | None = None,
        cookies: CookiesLike | None = None,
        client: tuple[str, int] | None = ("testclient", 50000),
        timeout: TimeoutLike = None,
        follow_redirects: bool = True,
        lifespan: bool = True,
        spec_version: str = "2.3",
    ) -> None:
        self.app = app
        self._app_transport = AppTransport(
            Server(
                app=app,
                namespace={} if state else None,
                raise_server_exceptions=raise_server_exceptions,
                root_path=root_path,
                client=client,
                spec_version=spec_version,
                lifespan=lifespan,
            )
        )
        super().__init__(
            base_url=base_url,
            headers=client_headers(headers),
            cookies=cookies,
            timeout=timeout,
            follow_redirects=follow_redirects,
            transport=self._app_transport,
            trust_env=False,
        )
        self._belonging = Belonging(self._app_transport.server)

    @classmethod
    def on(
        cls, lifespan: Lifespan, **options: Unpack[ClientOptions]
    ) -> AsyncTestClient[Application]:
        """Return a client whose requests are served in *lifespan*; its block runs none.

        Args:
            lifespan: A lifespan that runs; the client does not end it.
            options: What the class takes.

        Raises:
            RuntimeError: The lifespan does not run.
        """
        served = InLifespan(lifespan)
        client = AsyncTestClient(lifespan.app, lifespan=False, **options)
        transport = client._app_transport
        transport.server = replace(transport.server, app=served, namespace=lifespan.namespace)
        client._belonging = Belonging(transport.server)
        return client

    @property
    def lifespan(self) -> Lifespan:
        """The lifespan of the block, if the app is a `Hesper`.

        Raises:
            RuntimeError: None runs, or the app is none of Hesper's.
        """
        return self._belonging.lifespan

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._belonging.begin()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._belonging.end()
        await super().__aexit__(exc_type, exc_value, traceback)

    def websocket_connect(
        self,
        url: httpx2.URL | str,
        subprotocols: Sequence[str] | None = None,
        *,
        params: ParamsLike | None = None,
        headers: HeadersLike | None = None,
    ) -> AsyncWebSocketTestSession:
        """Return a session for a websocket at *url*, to be entered with `async with`.

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
        transport = self._app_transport
        conversation = Conversation(transport.server, transport.calls)
        return AsyncWebSocketTestSession(conversation, request, offered)
