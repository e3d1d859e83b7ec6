"""What few processes need, loaded when it is first used: `late.explain`, not an import at the top.

So importing the framework stays quick, and an app loads what it uses. A name is written as an
attribute of this module wherever it is used, in annotations too; type checkers read `_late.pyi`.
What every app needs is imported at the top of the files that use it, as everywhere.
"""

from __future__ import annotations

from typing import Final

from hesper._lazy import lazy

_HOME: Final = {
    # Messages about mistakes.
    "did_you_mean": "hesper._did_you_mean",
    "or_dependency": "hesper._plan.near",
    "debug_response": "hesper._compile.debug",
    # What tools and tests ask an app for.
    "AsyncTestClient": "hesper.testing.async_client",
    "ClientOptions": "hesper.testing.requests",
    "Explanation": "hesper.explanation",
    "Route": "hesper.routes",
    "document_page": "hesper.openapi.pages",
    "explain": "hesper.explanation",
    "route_of": "hesper.routes",
    # What a request, or a response, may be asked for or told.
    "Accept": "hesper.datastructures.accept",
    "Address": "hesper.datastructures.address",
    "CacheControlHeader": "hesper.datastructures.cache_control",
    "Conditional": "hesper.response.conditional",
    "Cookie": "hesper.datastructures.cookies",
    "ETag": "hesper.datastructures.etag",
    "ResponseHeader": "hesper.datastructures.response_header",
    "SameSite": "hesper.datastructures.cookies",
    "URL": "hesper.datastructures.url",
    "parse_cookie_header": "hesper.datastructures.cookies",
    "refuse_unmatched": "hesper.response.conditional",
    # What an app may have among its routes, or change of them.
    "DTO": "hesper._dto",
    "DocumentConfig": "hesper._openapi",
    "FaultFinder": "hesper._fault_walk",
    "Inbound": "hesper._dto",
    "InitialState": "hesper.lifespan.initial",
    "MountedRun": "hesper.lifespan.mounted",
    "Outbound": "hesper._dto",
    "Overheard": "hesper._compile.socket_recovery",
    "Overriding": "hesper._plan.override",
    "ResponseSpec": "hesper._openapi",
    "SocketRecovery": "hesper._compile.socket_recovery",
    "build_asgi": "hesper._compile.websocket",
    "build_websocket": "hesper._compile.websocket",
    "certain_call": "hesper._threads",
    "counted_call": "hesper._threads",
    "current_limiter": "hesper._threads",
    "ended_when_gone": "hesper._compile.disconnect",
    "idle": "hesper._plan.transfer",
    "import_anyio": "hesper._threads",
    "inbound": "hesper._plan.transfer",
    "mount": "hesper.handlers.mounting",
    "outbound": "hesper._plan.transfer",
    "reverse_path": "hesper._plan.reverse",
    "selective": "hesper._compile.exclusion",
    "socket_recovery_of": "hesper._compile.socket_recovery",
    # What hooks and plugins may change of an app.
    "AppConfig": "hesper.config.app",
    "CLIPlugin": "hesper.config.app",
    "OnAppInitHandler": "hesper.config.app",
    "Plugin": "hesper.config.app",
    "initialised": "hesper.config.app",
    "layered_options": "hesper.config.app",
    "options_of": "hesper.config.app",
    "own_options_of": "hesper.config.app",
}

__getattr__, __dir__ = lazy(globals(), _HOME)
