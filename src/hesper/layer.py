"""The layered options: each is declared here, once, and nowhere else.

A field's type says what an option takes, its default is the rule by which it combines along a
chain of layers, and its docstring says what it is for. Application, router, controller and handler
are layers, so all of them accept every option.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Protocol, Self, TypeAlias, TypeVar

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
from hesper._types import (
    ExceptionHandler,
    Guard,
    Hook,
    Middleware,
    Provider,
    TypeDecodersSequence,
)
from hesper.connection import Request, WebSocket
from hesper.datastructures import CacheControlHeader, Cookie, ETag, ResponseHeader
from hesper.di import Provide
from hesper.params import ParameterDeclaration
from hesper.response import Response

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
Headers: TypeAlias = Mapping[str, str] | Sequence[ResponseHeader]
Cookies: TypeAlias = Mapping[str, str] | Sequence[Cookie]


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
        by_class = isinstance(key, type) and issubclass(key, Exception)
        if not by_class and (not isinstance(key, int) or isinstance(key, bool)):
            raise TypeError(f"takes exception classes and status codes as keys, not {key!r}")
    return handlers


def _read_parameters(written: object) -> dict[str, ParameterDeclaration]:
    declarations: dict[str, ParameterDeclaration] = mapping(written)
    for name, value in declarations.items():
        if not isinstance(value, ParameterDeclaration):
            raise TypeError(f"takes a Parameter(...) for {name!r}, not {value!r}")
    return declarations


def _read_type_decoders(written: object) -> tuple[Any, ...]:
    pairs = several(written)
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not all(map(callable, pair)):
            raise TypeError(f"takes pairs (predicate, decoder), not {pair!r}")
    return tuple(tuple(pair) for pair in pairs)


def _read_headers(written: object) -> dict[str, ResponseHeader]:
    if isinstance(written, Mapping):
        headers: Sequence[Any] = [
            value if isinstance(value, ResponseHeader) else ResponseHeader(name=name, value=value)
            for name, value in written.items()
        ]
    else:
        headers = several(written)
    _require(ResponseHeader, headers)
    for header in headers:
        if header.name.lower() in _MADE_WITH_THE_BODY:
            raise TypeError(f"cannot set {header.name}: {_MADE_WITH_THE_BODY[header.name.lower()]}")
    return {header.name.lower(): header for header in headers}


_MADE_WITH_THE_BODY: Final = {
    "content-type": "it goes with each body; write media_type=... on the handler or the Response",
    "content-length": "it is counted from each body; leave it out, and write media_type=... on the "
    "handler if the type of the body is meant",
}


def _read_cookies(written: object) -> dict[tuple[str, str, str | None], Cookie]:
    if isinstance(written, Mapping):
        cookies: Sequence[Any] = [
            value if isinstance(value, Cookie) else Cookie(key=key, value=value)
            for key, value in written.items()
        ]
    else:
        cookies = several(written)
    _require(Cookie, cookies)
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


def _read_class(kind: type) -> Callable[[object], type]:
    def read(written: object) -> type:
        if written is None:
            return kind
        if isinstance(written, type) and issubclass(written, kind):
            return written
        raise TypeError(f"takes a subclass of {kind.__name__}, not {written!r}")

    return read


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
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

    middleware: Collected[Middleware] = extend(read=callables)
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

    type_encoders: Overlaid[Any, Callable[[Any], Any]] = overlay(read=mapping_to_callables)
    """Functions by type that turn values of responses into something encodable."""

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
        10_000_000, read=_read_body_size
    )
    """The largest accepted request body in bytes; `None` means no limit."""

    when_disconnected: str | Replace[str] | None = replace("finish")
    """What becomes of a handler whose client is gone: `"finish"` or `"cancel"`."""

    cache_control: CacheControlHeader | Replace[CacheControlHeader] | None = replace()
    """The `Cache-Control` header of successful responses."""

    etag: ETag | Replace[ETag] | None = replace()
    """The `ETag` header of successful responses."""

    dto: type[object] | Replace[type[object]] | None = replace()
    """Transforms the decoded body; `None` switches an outer one off."""

    return_dto: type[object] | Replace[type[object]] | None = replace()
    """Transforms the handler's result; `None` switches an outer one off."""

    include_in_schema: bool | Replace[bool] | None = replace(empty=True)
    """Whether the route appears in the OpenAPI document."""

    tags: Collected[str] = extend()
    """Tags of the route in the OpenAPI document."""

    security: Collected[Mapping[str, Sequence[str]]] = extend()
    """Security requirements of the route in the OpenAPI document."""

    def __new__(cls, *_positional: object, **options: object) -> Self:
        """Refuse unknown keywords with the name that was probably meant."""
        known = {field.name for field in fields(cls)}
        for name in options:
            if name not in known:
                raise TypeError(f"{cls.__name__} has no option {name!r}{did_you_mean(name, known)}")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        """Read every option that is set."""
        own = vars(self)
        changes = {
            name: rule.change(name, own[name])
            for name, rule in RULES.items()
            if own[name] is not UNSET
        }
        for name in NOT_YET.intersection(changes):
            raise TypeError(f"{name} does not work in this version of Hesper; leave it out")
        object.__setattr__(self, "_changes", changes)

    def __repr__(self) -> str:
        return f"<{self.label}>"

    @property
    def label(self) -> str:
        """How messages name the layer."""
        return type(self).__name__.lower()


