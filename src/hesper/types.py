"""The types to annotate with: ASGI's, and those of guards, hooks, handlers and lifespans."""

from __future__ import annotations

from hesper._types import (
    Application,
    ASGIApp,
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
    TypeDecoders,
    TypeEncoders,
    WebSocketScope,
)
from hesper.config.app import AfterException, BeforeSend, OnAppInit, Plugin
from hesper.lifespan.hooks import LifespanHook, LifespanManager
from hesper.response.sse import SSEData
from hesper.router import ControllerRouterHandler

__all__ = [
    "ASGIApp",
    "AfterException",
    "Application",
    "BeforeSend",
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
    "OnAppInit",
    "Plugin",
    "Provider",
    "RawHeaders",
    "Receive",
    "RouteHandler",
    "SSEData",
    "Scope",
    "Send",
    "TypeDecoders",
    "TypeEncoders",
    "WebSocketScope",
]
