"""Middleware: what stands around a layer's routes, and base classes to write some."""

from __future__ import annotations

from hesper._middleware import DefineMiddleware
from hesper.middleware.abstract import AbstractMiddleware, MiddlewareProtocol
from hesper.middleware.asgi import ASGIMiddleware

__all__ = ["ASGIMiddleware", "AbstractMiddleware", "DefineMiddleware", "MiddlewareProtocol"]
