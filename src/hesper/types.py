"""The types to annotate with: ASGI's, and those of guards, hooks, handlers and lifespans."""

from __future__ import annotations

from hesper._types import (
    AfterExceptionHookHandler,
    Application,
    ASGIApp,
    BeforeMessageSendHookHandler,
    Empty,
    EmptyType,
    ExceptionHandler,
    Guard,
    Hook,
    HTTPScope,
    Message,
    Middleware,
    Provider,
    RawHeaders,
    Receive,
    RouteHandler,
    Scope,
    Send,
    TypeDecodersSequence,
    TypeEncodersMap,
    WebSocketScope,
)
from hesper.config.app import (
    CLIPlugin,
    OnAppInitHandler,
    Plugin,
)
from hesper.lifespan.hooks import LifespanHook, LifespanManager
from hesper.response.sse import SSEData
from hesper.router import ControllerRouterHandler

__all__ = [
    "ASGIApp",
    "AfterExceptionHookHandler",
    "Application",
    "BeforeMessageSendHookHandler",
    "CLIPlugin",
    "ControllerRouterHandler",
    "Empty",
    "EmptyType",
    "ExceptionHandler",
    "Guard",
    "HTTPScope",
    "Hook",
    "LifespanHook",
    "LifespanManager",
    "Message",
    "Middleware",
    "OnAppInitHandler",
    "Plugin",
    "Provider",
    "RawHeaders",
    "Receive",
    "RouteHandler",
    "SSEData",
    "Scope",
    "Send",
    "TypeDecodersSequence",
    "TypeEncodersMap",
    "WebSocketScope",
]
