"""Layers: what they accept, what they refuse, and how a chain of them is resolved."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from functools import partial
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper import (
    Extend,
    Hesper,
    Provide,
    Replace,
    Request,
    Router,
    asgi,
    delete,
    get,
    head,
    patch,
    post,
    put,
    route,
    websocket,
)
from hesper._did_you_mean import did_you_mean
from hesper._resolution import contributions, resolve, resolved_options
from hesper._types import Empty
from hesper.datastructures import CacheControlHeader, Cookie, ETag, ResponseHeader
from hesper.dto import MsgspecDTO
from hesper.layer import (
    RULES,
    Layer,
    changes_of,
)
from hesper.params import Parameter
from tests.merge_oracle import Pair

LAYERS: Final[dict[str, Callable[..., Layer]]] = {
    "application": Hesper,
    "router": Router,
    "get": get,
    "post": post,
    "put": put,
    "patch": patch,
    "delete": delete,
    "head": head,
    "route": partial(route, http_method="GET"),
    "websocket": websocket,
    "asgi": asgi,
}
every_layer = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)

VALUES: Final[dict[str, Any]] = {
    "before_request": len,
    "after_request": [len],
    "after_response": print,
    "guards": [print],
    "middleware": [lambda app: app],
    "dependencies": {"db": dict},
    "exception_handlers": {404: lambda _request, _error: None},
    "opt": {"a": 1},
    "parameters": {"page": Parameter(query="p")},
    "response_headers": {"x-a": "1"},
    "response_cookies": [Cookie(key="a", value="1")],
    "type_encoders": {int: str},
    "type_decoders": [(callable, len)],
    "request_class": Request,
    "response_class": None,
    "websocket_class": None,
    "request_max_body_size": 5,
    "when_disconnected": "cancel",
    "cache_control": CacheControlHeader(max_age=60),
    "etag": ETag(value="1"),
    "include_in_schema": False,
    "tags": ["books"],
    "security": [{"bearer": []}],
    "dto": MsgspecDTO[Pair],
    "return_dto": None,
}


@every_layer
@pytest.mark.parametrize("option", sorted(VALUES))
def test_every_layer_accepts_every_option(make: Callable[..., Layer], option: str) -> None:
    layer = make(**{option: VALUES[option]})
    assert list(changes_of(layer)) == [option]


def test_every_option_is_tried() -> None:
    assert VALUES.keys() == RULES.keys()


@every_layer
def test_a_layer_that_says_nothing_has_no_changes(make: Callable[..., Layer]) -> None:
    assert changes_of(make()) == {}


# Misspelt keywords.

ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz_"


@st.composite
def typos(draw: st.DrawFn) -> tuple[str, str]:
    """Draw an option, and its name with one mistake of the usual kinds."""
    # Two options differ by two letters, so that a slip in one may be as near to the other.
    twins = {"type_decoders", "type_encoders"}
    option = draw(st.sampled_from([name for name in RULES if len(name) > 5 and name not in twins]))
    index = draw(st.integers(0, len(option) - 2))
    before, here, after = option[:index], option[index], option[index + 1 :]
    letter = draw(st.sampled_from(ALPHABET))
    typo = draw(
        st.sampled_from(
            [
                before + after,
                before + letter + here + after,
                before + letter + after,
                before + after[0] + here + after[1:],
                option + letter,
            ]
        )
    )
    return option, typo


@given(typos(), st.sampled_from(sorted(LAYERS)))
def test_a_misspelt_keyword_is_refused_with_the_right_one(
    typo: tuple[str, str], layer: str
) -> None:
    option, misspelt = typo
    if misspelt in RULES:
        return
    with pytest.raises(TypeError, match=f"no option '{misspelt}'; did you mean '{option}'"):
        LAYERS[layer](**{misspelt: []})


@every_layer
def test_a_keyword_that_resembles_none_is_refused_without_a_guess(
    make: Callable[..., Layer],
) -> None:
    with pytest.raises(TypeError, match=r"has no option 'zzzzzzzz'$"):
        make(zzzzzzzz=1)


@pytest.mark.parametrize(
    ("make", "misspelt", "meant"),
    [
        (get, "nam", "name"),
        (get, "paht", "path"),
        (get, "status", "status_code"),
        (post, "mediatype", "media_type"),
        (partial(route, http_method="GET"), "methods", "http_method"),
        (asgi, "mount", "is_mount"),
        (Router, "handlers", "route_handlers"),
        (Hesper, "on_start", "on_startup"),
        (Hesper, "lifespans", "lifespan"),
    ],
)
def test_keywords_of_single_layers_are_suggested_too(
    make: Callable[..., Layer], misspelt: str, meant: str
) -> None:
    with pytest.raises(TypeError, match=f"did you mean '{meant}'"):
        make(**{misspelt: None})


# Values that do not fit.


@every_layer
@pytest.mark.parametrize(
    ("option", "written", "says"),
    [
        ("guards", print, r"guards: takes a list, not print .*; write \[print\]"),
        ("guards", ["admin"], "guards: takes a callable, not 'admin'"),
        ("guards", None, r"guards=Replace\(\[\]\)"),
        ("guards", Replace(None), "guards: takes a list"),
        ("guards", Extend(None), "guards: takes a list"),
        ("middleware", print, r"middleware: .*\[print\]"),
        ("middleware", [5], "middleware: takes a callable"),
        ("before_request", "hook", "before_request: takes a callable"),
        ("after_response", [print, 5], "after_response: takes a callable, not 5"),
        ("dependencies", [print], "dependencies: takes a mapping"),
        ("dependencies", {"db": 5}, r"dependencies: takes a callable or Provide.* for 'db'"),
        ("dependencies", None, r"dependencies=Replace\(\{\}\)"),
        ("exception_handlers", {"404": print}, "exception classes and status codes .* not '404'"),
        ("exception_handlers", {True: print}, "not True"),
        ("exception_handlers", {40: print}, "status codes from 100 to 599 as keys, not 40"),
        ("exception_handlers", {KeyboardInterrupt: print}, "not <class 'KeyboardInterrupt'>"),
        ("exception_handlers", {404: "page"}, "takes a callable for 404"),
        ("parameters", {"page": "p"}, r"takes a Parameter\(\.\.\.\) for 'page'"),
        ("response_headers", [("x-a", "1")], r"response_headers: takes ResponseHeader"),
        ("response_headers", "x-a: 1", "response_headers: takes a list"),
        ("response_cookies", ["a=1"], r"response_cookies: takes Cookie\(\.\.\.\)"),
        ("type_encoders", {int: "str"}, "type_encoders: takes a callable for int"),
        ("type_encoders", {"int": str}, "type_encoders: takes classes as keys.* not 'int'"),
        ("response_headers", {"x-count": 5}, "the value of the header 'x-count' is text, not 5"),
        ("type_decoders", [print], "type_decoders: takes pairs"),
        ("type_decoders", [(print, 5)], "type_decoders: takes pairs"),
        ("type_decoders", [(print,)], "type_decoders: takes pairs"),
        ("request_class", dict, "request_class: takes a subclass of Request"),
        ("response_class", "Response", "response_class: takes a subclass of Response"),
        ("websocket_class", Request, "websocket_class: takes a subclass of WebSocket"),
        ("request_max_body_size", -1, "request_max_body_size: takes a number of bytes"),
        ("request_max_body_size", "10 MB", "request_max_body_size: takes a number of bytes"),
        ("request_max_body_size", True, "request_max_body_size: takes a number of bytes"),
        ("request_max_body_size", Extend(5), r"request_max_body_size=Extend\(\.\.\.\) has no"),
        ("request_class", Extend(Request), r"request_class=Extend\(\.\.\.\) has no meaning"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(
    make: Callable[..., Layer], option: str, written: object, says: str
) -> None:
    with pytest.raises(TypeError, match=says):
        make(**{option: written})


def test_a_header_that_would_break_the_response_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="response_headers: "):
        Router(response_headers={"x-a": "1\r\nx-b: 2"})


def test_providers_may_stand_without_provide() -> None:
    (change,) = changes_of(Router(dependencies={"a": dict, "b": Provide(list)})).values()
    assert [type(provide) for provide in change.value.values()] == [Provide, Provide]
    assert change.value["a"].dependency is dict


def test_headers_and_cookies_are_keyed_by_what_makes_them_one() -> None:
    layer = Router(
        response_headers=[ResponseHeader(name="X-A", value="1")],
        response_cookies=[Cookie(key="a", value="1", path="/p", domain="d.example")],
    )
    assert changes_of(layer)["response_headers"].value.keys() == {"x-a"}
    assert changes_of(layer)["response_cookies"].value.keys() == {("a", "/p", "d.example")}


# What a layer is.


@every_layer
def test_layers_compare_and_hash_by_identity(make: Callable[..., Layer]) -> None:
    one, other = make(), make()
    assert one != other
    assert len({one, other, one}) == 2


@every_layer
def test_layers_can_be_weakly_referenced(make: Callable[..., Layer]) -> None:
    layer = make()
    assert weakref.ref(layer)() is layer


@every_layer
@pytest.mark.parametrize("option", ["guards", "path"])
def test_layers_never_change(make: Callable[..., Layer], option: str) -> None:
    layer = make()
    with pytest.raises(FrozenInstanceError):
        setattr(layer, option, [])


@every_layer
def test_layers_are_shown_by_their_label(make: Callable[..., Layer]) -> None:
    layer = make()
    assert repr(layer) == f"<{layer.label}>"


# Resolving.


def test_an_empty_chain_comes_to_the_values_nobody_sets() -> None:
    options = resolved_options([])
    assert options.keys() == RULES.keys()
    assert options["guards"] == ()
    assert options["dependencies"] == {}
    assert options["request_max_body_size"] == 10_000_000
    assert options["request_class"] is Request


def test_resolving_leaves_the_layers_as_they_were() -> None:
    outer, inner = Router(opt={"a": 1}), get(opt={"b": 2})
    resolved_options([outer, inner])
    assert changes_of(outer)["opt"].value == {"a": 1}
    assert changes_of(inner)["opt"].value == {"b": 2}
    assert inner.opt == {"b": 2}


def test_the_resolved_layer_is_another_of_the_innermost_kind() -> None:
    inner = get("/path", name="name", opt={"b": 2})
    resolved = resolve([inner])
    assert type(resolved) is get
    assert resolved is not inner
    assert (resolved.path, resolved.name) == ("/path", "name")
    assert resolved.opt == {"b": 2}
    assert resolved.guards == ()


def test_an_option_left_out_is_empty_on_the_declaration() -> None:
    guards: object = get().guards
    assert guards is Empty


def test_contributions_are_of_the_layers_that_take_part() -> None:
    silent, outer, dropping, inner = (
        Router(),
        Router(guards=[len]),
        Router(guards=Replace([print])),
        get(guards=[repr]),
    )
    found = list(contributions([silent, outer, dropping, inner], "guards"))
    assert [(layer, change.value) for layer, change in found] == [
        (dropping, (print,)),
        (inner, (repr,)),
    ]
    assert [layer for layer, _ in contributions([outer, silent, inner], "guards")] == [outer, inner]
    assert list(contributions([silent], "guards")) == []


@given(st.text(ALPHABET, max_size=12), st.lists(st.text(ALPHABET, min_size=1), max_size=5))
def test_a_hint_names_something_known(name: str, known: list[str]) -> None:
    hint = did_you_mean(name, known)
    assert not hint or any(repr(candidate) in hint for candidate in known)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({"Content-Type": "text/csv"}, "cannot set Content-Type: .* write media_type="),
        ([ResponseHeader(name="content-type", value="text/csv")], "cannot set content-type: "),
        ({"Content-Length": "5"}, "cannot set Content-Length: .* write media_type="),
        ({"Transfer-Encoding": "chunked"}, "cannot set Transfer-Encoding: it is the server's"),
    ],
)
@pytest.mark.parametrize("wrap", [lambda value: value, Extend, Replace])
def test_headers_that_are_made_with_the_body_cannot_be_set(
    written: Any, says: str, wrap: Any
) -> None:
    with pytest.raises(TypeError, match=f"^response_headers: {says}"):
        Router(response_headers=wrap(written))


def test_what_the_setter_of_a_subclass_makes_of_an_option_is_what_it_says() -> None:
    def read(router: Router) -> Any:
        return vars(router)["_guards"]

    def write(router: Router, given: Any) -> None:
        vars(router)["_guards"] = [*given, check] if given is not Empty else [check]

    class Guarded(Router):
        guards: Any = property(read, write)

    def check(_connection: Any, _handler: Any) -> None: ...

    def other(_connection: Any, _handler: Any) -> None: ...

    found = [resolved_options([made])["guards"] for made in (Guarded(), Guarded(guards=[other]))]
    assert found == [(check,), (other, check)]
