"""What the merge rules come to, written again from the design's table, and values to try."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from hypothesis import strategies as st

from hesper import Extend, Provide, Replace, Request, Response, WebSocket
from hesper._merge import UNSET
from hesper.datastructures import CacheControlHeader, Cookie, ETag, ResponseHeader
from hesper.dto import DataclassDTO, MsgspecDTO
from hesper.params import Parameter

# The design's table, written out again.
KINDS: Final = {
    "before_request": "hooks, outer first",
    "after_request": "hooks, inner first",
    "after_response": "hooks, inner first",
    "cache_control": "replace",
    "etag": "replace",
    "dto": "replace",
    "return_dto": "replace",
    "include_in_schema": "replace",
    "request_class": "replace",
    "response_class": "replace",
    "websocket_class": "replace",
    "request_max_body_size": "replace",
    "when_disconnected": "replace",
    "guards": "extend",
    "middleware": "extend",
    "security": "extend",
    "tags": "extend",
    "type_decoders": "prepend",
    "dependencies": "overlay",
    "exception_handlers": "overlay",
    "opt": "overlay",
    "parameters": "overlay",
    "response_headers": "overlay",
    "response_cookies": "overlay",
    "type_encoders": "overlay",
}

INITIAL: Final[dict[str, Any]] = {
    "include_in_schema": True,
    "request_class": Request,
    "response_class": Response,
    "websocket_class": WebSocket,
    "request_max_body_size": 10_000_000,
    "when_disconnected": "finish",
}


def first(*_: object) -> None: ...
def second(*_: object) -> None: ...
def third(*_: object) -> None: ...
def fourth(*_: object) -> None: ...


@dataclass
class Point:
    x: int


class Pair(msgspec.Struct):
    y: int


class OwnRequest(Request): ...


class OwnResponse(Response[Any]): ...


class OwnWebSocket(WebSocket): ...


FUNCTIONS: Final = st.sampled_from([first, second, third, fourth])
NAMES: Final = st.sampled_from(["a", "b", "c"])
PROVIDERS: Final = {function: Provide(function) for function in (first, second, third, fourth)}


def normal_hooks(written: Any) -> tuple[Any, ...]:
    if written is None:
        return ()
    return tuple(written) if isinstance(written, list) else (written,)


def normal_headers(written: Any) -> dict[Any, Any]:
    if isinstance(written, dict):
        written = [ResponseHeader(name=name, value=value) for name, value in written.items()]
    return {header.name.lower(): header for header in written}


def normal_cookies(written: Any) -> dict[Any, Any]:
    if isinstance(written, dict):
        written = [Cookie(key=key, value=value) for key, value in written.items()]
    return {(cookie.key, cookie.path, cookie.domain): cookie for cookie in written}


def classes(kind: type, own: type) -> tuple[st.SearchStrategy[Any], Callable[[Any], Any]]:
    return st.sampled_from([kind, own, None]), lambda written: written or kind


def some(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, max_size=3)


def by(keys: st.SearchStrategy[Any], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(keys, values, max_size=3)


HOOKS: Final = (st.one_of(FUNCTIONS, some(FUNCTIONS), st.none()), normal_hooks)
DTOS: Final = (
    st.sampled_from([None, DataclassDTO[Point], MsgspecDTO[Pair]]),
    lambda written: written,
)
TEXT: Final = st.text("xyz", max_size=2)
HEADER: Final = st.builds(
    ResponseHeader, name=st.sampled_from(["X-A", "x-a", "X-B"]), value=st.sampled_from(["1", "2"])
)
COOKIE: Final = st.builds(
    Cookie, key=NAMES, value=TEXT, path=st.sampled_from(["/", "/x"]), domain=st.none()
)

# What users may write for each option, and what it means, in normal form.
WRITTEN: Final[dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], Any]]]] = {
    "before_request": HOOKS,
    "after_request": HOOKS,
    "after_response": HOOKS,
    "cache_control": (
        st.one_of(st.none(), st.builds(CacheControlHeader, max_age=st.integers(0, 9))),
        lambda written: written,
    ),
    "etag": (st.one_of(st.none(), st.builds(ETag, value=NAMES)), lambda written: written),
    "dto": DTOS,
    "return_dto": DTOS,
    "include_in_schema": (
        st.one_of(st.none(), st.booleans()),
        lambda written: written is not False,
    ),
    "request_class": classes(Request, OwnRequest),
    "response_class": classes(Response, OwnResponse),
    "websocket_class": classes(WebSocket, OwnWebSocket),
    "request_max_body_size": (
        st.one_of(st.none(), st.integers(0, 10**9)),
        lambda written: written,
    ),
    "when_disconnected": (st.sampled_from(["finish", "cancel"]), lambda written: written),
    "guards": (some(FUNCTIONS), tuple),
    "middleware": (some(FUNCTIONS), tuple),
    "security": (some(by(NAMES, some(NAMES))), tuple),
    "tags": (some(NAMES), tuple),
    "type_decoders": (some(st.tuples(FUNCTIONS, FUNCTIONS)), tuple),
    "dependencies": (by(NAMES, FUNCTIONS.map(PROVIDERS.__getitem__)), dict),
    "exception_handlers": (by(st.sampled_from([404, 500, ValueError]), FUNCTIONS), dict),
    "opt": (by(NAMES, st.integers()), dict),
    "parameters": (by(NAMES, st.builds(Parameter, query=NAMES)), dict),
    "response_headers": (
        st.one_of(by(st.sampled_from(["X-A", "x-a", "X-B"]), TEXT), some(HEADER)),
        normal_headers,
    ),
    "response_cookies": (st.one_of(by(NAMES, TEXT), some(COOKIE)), normal_cookies),
    "type_encoders": (by(st.sampled_from([int, str]), FUNCTIONS), dict),
}

OPTIONS: Final = st.sampled_from(sorted(KINDS))


def written_values(option: str) -> st.SearchStrategy[Any]:
    """Return what may be written for *option*, wrapped or not, or left out."""
    values, _ = WRITTEN[option]
    wrapped: list[st.SearchStrategy[Any]] = [values.map(Replace)]
    if KINDS[option] != "replace":
        wrapped.append(values.map(Extend))
    return st.one_of(st.just(UNSET), values, *wrapped)


@st.composite
def chains(draw: st.DrawFn) -> tuple[str, list[Any]]:
    """Draw an option, and what the layers of a chain say about it."""
    option = draw(OPTIONS)
    return option, draw(st.lists(written_values(option), max_size=6))


def naive(option: str, chain: Sequence[Any]) -> Any:
    """Return the value of *option*, straight from the table."""
    kind, normal = KINDS[option], WRITTEN[option][1]
    empty: Any = {"extend": (), "prepend": (), "overlay": {}}.get(kind.partition(",")[0])
    value: Any = () if kind.startswith("hooks") else INITIAL.get(option, empty)
    for written in chain:
        if written is UNSET:
            continue
        drops = kind.startswith(("hooks", "replace"))
        if isinstance(written, Extend):
            written, drops = written.value, False
        elif isinstance(written, Replace):
            written, drops = written.value, True
        inner = normal(written)
        if drops:
            value = inner
        elif kind in {"extend", "hooks, outer first"}:
            value = (*value, *inner)
        elif kind in {"prepend", "hooks, inner first"}:
            value = (*inner, *value)
        else:
            value = {**value, **inner}
    return value
