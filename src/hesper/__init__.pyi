"""Hesper: an ASGI framework in which every object has an owner and an end."""

from hesper._merge import Extend as Extend
from hesper._merge import Replace as Replace
from hesper.app import Hesper as Hesper
from hesper.connection.request import Request as Request
from hesper.connection.websocket import WebSocket as WebSocket
from hesper.controller import Controller as Controller
from hesper.di import Provide as Provide
from hesper.enums import MediaType as MediaType
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
from hesper.lifespan.lifespan import Lifespan as Lifespan
from hesper.lifetime import Lifetime as Lifetime
from hesper.registry import live as live
from hesper.response.response import Response as Response
from hesper.router import Router as Router

__all__: list[str]
