"""A branch: what is above many handlers, folded once for all of them."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper import Extend, Hesper, Replace, Router, get, post, route, websocket
from hesper._resolution import Branch, option_of, options_of, resolve, resolved_options
from hesper._types import Empty
from hesper.handlers import HTTPRouteHandler
from hesper.layer import RULES, Layer, changes_of
from hesper.response import Response


def guard(_connection: object, _handler: object) -> None: ...


def hook(given: object) -> object:
    return given


class OwnResponse(Response[Any]):
    pass


SAID: dict[str, list[Any]] = {
    "guards": [[guard], [guard, print], Replace([guard]), Replace([])],
    "tags": [["a"], ["b"], Replace(["c"])],
    "opt": [{"a": 1}, {"b": 2}, {"a": 3}, Replace({"c": 4}), Replace({})],
    "after_request": [hook, [hook, print], Extend(hook), None],
    "response_class": [OwnResponse, None],
    "request_max_body_size": [5, None],
}

options = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(values) for name, values in SAID.items()}
)


@given(st.lists(options, max_size=4), options)
def test_a_branch_and_a_handler_come_to_what_the_whole_chain_comes_to(
    above: list[dict[str, Any]], own: dict[str, Any]
) -> None:
    layers = tuple(Router("/", **said) for said in above)
    handler = get("/", **own)
    resolved = Branch(layers).resolve(handler)
    expected = resolved_options([*layers, handler])
    assert options_of(resolved) == expected
    assert {name: option_of(resolved, name) for name in RULES} == expected
    assert {name: getattr(resolved, name) for name in RULES} == expected


def test_handlers_that_say_nothing_share_what_they_inherit() -> None:
    branch = Branch((Router(tags=["a"], guards=[guard]),))
    one, other = branch.resolve(get("/one")), branch.resolve(post("/other", name="other"))
    of_one, of_other = options_of(one), options_of(other)
    assert all(of_one[name] is of_other[name] for name in RULES if name != "opt")
    assert (one.path, other.path, other.name) == ("/one", "/other", "other")


def test_resolving_again_starts_from_what_the_layer_says() -> None:
    handler = get("/", tags=["own"])
    first = Branch((Router(tags=["a"]),)).resolve(handler)
    second = Branch((Router(tags=["b"]),)).resolve(handler)
    assert (first.tags, second.tags, handler.tags) == (("a", "own"), ("b", "own"), ["own"])


# Handlers that hold only what they say.

unchecked: Any = get
"""The decorator, called in ways that checkers refuse."""


@pytest.mark.parametrize("make", [get, post, websocket])
def test_a_handler_has_the_defaults_of_its_class(make: Callable[..., Layer]) -> None:
    handler: Any = make()
    assert handler.path == "/"
    assert handler.name is None
    assert handler.tags is Empty
    assert changes_of(handler) == {}


def test_what_a_handler_says_is_on_it() -> None:
    handler = get("/path", name="name", status_code=202, tags=["a"])
    assert (handler.path, handler.name, handler.status_code) == ("/path", "name", 202)
    assert handler.tags == ["a"]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda: unchecked("/", "/other"),
            "get takes at most 1 argument by position, not 2",
        ),
        (lambda: unchecked("/", path="/other"), "got multiple values for argument 'path'"),
        (lambda: unchecked("/", paths="/other"), "get has no option 'paths'; did you mean 'path'"),
        (lambda: unchecked("/", methods=("GET",)), "get has no option 'methods'"),
    ],
)
def test_a_wrong_call_is_a_type_error(call: Callable[[], object], says: str) -> None:
    with pytest.raises(TypeError, match=says):
        call()


def test_the_signature_shows_every_option() -> None:
    parameters = inspect.signature(get).parameters
    assert parameters.keys() >= RULES.keys()
    assert {"path", "name", "status_code"} <= parameters.keys()


def test_a_handler_never_changes() -> None:
    with pytest.raises(FrozenInstanceError):
        unchecked().tags = ["a"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class audited(get):
    """A user's own decorator, with an option more."""

    level: int = 1


def test_a_decorator_of_ones_own_may_have_further_options() -> None:
    declared = audited("/path", level=2, tags=["own"])
    (resolved,) = (resolve([Router(tags=["a"], guards=[guard]), declared]),)
    assert isinstance(resolved, audited)
    assert (resolved.level, resolved.path) == (2, "/path")
    assert option_of(resolved, "tags") == resolved.tags == ("a", "own")
    assert option_of(resolved, "guards") == resolved.guards == (guard,)


def test_a_decorator_of_ones_own_serves() -> None:
    @audited("/path", level=3)
    async def handle() -> int:
        return 1

    (served,) = Hesper([handle]).iter_routes()
    assert served.path == "/path"


def test_a_handler_can_be_copied() -> None:
    handler = route("/path", http_method=["GET"], tags=["a"])
    copied = copy.copy(handler)
    assert (copied.path, copied.tags) == ("/path", ["a"])
    assert changes_of(copied) == changes_of(handler)


def test_a_subclass_without_options_takes_those_of_its_base() -> None:
    class plain(HTTPRouteHandler):
        pass

    assert plain("/path", status_code=201).status_code == 201


def test_the_attributes_of_a_decorators_class_say_nothing() -> None:
    class audited(get):
        name = "audited"
        opt = {"role": "admin"}
        status_code = 201
        guards = (guard,)

    handler = audited("/path")
    assert changes_of(handler) == {}
    resolved: Any = resolve([Router(opt={"app": 1}), handler])
    assert (resolved.name, resolved.status_code) == (None, None)
    assert (resolved.opt, resolved.guards) == ({"app": 1}, ())
    passed: Any = resolve([Router(opt={"app": 1}), audited("/path", name="own", opt={"own": 2})])
    assert (passed.name, passed.opt) == ("own", {"app": 1, "own": 2})


def test_the_attributes_of_a_mixin_say_nothing() -> None:
    class Marked:
        tags = ("marked",)

    class marked(Marked, get):
        pass

    assert resolve([Router(tags=["a"]), marked()]).tags == ("a",)


def test_the_attributes_of_a_decorator_that_is_a_dataclass_say_nothing() -> None:
    @dataclass(frozen=True, kw_only=True, eq=False, repr=False)
    class levelled(get):
        opt = {"role": "admin"}
        level: int = 1

    assert resolve([Router(opt={"app": 1}), levelled()]).opt == {"app": 1}


@pytest.mark.parametrize("above", [{}, {"opt": {"a": 1}}], ids=["none", "above"])
@pytest.mark.parametrize("own", [{}, {"opt": {"b": 2}}], ids=["none", "own"])
def test_every_route_has_an_opt_of_its_own(above: dict[str, Any], own: dict[str, Any]) -> None:
    branch, handler = Branch((Router(**above),)), get("/", **own)
    one, other = branch.resolve(handler), branch.resolve(handler)
    vars(one)["opt"]["seen"] = 1
    expected = {**above.get("opt", {}), **own.get("opt", {})}
    assert other.opt == expected
    assert branch.resolve(handler).opt == expected
    assert Branch(()).resolve(get()).opt == {}
