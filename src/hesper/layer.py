"""The layered options: each is declared here, once, and nowhere else.

A field's type says what an option takes, its default is the rule by which it combines along a
chain of layers, and its docstring says what it is for. Application, router, controller and handler
are layers, so all of them accept every option.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, ClassVar, Final, Literal, Protocol, Self, TypeAlias, TypeVar

import msgspec

import hesper._late as late
from hesper._merge import (
    UNSET,
    Change,
    Extend,
    Replace,
    Rule,
    callables,
    extend,
    inner_first,
    mapping,
    mapping_to_callables,
    outer_first,
    overlay,
    prepend,
    replace,
    replace_hooks,
    require_callable,
    several,
)
from hesper._middleware import read_middleware
from hesper._place import Place, place_of, place_of_caller
from hesper._sparse import shape_of, sparse
from hesper._types import (
    DeclaredMiddleware,
    ExceptionHandler,
    Guard,
    Hook,
    Middleware,
    Provider,
    TypeDecodersSequence,
)
from hesper.connection.request import DEFAULT_MAX_BODY_SIZE, Request
from hesper.connection.websocket import WebSocket
from hesper.di import Provide
from hesper.params import ParameterDeclaration
from hesper.response.response import Response

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")

K_co = TypeVar("K_co", covariant=True)
V_co = TypeVar("V_co", covariant=True)


class Table(Protocol[K_co, V_co]):
    """What checkers ask of a mapping that is only read.

    `Mapping` is invariant in its keys: a `dict[str, Provide]` would not do where the keys may also
    be types.
    """

    def items(self) -> Iterable[tuple[K_co, V_co]]:
        """Return pairs of a key and its value."""
        ...


Collected: TypeAlias = Sequence[T] | Extend[Sequence[T]] | Replace[Sequence[T]]
Overlaid: TypeAlias = Table[K, V] | Extend[Table[K, V]] | Replace[Table[K, V]]
Hooks: TypeAlias = Hook | Sequence[Hook]
Hooked: TypeAlias = Hooks | Extend[Hooks] | Replace[Hooks | None] | None
Headers: TypeAlias = Mapping[str, str] | Sequence["late.ResponseHeader"]
Cookies: TypeAlias = Mapping[str, str] | Sequence["late.Cookie"]
WhenDisconnected: TypeAlias = Literal["finish", "cancel"]


def _read_dependencies(written: object) -> dict[Any, Provide]:
    read: dict[Any, Provide] = {}
    for key, value in mapping(written).items():
        if not isinstance(value, Provide):
            require_callable(value, f" or Provide(...) for {key!r}")
        read[key] = value if isinstance(value, Provide) else Provide(value)
    return read


def _read_exception_handlers(written: object) -> dict[Any, Any]:
    handlers = mapping_to_callables(written)
    for key in handlers:
        if isinstance(key, int) and not isinstance(key, bool):
            if not 100 <= key <= 599:
                raise TypeError(f"takes status codes from 100 to 599 as keys, not {key!r}")
        elif not isinstance(key, type) or not issubclass(key, Exception):
            raise TypeError(f"takes exception classes and status codes as keys, not {key!r}")
    return handlers


def _read_parameters(written: object) -> dict[str, ParameterDeclaration]:
    declarations: dict[str, ParameterDeclaration] = mapping(written)
    for name, value in declarations.items():
        if not isinstance(value, ParameterDeclaration):
            raise TypeError(f"takes a Parameter(...) for {name!r}, not {value!r}")
    return declarations


def _read_type_encoders(written: object) -> dict[type[Any], Callable[[Any], Any]]:
    encoders = mapping_to_callables(written)
    for key in encoders:
        if not isinstance(key, type):
            raise TypeError(f"takes classes as keys, whose instances are encoded, not {key!r}")
    return encoders


def _read_type_decoders(written: object) -> tuple[Any, ...]:
    pairs = several(written)
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not all(map(callable, pair)):
            raise TypeError(f"takes pairs (predicate, decoder), not {pair!r}")
    return tuple(tuple(pair) for pair in pairs)


def _read_headers(written: object) -> dict[str, late.ResponseHeader]:
    if isinstance(written, Mapping):
        headers: Sequence[Any] = [
            value
            if isinstance(value, late.ResponseHeader)
            else late.ResponseHeader(name=name, value=value)
            for name, value in written.items()
        ]
    else:
        headers = several(written)
    _require(late.ResponseHeader, headers)
    for header in headers:
        if header.name.lower() in _MADE_WITH_THE_BODY:
            raise TypeError(f"cannot set {header.name}: {_MADE_WITH_THE_BODY[header.name.lower()]}")
    return {header.name.lower(): header for header in headers}


_MADE_WITH_THE_BODY: Final = {
    "content-type": "it goes with each body; write media_type=... on the handler or the Response",
    "content-length": "it is counted from each body; leave it out, and write media_type=... on the "
    "handler if the type of the body is meant",
    "transfer-encoding": "it is the server's, which knows how a body travels; leave it out",
}


def _read_cookies(written: object) -> dict[tuple[str, str, str | None], late.Cookie]:
    if isinstance(written, Mapping):
        cookies: Sequence[Any] = [
            value if isinstance(value, late.Cookie) else late.Cookie(key=key, value=value)
            for key, value in written.items()
        ]
    else:
        cookies = several(written)
    _require(late.Cookie, cookies)
    return {(cookie.key, cookie.path, cookie.domain): cookie for cookie in cookies}


def _require(kind: type, values: Sequence[object]) -> None:
    for value in values:
        if not isinstance(value, kind):
            raise TypeError(f"takes {kind.__name__}(...) in a list, not {value!r}")


def _read_body_size(written: object) -> int | None:
    if written is None:
        return None
    if isinstance(written, int) and not isinstance(written, bool) and written >= 0:
        return written
    raise TypeError(f"takes a number of bytes, or None for no limit, not {written!r}")


def _read_include_in_schema(written: object) -> bool:
    if written is None:
        return True
    if isinstance(written, bool):
        return written
    raise TypeError(f"takes True or False, not {written!r}")


def _read_tags(written: object) -> tuple[str, ...]:
    tags = several(written)
    for tag in tags:
        if not isinstance(tag, str):
            raise TypeError(f"takes a list of strings, not {tag!r} in it")
    return tags


def _read_security(written: object) -> tuple[Mapping[str, Sequence[str]], ...]:
    requirements = several(written)
    for requirement in requirements:
        if not isinstance(requirement, Mapping) or any(
            isinstance(scopes, str) or not isinstance(scopes, Sequence)
            for scopes in requirement.values()
        ):
            raise TypeError(
                "takes mappings of a security scheme to a list of scopes, such as "
                f'{{"bearer": []}}, not {requirement!r}'
            )
    return requirements


def _read_when_disconnected(written: object) -> str:
    if written is None:
        return "finish"
    if isinstance(written, str) and written in {"finish", "cancel"}:
        return written
    raise TypeError(f'takes "finish" or "cancel", not {written!r}')


def _read_class(kind: type) -> Callable[[object], type]:
    def read(written: object) -> type:
        if written is None:
            return kind
        if isinstance(written, type) and issubclass(written, kind):
            return written
        raise TypeError(f"takes a subclass of {kind.__name__}, not {written!r}")

    return read


def _read_dto(written: object) -> type[late.DTO] | None:
    if written is None:
        return None
    if not isinstance(written, type) or not issubclass(written, late.DTO):
        raise TypeError(f"takes a DTO, such as DataclassDTO[Book], not {written!r}")
    if written.model_type is None:
        raise TypeError(f"takes a DTO with its model; write {written.__name__}[...]")
    return written


def _read_cache_control(written: object) -> late.CacheControlHeader | None:
    if written is None or isinstance(written, late.CacheControlHeader):
        return written
    raise TypeError(f"takes CacheControlHeader(...), or None for none, not {written!r}")


def _read_etag(written: object) -> late.ETag | None:
    if written is None or isinstance(written, late.ETag):
        return written
    raise TypeError(f"takes ETag(...), or None for none, not {written!r}")


@sparse
class Layer:
    """The options that every layer accepts; one that is left out is inherited.

    Never changes once it is made. Compares and hashes by identity.

    Raises:
        TypeError: An option is unknown, or its value does not fit.
    """

    before_request: Hooked = replace_hooks(outer_first)
    """Called with the request before the handler; a value other than `None` it returns answers
    the request in the handler's place."""

    after_request: Hooked = replace_hooks(inner_first)
    """Called with the response the handler's result became; returns the response to send."""

    after_response: Hooked = replace_hooks(inner_first)
    """Called with the request once the response is sent, whatever the outcome was."""

    guards: Collected[Guard] = extend(read=callables)
    """Called with the connection and the route handler; raise to refuse the connection."""

    middleware: Collected[Middleware | DeclaredMiddleware] = extend(read=read_middleware)
    """ASGI middleware around everything inside the layer; the first is the outermost."""

    dependencies: Overlaid[str | type[Any], Provide | Provider] = overlay(read=_read_dependencies)
    """Providers by the name, or the type, of the arguments they fill."""

    exception_handlers: Overlaid[int | type[Exception], ExceptionHandler] = overlay(
        read=_read_exception_handlers
    )
    """Handlers of exceptions by exception class or status code; the nearest layer's is asked
    first."""

    opt: Overlaid[str, Any] = overlay()
    """Free-form values that guards, middleware and plugins read from the route handler."""

    parameters: Overlaid[str, ParameterDeclaration] = overlay(read=_read_parameters)
    """Declarations of parameters by argument name, for all handlers inside the layer."""

    response_headers: Headers | Extend[Headers] | Replace[Headers] = overlay(read=_read_headers)
    """Headers of every response; one that the response sets itself wins."""

    response_cookies: Cookies | Extend[Cookies] | Replace[Cookies] = overlay(read=_read_cookies)
    """Cookies of every response; one that the response sets itself wins."""

    type_encoders: Overlaid[Any, Callable[[Any], Any]] = overlay(read=_read_type_encoders)
    """Functions by type that turn values of responses, and of what a websocket sends, into
    something encodable."""

    type_decoders: (
        TypeDecodersSequence | Extend[TypeDecodersSequence] | Replace[TypeDecodersSequence]
    ) = prepend(read=_read_type_decoders)
    """Pairs of a predicate on a type and a decoder `(type, value) -> instance`; the first that
    accepts the type is used."""

    request_class: type[Request] | Replace[type[Request]] | None = replace(
        Request, read=_read_class(Request)
    )
    """The class of request objects."""

    response_class: type[Response[Any]] | Replace[type[Response[Any]]] | None = replace(
        Response, read=_read_class(Response)
    )
    """The class of the response that a handler's plain result becomes."""

    websocket_class: type[WebSocket] | Replace[type[WebSocket]] | None = replace(
        WebSocket, read=_read_class(WebSocket)
    )
    """The class of websocket objects."""

    request_max_body_size: int | Replace[int | None] | None = replace(
        DEFAULT_MAX_BODY_SIZE, read=_read_body_size
    )
    """The largest accepted request body in bytes; `None` means no limit."""

    when_disconnected: WhenDisconnected | Replace[WhenDisconnected] | None = replace(
        "finish", read=_read_when_disconnected
    )
    """What becomes of a handler whose client is gone: `"finish"`, or `"cancel"`, which still runs
    the exits of its dependencies and the `after_response` hooks."""

    cache_control: late.CacheControlHeader | Replace[late.CacheControlHeader | None] | None = (
        replace(read=_read_cache_control)
    )
    """The `Cache-Control` header of successful responses; the response's own wins."""

    etag: late.ETag | Replace[late.ETag | None] | None = replace(read=_read_etag)
    """The `ETag` header of successful responses, which answers conditional requests; the
    response's own wins."""

    dto: type[late.DTO] | Replace[type[late.DTO] | None] | None = replace(read=_read_dto)
    """Transforms the decoded body, and the handler's result if there is no `return_dto`; `None`
    switches an outer one off."""

    return_dto: type[late.DTO] | Replace[type[late.DTO] | None] | None = replace(read=_read_dto)
    """Transforms the handler's result; `None` switches an outer one off."""

    include_in_schema: bool | Replace[bool] | None = replace(True, read=_read_include_in_schema)
    """Whether the route appears in the OpenAPI document; `None` means it does."""

    tags: Collected[str] = extend(read=_read_tags)
    """Tags of the route in the OpenAPI document."""

    security: Collected[Mapping[str, Sequence[str]]] = extend(read=_read_security)
    """Security requirements of the route in the OpenAPI document, of which a client meets one."""

    _holds_defaults: ClassVar[bool] = False
    """Whether the layers of a class hold the defaults of what has no rule, as they are few."""

    def __new__(cls, /, *_positional: object, **_options: object) -> Self:
        """Note where the layer is declared."""
        layer = super().__new__(cls)
        vars(layer)["_declared_at"] = place_of_caller()
        return layer

    def __post_init__(self) -> None:
        """Read every option that is set."""
        own = written = vars(self)
        if descriptors := shape_of(type(self)).descriptors:
            said = [name for name in RULES if descriptors.get(name, MISSING) is not MISSING]
            written = {**own, **{name: getattr(self, name) for name in said}}
        # In the order of the rules, whatever was passed first.
        names = () if RULES.keys().isdisjoint(written) else RULES
        changes = {
            name: RULES[name].change(name, written[name])
            for name in names
            if written.get(name, UNSET) is not UNSET
        }
        own["_changes"] = changes or _NO_CHANGES

    def __repr__(self) -> str:
        return f"<{self.label}>"

    @property
    def label(self) -> str:
        """How messages name the layer."""
        return type(self).__name__.lower()


RULES: Final[Mapping[str, Rule]] = {f.name: f.metadata["rule"] for f in fields(Layer)}
"""The rule of every option, by name."""

_NO_CHANGES: Final[Mapping[str, Change]] = {}  # of all that say nothing; stays empty

LayerT = TypeVar("LayerT", bound=Layer)


def changes_of(layer: Layer) -> Mapping[str, Change]:
    """Return what *layer* itself says: a change for each option it sets."""
    changes: Mapping[str, Change] = vars(layer)["_changes"]
    return changes


def declared_at(layer: Layer) -> Place | None:
    """Return where *layer* is declared; `None` if nobody knows."""
    place: Place | type | None = vars(layer).get("_declared_at")
    return place_of(place) if isinstance(place, type) else place


class Amendment(msgspec.Struct, frozen=True, eq=False):
    """What a hook or plugin made of an application's option before the app was built."""

    option: str
    hook: Callable[..., object]
    before: Any
    """The option's value as the hook found it."""
    after: Any
    """The option's value as the hook left it."""


def amendments_of(layer: Layer) -> Sequence[Amendment]:
    """Return what hooks and plugins changed of an application's options, in order."""
    amendments: Sequence[Amendment] = vars(layer).get("_amendments", ())
    return amendments
