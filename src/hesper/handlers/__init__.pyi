"""Route handlers and the decorators that declare them."""

from hesper.handlers.handler import BaseRouteHandler as BaseRouteHandler
from hesper.handlers.http import HTTPRouteHandler as HTTPRouteHandler
from hesper.handlers.http import delete as delete
from hesper.handlers.http import get as get
from hesper.handlers.http import head as head
from hesper.handlers.http import patch as patch
from hesper.handlers.http import post as post
from hesper.handlers.http import put as put
from hesper.handlers.mounting import mount as mount
from hesper.handlers.several import route as route
from hesper.handlers.whole import asgi as asgi
from hesper.handlers.whole import websocket as websocket

__all__: tuple[str, ...]
