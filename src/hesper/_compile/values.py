"""Write the source that takes a call's arguments from the connection.

Each value is taken once and shared by all calls of the route that want the same. Values that must
be decoded are taken in one `try`: if one does not fit, all of them are looked at again, one by
one, so that every fault of a request is reported, and a request without faults pays nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from hesper._compile.decoders import (
    CHECK_JSON,
    Decoders,
    MediaTypeCheck,
    check_media_type,
    kind_of,
    unmarked,
)
from hesper._compile.faults import RequestValues, cookies_by_name, headers_by_name
from hesper._plan.arguments import READ_FROM_REQUEST, Argument
from hesper._plan.arguments import Source as From
from hesper._plan.graph import Step
from hesper._plan.path import TYPES
from hesper._plan.plan import Plan
from hesper._signature import MISSING, without_extras
from hesper._source import Source
from hesper._types import LIFESPAN_KEY
from hesper.connection.connection import ASGIConnection
from hesper.connection.request import FAILED, RUNNING, body_in_parts, kept_body, read_body
from hesper.datastructures.headers import Headers
from hesper.datastructures.multi_dict import ImmutableMultiDict
from hesper.datastructures.query import parse_query_string
from hesper.datastructures.state import State
from hesper.enums import RequestEncodingType
from hesper.layer import changes_of
from hesper.params import Body

_EMPTY: Final[dict[str, list[str]]] = {}

_LONGEST_LITERAL: Final = 30
_LARGEST_LITERAL: Final = 10**30


class ValueWriter:
    """Writes argument values into the source of one endpoint; lives while that is written.

    Args:
        source: The endpoint under construction.
        plan: What start-up knows about the route.
        decoders: Decoders of the route's values.
    """

    def __init__(self, source: Source, plan: Plan, decoders: Decoders) -> None:
        self._source = source
        self._plan = plan
        self._decoders = decoders
        self._locals: dict[Any, str] = {}
        self.dependencies: dict[Any, str] = {}
        """The local variables of the dependencies that have been entered so far."""

    @contextmanager
    def branch(self) -> Iterator[None]:
        """Forget, when left, what has been taken and entered inside."""
        taken, entered = dict(self._locals), dict(self.dependencies)
        yield
        self._locals, self.dependencies = taken, entered

    def read(self, steps: Iterable[Step]) -> None:
        """Write what takes the values of all arguments of *steps* that are not yet at hand."""
        arguments = [
            argument
            for step in steps
            for argument in step.arguments
            if argument.source not in {From.DEPENDENCY, From.GIVEN}
        ]
        checked: dict[Any, Argument] = {}
        for argument in arguments:
            identity = _identity(argument)
            if identity in self._locals:
                continue
            if argument.source in READ_FROM_REQUEST and not self._is_certain(argument):
                checked[identity] = argument
            else:
                self._locals[identity] = self._unchecked(argument)
        if checked:
            self._locals.update(zip(checked, self._checked(tuple(checked.values())), strict=True))

    def call(self, step: Step, given: tuple[str, ...] = ()) -> str:
        """Return the argument list of a call of *step*.

        Args:
            step: What is called; its values have been read and its dependencies entered.
            given: The expressions of the arguments that are passed by position.
        """
        texts: list[str] = []
        for argument in step.arguments:
            if argument.source is From.GIVEN:
                text = given[argument.key]
            elif argument.source is From.DEPENDENCY:
                text = self._dependency(argument)
            else:
                text = self._locals[_identity(argument)]
            texts.append(f"{argument.name}={text}" if argument.keyword_only else text)
        return ", ".join(texts)

    def connection(self) -> str:
        """Return the local variable of the connection object, written where it is first wanted."""
        key = From.SOCKET if self._plan.scope_type == "websocket" else From.REQUEST
        if key not in self._locals:
            source, option = self._source, self._plan.option
            cls = {
                "http": option("request_class"),
                "websocket": option("websocket_class"),
                "asgi": ASGIConnection,
            }[self._plan.scope_type]
            self._locals[key] = name = source.local(key.value)
            if self._plan.is_route:
                handler = source.bind("route_handler", self._plan.handler)
                source.add(f"scope['route_handler'] = {handler}")
            limit = option("request_max_body_size")
            # The default is said as well where an outer layer's middleware was told otherwise.
            said = any("request_max_body_size" in changes_of(layer) for layer in self._plan.chain)
            if key is From.REQUEST and said:
                source.add(f"scope['hesper_max_body_size'] = {limit!r}")
            source.add(f"{name} = {source.bind(cls.__name__, cls)}(scope, receive, send)")
        return self._locals[key]

    def lifespan(self) -> str:
        """Return the local variable of the lifespan, written where it is first wanted."""
        return self._once("lifespan", f"scope['state'][{LIFESPAN_KEY!r}]")

    def _dependency(self, argument: Argument) -> str:
        if argument.key is None:
            return self._default(argument)
        return self.dependencies[argument.key]

    def _unchecked(self, argument: Argument) -> str:
        source = argument.source
        if source in READ_FROM_REQUEST:
            text = self._checked_value(argument, "")
            name = self._source.local(argument.name)
            self._source.add(f"{name} = {text}")
            return name
        if source in {From.REQUEST, From.SOCKET}:
            return self.connection()
        if source is From.SCOPE:
            return "scope"
        name = self._source.local(source.value)
        self._source.add(f"{name} = {self._reserved_value(argument)}")
        return name

    def _reserved_value(self, argument: Argument) -> str:
        bind = self._source.bind
        match argument.source:
            case From.STATE:
                return self._state(argument)
            case From.HEADERS:
                return f"{bind('Headers', Headers)}(scope['headers'])"
            case From.COOKIES:
                return f"{self.connection()}.cookies"
            case From.QUERY:
                parse = bind("query_of", query_of)
                return f"{parse}(scope['query_string'])"
            case From.APP:
                return "scope['hesper_app']"
            case From.LIFESPAN:
                return f"scope['state'][{LIFESPAN_KEY!r}]"
            case _:  # BODY
                limit = self._plan.option("request_max_body_size")
                return f"await {bind('read_body', read_body)}(scope, receive, {limit!r})"

    def _state(self, argument: Argument) -> str:
        lifespan = f"scope['state'][{LIFESPAN_KEY!r}]"
        cls = without_extras(argument.annotation)
        if cls in {State, Any}:
            return f"{lifespan}.state"
        return f"{lifespan}.state_as({self._source.bind(cls.__name__, cls)})"

    def _is_certain(self, argument: Argument) -> bool:
        """Whether taking the argument's value cannot fail."""
        if argument.source is From.PATH_PARAMETER and self._converted_by_path(argument):
            return True
        if argument.default is MISSING or argument.source is From.DATA:
            return False
        return self._decoders.of(argument) is None

    def _checked(self, arguments: tuple[Argument, ...]) -> list[str]:
        """Write what takes values that may not fit; return their local variables."""
        source = self._source
        body = "None"
        for argument in arguments:
            if argument.source is From.DATA:
                body = self._body(argument)
        names = [source.local(argument.name) for argument in arguments]
        values = source.bind("request_values", RequestValues(arguments, self._decoders))
        with source.block("try:"):
            for argument, name in zip(arguments, names, strict=True):
                source.add(f"{name} = {self._checked_value(argument, body)}")
        with source.block("except Exception as error:"):
            source.add(f"raise {values}.refusal(error, scope, {body})")
        return names

    def _body(self, argument: Argument) -> str:
        """Write what reads the body; one that may be left out has a media type if it is there."""
        source, body = self._source, self._source.local("body")
        may_be_missing = argument.default is not MISSING
        if argument.body is not None and not may_be_missing:
            self._write_media_type_check(argument.body)
        self._write_reading(body)
        if argument.body is not None and may_be_missing:
            with source.block(f"if {body}:"):
                self._write_media_type_check(argument.body)
        return body

    def _write_media_type_check(self, body: Body) -> None:
        """Write what refuses a body of another media type.

        PERF: many clients say it last, and nothing but it. To look there takes half as long as to
        call the check, which is more than a hundredth of a small request.
        """
        said = (b"content-type", body.media_type.lower().encode("latin-1"))
        with self._source.block(f"if not scope['headers'] or scope['headers'][-1] != {said!r}:"):
            self._source.add(f"{self._source.bind('check_media_type', _check_of(body))}(scope)")

    def _write_reading(self, body: str) -> None:
        """Write what `read_body` does.

        PERF: here, as a coroutine more for each request costs more than what it does.
        """
        source, limit = self._source, self._plan.option("request_max_body_size")
        bind, message = source.bind, source.local("message")
        # A message without a body may tell that the client has gone.
        closer = [f"{body} is None", f"{message}.get('more_body')"]
        closer += [] if limit is None else [f"len({body}) > {limit}"]
        with source.block("if 'hesper_body' in scope:"):
            source.add(f"{body} = {bind('kept_body', kept_body)}(scope, {limit})")
        with source.block("else:"):
            source.add(f"scope['hesper_body'] = {bind('RUNNING', RUNNING)}")
            with source.block("try:"):
                source.add(f"{message} = await receive()")
            with source.block("except BaseException:"):
                source.add(f"scope['hesper_body'] = {bind('FAILED', FAILED)}")
                source.add("raise")
            source.add(f"{body} = {message}.get('body')")
            with source.block(f"if {' or '.join(closer)}:"):
                parts = (
                    f"{bind('body_in_parts', body_in_parts)}(scope, receive, {limit}, {message})"
                )
                source.add(f"{body} = await {parts}")
            source.add(f"scope['hesper_body'] = {body}")

    def _checked_value(self, argument: Argument, body: str) -> str:
        raw = self._raw(argument, body)
        decoder = self._decoders.of(argument)
        if argument.source is From.PATH_PARAMETER and self._converted_by_path(argument):
            return raw
        text = raw if decoder is None else f"{self._bound(argument, decoder)}({raw})"
        if argument.default is MISSING:
            return text
        present = body if argument.source is From.DATA else self._present(argument)
        return f"{text} if {present} else {self._default(argument)}"

    def _default(self, argument: Argument) -> str:
        if _is_literal(argument.default):
            return repr(argument.default)
        return self._source.bind(f"default_{argument.name}", argument.default)

    def _bound(self, argument: Argument, decoder: object) -> str:
        prefix = "decode" if argument.source is From.DATA else "to"
        kind = getattr(without_extras(argument.annotation), "__name__", argument.name)
        return self._source.bind(f"{prefix}_{kind}", decoder)

    def _converted_by_path(self, argument: Argument) -> bool:
        """Whether the matcher has made the value what the argument wants."""
        kinds = {segment.name: segment.kind for segment in self._plan.path.parameters}
        wanted = unmarked(argument.annotation)
        made = TYPES[kinds[argument.key]]
        return argument.skip_validation or wanted is made or wanted is Any

    def _raw(self, argument: Argument, body: str) -> str:
        key = argument.key
        match argument.source:
            case From.PATH_PARAMETER:
                return f"scope['path_params'][{key!r}]"
            case From.QUERY_PARAMETER:
                several = f"{self._query()}[{key!r}]"
                return several if argument.takes_several else f"{several}[-1]"
            case From.HEADER_PARAMETER:
                several = f"{self._headers()}[{key!r}]"
                return several if argument.takes_several else f"{several}[0]"
            case From.COOKIE_PARAMETER:
                return f"{self._cookies()}[{key!r}]"
            case _:  # DATA
                return body

    def _present(self, argument: Argument) -> str:
        mapping = {
            From.QUERY_PARAMETER: self._query,
            From.HEADER_PARAMETER: self._headers,
            From.COOKIE_PARAMETER: self._cookies,
        }[argument.source]()
        return f"{argument.key!r} in {mapping}"

    def once(self, key: str, line: str) -> None:
        """Write *line*, unless it has been written for *key* before on this way."""
        if key not in self._locals:
            self._locals[key] = line
            self._source.add(line)

    def _once(self, name: str, text: str) -> str:
        if name not in self._locals:
            self._locals[name] = local = self._source.local(name)
            self._source.add(f"{local} = {text}")
        return self._locals[name]

    def _query(self) -> str:
        parse = self._source.bind("parse_query_string", parse_query_string)
        empty = self._source.bind("NO_QUERY", _EMPTY)
        text = f"{parse}(scope['query_string']) if scope['query_string'] else {empty}"
        return self._once("query", text)

    def _headers(self) -> str:
        by_name = self._source.bind("headers_by_name", headers_by_name)
        return self._once("headers", f"{by_name}(scope)")

    def _cookies(self) -> str:
        by_name = self._source.bind("cookies_by_name", cookies_by_name)
        return self._once("cookies", f"{by_name}(scope)")


def query_of(query_string: bytes) -> ImmutableMultiDict[str]:
    """Return the query parameters as a mapping."""
    parsed = parse_query_string(query_string)
    return ImmutableMultiDict([(key, value) for key, values in parsed.items() for value in values])


def _is_literal(value: object) -> bool:
    """Whether *value* is written into the text as it is, and not bound to a name."""
    if type(value) is int:
        return abs(value) <= _LARGEST_LITERAL
    if type(value) is str or type(value) is bytes:
        return len(value) <= _LONGEST_LITERAL
    return value is None or isinstance(value, bool)


def _check_of(body: Body) -> MediaTypeCheck:
    json = body.media_type == RequestEncodingType.JSON
    return CHECK_JSON if json else check_media_type(body.media_type)


def _identity(argument: Argument) -> Any:
    """Return what two arguments have in common that are filled by one value."""
    if argument.source in {From.REQUEST, From.SOCKET}:
        return argument.source
    if argument.source is From.STATE:
        return (argument.source, str(argument.annotation), id(argument.annotation))
    default = "" if argument.default is MISSING else id(argument.default)
    read = () if argument.inbound is None else argument.inbound.identity
    return (argument.source, argument.key, default, *kind_of(argument.annotation), *read)
