"""Written source: names that never collide, tracebacks that show it, and its end."""

from __future__ import annotations

import ast
import builtins
import gc
import inspect
import keyword
import linecache
import traceback
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper._source import Source


def written(*lines: str) -> Source:
    source = Source("def function(value):", ("function", "value"))
    for line in lines:
        source.add(line)
    return source


def test_blocks_are_indented() -> None:
    source = Source("def function(value):", ("function", "value"))
    with source.block("if value:"):
        source.add("return 1")
    source.add("return 2")
    assert source.text == "def function(value):\n    if value:\n        return 1\n    return 2\n"
    function = source.build("function", "test")
    assert (function(True), function(False)) == (1, 2)


def test_objects_are_bound_under_their_names() -> None:
    source = written()
    upper = source.bind("upper", str.upper)
    source.add(f"return {upper}(value)")
    assert "return upper(value)" in source.text
    assert source.build("function", "test")("a") == "A"


def test_an_object_is_bound_once() -> None:
    source, made = written(), object()
    assert source.bind("first", made) == source.bind("second", made) == "first"


def test_equal_objects_are_two() -> None:
    source = written()
    assert source.bind("name", [1]) != source.bind("name", [1])


def test_taken_names_are_numbered() -> None:
    source = written()
    assert [source.local("name") for _ in range(3)] == ["name", "name_2", "name_3"]
    assert source.local("value") == "value_2"
    assert source.local("function") == "function_2"


@pytest.mark.parametrize("name", ["Exception", "len", "isinstance", "None", "class", "lambda"])
def test_what_the_text_needs_under_its_own_name_is_never_given_away(name: str) -> None:
    assert written().local(name) != name


NAMES = st.one_of(
    st.text(max_size=8),
    st.sampled_from([*dir(builtins), *keyword.kwlist, *keyword.softkwlist, "<lambda>", "²", "ﬁ"]),
)


@given(st.lists(NAMES, max_size=8))
def test_any_name_becomes_a_variable_that_works(names: list[str]) -> None:
    source = Source("def function():", ("function",))
    values = [object() for _ in names]
    bound = [source.bind(name, value) for name, value in zip(names, values, strict=True)]
    source.add(f"return [{', '.join(bound)}]")
    assert source.build("function", "test")() == values


@given(st.lists(NAMES, min_size=1, max_size=8))
def test_any_name_becomes_a_local_of_its_own(names: list[str]) -> None:
    source = Source("def function():", ("function",))
    local = [source.local(name) for name in names]
    for number, name in enumerate(local):
        source.add(f"{name} = {number}")
    source.add(f"return [{', '.join(local)}]")
    assert source.build("function", "test")() == list(range(len(names)))


def test_the_text_is_what_inspect_shows() -> None:
    source = written("return value + 1")
    function = source.build("function", "GET /books")
    assert inspect.getsource(function) == source.text
    assert function.__code__.co_filename.startswith("<hesper GET /books #")


def test_two_functions_of_one_label_have_two_files() -> None:
    one, other = (
        written("return 1").build("function", "x"),
        written("return 2").build("function", "x"),
    )
    assert one.__code__.co_filename != other.__code__.co_filename
    assert "return 1" in inspect.getsource(one)
    assert "return 2" in inspect.getsource(other)


def test_functions_of_one_text_have_files_and_objects_of_their_own() -> None:
    functions = []
    for number in range(3):
        source = written("return [inner for inner in (1 / value, made)]")
        assert source.bind("made", number) == "made"
        functions.append(source.build("function", f"GET /{number}"))
    for number, function in enumerate(functions):
        assert function(1) == [1, number]
        with pytest.raises(ZeroDivisionError) as raised:
            function(0)
        (shown,) = [
            frame
            for frame in traceback.extract_tb(raised.value.__traceback__)
            if frame.filename.startswith("<hesper")
        ]
        assert shown.filename == function.__code__.co_filename
        assert shown.filename.startswith(f"<hesper GET /{number} #")
        assert shown.line == "return [inner for inner in (1 / value, made)]"


def test_code_inside_the_function_is_of_its_file_too() -> None:
    functions = [written("return (lambda: 1 / value)").build("function", "twice") for _ in range(2)]
    for function in functions:
        assert function(1).__code__.co_filename == function.__code__.co_filename
        assert "1 / value" in inspect.getsource(function(1))


def test_a_traceback_shows_the_line() -> None:
    function = written("difference = 1 / value", "return difference").build("function", "test")
    with pytest.raises(ZeroDivisionError) as raised:
        function(0)
    shown = "".join(traceback.format_exception(raised.value))
    assert "difference = 1 / value" in shown
    assert ", line 2, in function" in shown


def test_the_text_survives_a_check_of_the_cache() -> None:
    function = written("return 1").build("function", "test")
    linecache.checkcache()
    assert "return 1" in inspect.getsource(function)


def test_a_function_may_go_while_the_cache_is_checked() -> None:
    function = written("return 1").build("function", "test")
    filename = function.__code__.co_filename
    held = [function]
    del function

    class Entry(tuple[Any, ...]):
        def __len__(self) -> int:
            held.clear()
            return 1  # checked no further

    cache = linecache.cache
    # The entries of a dictionary are gone through in the order in which they came.
    text = cache.pop(filename)
    cache["before"] = Entry()
    cache[filename] = text
    try:
        linecache.checkcache()
    finally:
        del cache["before"]
    assert not held
    _ = written("return 2").build("function", "the next to go")
    del _
    assert filename not in cache


def test_the_function_and_its_text_go_together_without_the_collector() -> None:
    gc.disable()
    try:
        source = written("return bound(value)")
        source.bind("bound", len)
        function = source.build("function", "test")
        filename = function.__code__.co_filename
        reference = weakref.ref(function)
        assert filename in linecache.cache
        del function
        assert reference() is None
        assert filename not in linecache.cache
    finally:
        gc.enable()


def test_what_is_bound_lives_as_long_as_the_function() -> None:
    class Bound:
        pass

    bound = Bound()
    reference = weakref.ref(bound)
    source = written()
    source.add(f"return {source.bind('bound', bound)}")
    function = source.build("function", "test")
    del source, bound
    assert function(0) is reference()
    del function
    assert reference() is None


def test_the_function_is_not_reachable_from_its_own_globals() -> None:
    function: Any = written("return 1").build("function", "test")
    assert function not in [value for name, value in function.__globals__.items() if name[0] != "_"]


def test_the_text_is_python() -> None:
    assert isinstance(ast.parse(written("return value").text), ast.Module)