NOT_YET: Final = frozenset(
    {
        "cache_control",
        "dto",
        "etag",
        "include_in_schema",
        "return_dto",
        "security",
        "tags",
        "when_disconnected",
    }
)
"""Options whose engines are still to come: using one is an error, so none is silently ignored."""

RULES: Final[Mapping[str, Rule]] = {f.name: f.metadata["rule"] for f in fields(Layer)}
"""The rule of every option, by name."""

LayerT = TypeVar("LayerT", bound=Layer)


def changes_of(layer: Layer) -> Mapping[str, Change]:
    """Return what *layer* itself says: a change for each option it sets."""
    changes: Mapping[str, Change] = vars(layer)["_changes"]
    return changes


def resolved_options(chain: Sequence[Layer]) -> dict[str, Any]:
    """Fold *chain*, outermost layer first: every option by name, each in its normal form."""
    folded: dict[str, Change] = {}
    for layer in chain:
        for name, change in changes_of(layer).items():
            outer = folded.get(name)
            folded[name] = change if outer is None else RULES[name].combine(outer, change)
    return {
        name: folded[name].value if name in folded else rule.empty for name, rule in RULES.items()
    }


def resolve(chain: Sequence[LayerT]) -> LayerT:
    """Return a copy of the innermost layer of *chain* with every option set and resolved."""
    innermost = chain[-1]
    resolved = object.__new__(type(innermost))
    vars(resolved).update(vars(innermost), **resolved_options(chain))
    return resolved


class DetachedLayer(Layer):
    """What an application says as a layer, without the application; lives with its plans."""

    @property
    def label(self) -> str:
        """How messages name the application."""
        return "application"


def detached(layer: Layer) -> Layer:
    """Return the options of *layer* as a layer that does not refer to it."""
    options = DetachedLayer()
    vars(options)["_changes"] = changes_of(layer)
    return options


def contributions(chain: Sequence[Layer], option: str) -> Iterator[tuple[Layer, Change]]:
    """Yield the layers of *chain* that take part in the value of *option*, outermost first."""
    found = [(layer, changes_of(layer)[option]) for layer in chain if option in changes_of(layer)]
    fresh = [index for index, (_, change) in enumerate(found) if change.fresh]
    yield from found[fresh[-1] if fresh else 0 :]


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return "; did you mean 'x'?" for the known name nearest to *name*, or nothing.

    One slip of the finger counts whatever the cutoff, as in a word like "guards" it leaves little
    resemblance; but in still shorter words, such as "tags", it makes too many others.
    """
    candidates = list(known)
    near = [word for word in candidates if len(word) > 4 and _is_one_slip(name, word)]
    near = near or difflib.get_close_matches(name, candidates, n=1, cutoff=cutoff)
    return f"; did you mean {near[0]!r}?" if near else ""


def _is_one_slip(name: str, option: str) -> bool:
    """Whether one letter is missing, added or another, or two neighbours are swapped."""
    for _end in ("last", "first"):
        while name and option and name[-1] == option[-1]:
            name, option = name[:-1], option[:-1]
        name, option = name[::-1], option[::-1]
    return max(len(name), len(option)) < 2 or (len(name) == 2 and name == option[::-1])
