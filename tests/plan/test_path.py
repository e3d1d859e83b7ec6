"""Path templates: what they may look like, and what is wrong with the others."""

from __future__ import annotations

from typing import Any, SupportsIndex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper._plan.path import (
    TYPES,
    BadPath,
    PathParameterSegment,
    join_paths,
    parse_path,
)


@pytest.mark.parametrize(
    ("paths", "joined"),
    [
        ((), "/"),
        (("/",), "/"),
        (("", "/", "//"), "/"),
        (("a",), "/a"),
        (("/a/", "/b/"), "/a/b"),
        (("/a", "/", "b"), "/a/b"),
        (("/a//b",), "/a/b"),
        (("/{x:int}/", "b"), "/{x:int}/b"),
    ],
)
def test_paths_join_with_one_slash_between(paths: tuple[str, ...], joined: str) -> None:
    assert join_paths(*paths) == joined


@pytest.mark.parametrize("kind", TYPES)
def test_a_parameter_has_a_name_and_a_type(kind: str) -> None:
    (segment,) = parse_path(f"/{{name:{kind}}}").parameters
    assert segment == PathParameterSegment("name", kind)
    assert str(segment) == f"{{name:{kind}}}"


def test_spaces_around_name_and_type_are_ignored() -> None:
    assert parse_path("/{ name : int }") == parse_path("/{name:int}")


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/{x}", r"'\{x\}' has no type; write \{x:str\} or one of int, float"),
        ("/{x:}", "has no type"),
        ("/{x:integer}", "has unknown type 'integer'"),
        ("/{x:INT}", "has unknown type 'INT'"),
        ("/{:int}", "has no name that a function's argument can have"),
        ("/{1x:int}", "has no name"),
        ("/{a-b:int}", "has no name"),
        ("/{class:int}", "has no name"),
        ("/x{y:int}", "is not a parameter: one is a whole segment"),
        ("/{y:int}.json", "is not a parameter"),
        ("/{a:int}{b:int}", "is not a parameter"),
        ("/{x:int", "is not a parameter"),
        ("/x}", "is not a parameter"),
        ("/{{x:int}}", "is not a parameter"),
        ("/{x:path}/more", r"\{x:path\} takes all the rest of a path, so it must be the last"),
        ("/{x:int}/{x:str}", "the parameter 'x' stands twice in .*; rename one"),
        ("/search?q=1", "has a query or a fragment.*take query parameters as arguments"),
        ("/page#top", "has a query or a fragment"),
        ("/caf%C3%A9", "is percent-encoded, but paths are matched decoded; write 'café'"),
        ("/a\n", "has characters that cannot be seen"),
        ("/a\x00b", "has characters that cannot be seen"),
        ("/\ud800", "has characters that cannot be seen"),
    ],
)
def test_a_bad_path_is_refused_with_the_fix(path: str, says: str) -> None:
    with pytest.raises(BadPath, match=says):
        parse_path(path)


@pytest.mark.parametrize(
    "path", ["/a b", "/é", "/日本", "/100%", "/a.b-c_d~e", "/*", "/a:b", "/@x"]
)
def test_a_plain_segment_may_be_any_text_that_can_be_seen(path: str) -> None:
    assert parse_path(path).segments == (path[1:],)


SEGMENTS = st.one_of(
    st.from_regex(r"[a-z0-9_.~ -]{1,5}", fullmatch=True),
    st.builds(
        PathParameterSegment,
        st.from_regex(r"[a-z]{1,2}_", fullmatch=True),
        st.sampled_from([kind for kind in TYPES if kind != "path"]),
    ),
)


@given(st.lists(SEGMENTS, unique_by=str, max_size=6))
def test_a_template_reads_back_from_its_text(segments: list[str | PathParameterSegment]) -> None:
    parameters = [s for s in segments if isinstance(s, PathParameterSegment)]
    text = "/" + "/".join(map(str, segments))
    if len({parameter.name for parameter in parameters}) < len(parameters):
        with pytest.raises(BadPath, match="stands twice"):
            parse_path(text)
        return
    template = parse_path(text)
    assert template.segments == tuple(segments)
    assert template.parameters == tuple(parameters)
    assert str(template) == text
    assert parse_path(str(template)) == template


@given(st.text(max_size=20))
def test_any_text_is_a_path_or_a_bad_one(text: str) -> None:
    try:
        template = parse_path(join_paths(text))
    except BadPath:
        return
    assert parse_path(str(template)) == template


class Text(str):
    """A string whose parts are of its class, as those of escaped text are."""

    __slots__ = ()

    def split(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[Any]:
        return [Text(part) for part in super().split(sep, maxsplit)]


def test_a_path_may_be_of_a_class_of_its_own() -> None:
    template = parse_path(Text("/books/{number:int}"))
    assert template == parse_path("/books/{number:int}")
    assert type(template.segments[0]) is str
