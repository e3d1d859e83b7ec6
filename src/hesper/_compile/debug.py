"""What an app in debug mode answers with in place of a 500, for the person who develops it.

* Shown are the exception, the source around it (the generated endpoint's as a whole), the layers
  of the route, and the request without its body. The values of variables are not.
* What a header, a cookie or a parameter carries whose name sounds secret is masked, wherever it
  turns up, in the exception's text as well.
* Nothing is taken for markup, nor for a control sequence of a terminal.
* The form follows `Accept`: a page, JSON, or plain text, which is what terminals get.
"""

from __future__ import annotations

import base64
import hashlib
import html
import linecache
import re
from collections.abc import Iterable, Iterator
from traceback import FrameSummary, TracebackException
from typing import Any, Final
from urllib.parse import unquote_plus

from hesper._compile.faults import headers_by_name
from hesper._types import Scope
from hesper.datastructures.accept import Accept
from hesper.datastructures.cookies import parse_cookie_header
from hesper.layer import Layer, changes_of
from hesper.response.response import Response

_SOUNDS_SECRET: Final = re.compile(
    "auth|cert|cookie|credential|csrf|jwt|key|pass|pwd|secret|session|sign|token|xsrf",
    re.IGNORECASE,
)
_HIDDEN: Final = "******"
_SHORTEST_SECRET: Final = 6
"""The characters of a value that is masked wherever it stands; a shorter one may be any word."""

# RFC 3986 3.2.1, as in the address of a database; passwords are not always encoded as they should.
_USER_OF_URL: Final = re.compile(r"(?<=://)[^\s/]{1,200}@")

_MOST_EXCEPTIONS: Final = 20
_MOST_FRAMES: Final = 50
_LINES_AROUND: Final = 4
_MOST_TEXT: Final = 20_000


def debug_response(
    error: Exception, scope: Scope, response: Response[Any], label: str, chain: tuple[Layer, ...]
) -> Response[Any]:
    """Return the response that tells a developer about an exception.

    Args:
        error: The exception.
        scope: The request's scope.
        response: What is answered without `debug`.
        label: How messages name the route.
        chain: The layers of the route, outermost first.
    """
    report = _Report(error, scope, label, chain)
    headers = {**response.headers, "cache-control": "no-store", "vary": "accept"}
    headers["x-content-type-options"] = "nosniff"
    accept = ",".join(headers_by_name(scope).get("accept", ["*/*"]))
    preferred = ["application/json", "application/problem+json", "text/html", "text/plain"]
    wanted = "text/plain"
    if accept.strip() != "*/*":  # what terminals say, who would get the first of all
        wanted = Accept(accept).best_match(preferred, wanted) or wanted
    content: object = "\n".join(report.text()) + "\n"
    if wanted == "text/html":
        content = _page(report)
        headers["content-security-policy"] = _POLICY
    elif wanted != "text/plain":
        wanted = str(response.media_type)
        content = {**response.content, "detail": report.title, "debug": report.details()}
    return Response(content, status_code=500, media_type=wanted, headers=headers)


class _Report:
    """What is told about one exception, masked and printable; it lives until that is rendered."""

    def __init__(
        self, error: Exception, scope: Scope, label: str, chain: tuple[Layer, ...]
    ) -> None:
        self._masked = _Mask(scope)
        self.label = self.shown(label)
        self.trace = TracebackException.from_exception(error, max_group_width=20, max_group_depth=5)
        self.title = self.shown("".join(self.trace.format_exception_only()).strip())
        self.layers = [(self.shown(layer.label), ", ".join(changes_of(layer))) for layer in chain]
        self.handler = self.shown("".join(map(_place_of, chain[-1:])))
        self.request = self.shown(_request_line(scope))
        self.headers = [
            (self.shown(name), self.shown(self._masked.value(name, value)))
            for name, values in headers_by_name(scope).items()
            for value in values
        ]

    def shown(self, text: str) -> str:
        """Return *text* without secrets, and without what is not printable."""
        # Masked before it is cut, for a part of a secret would not be known as one.
        return _printable(self._masked(text)[:_MOST_TEXT])

    def endpoint(self) -> tuple[str, int, list[str]] | None:
        """Return the name, the line that failed, and all lines of the generated endpoint."""
        for trace in _chained(self.trace):
            for frame in trace.stack:
                if frame.filename.startswith("<hesper ") and frame.lineno is not None:
                    lines = [line.rstrip("\n") for line in linecache.getlines(frame.filename)]
                    return self.shown(frame.filename), frame.lineno, [*map(self.shown, lines)]
        return None

    def traceback(self) -> list[str]:
        """Return the traceback, as Python prints it, line by line."""
        return self.shown_lines("".join(self.trace.format()))

    def shown_lines(self, text: str) -> list[str]:
        """Return the lines of a long text; the middle of one that is too long is left out."""
        lines = text.rstrip("\n").split("\n")
        if len(lines) > 8 * _MOST_FRAMES:
            half = 4 * _MOST_FRAMES
            left_out = f"  ... {len(lines) - 2 * half} lines are left out ..."
            lines = [*lines[:half], left_out, *lines[-half:]]
        return [self.shown(line) for line in lines]

    def text(self) -> Iterator[str]:
        """Yield the lines of the report for a terminal."""
        yield from [self.title, "", f"{self.request}  (route: {self.label})", ""]
        yield from self.traceback()
        if (endpoint := self.endpoint()) is not None:
            name, failed, lines = endpoint
            yield from ["", f"Endpoint {name}"]
            for number, line in enumerate(lines, 1):
                yield f"{'>' if number == failed else ' '} {number:>3}  {line}"
        yield from ["", "Layers, outermost first"]
        width = max((len(name) for name, _ in self.layers), default=0)
        yield from (f"  {name:{width}}  {options}".rstrip() for name, options in self.layers)
        yield from [f"  {self.handler}"] if self.handler else []
        yield from ["", "Request headers", *(f"  {n}: {value}" for n, value in self.headers)]

    def details(self) -> dict[str, Any]:
        """Return the report for programs."""
        endpoint = self.endpoint()
        return {
            "traceback": self.traceback(),
            "endpoint": None if endpoint is None else {
                "name": endpoint[0], "line": endpoint[1], "source": endpoint[2],
            },
            "route": self.label,
            "handler": self.handler,
            "layers": [{"layer": n, "options": options} for n, options in self.layers],
            "request": self.request,
            "headers": [[name, value] for name, value in self.headers],
        }  # fmt: skip


class _Mask:
    """Hides the secrets that one request carries; it lives as long as the report about it."""

    def __init__(self, scope: Scope) -> None:
        spelled = {text for value in _secrets_of(scope) for text in _spelled(value)}
        long = (text for text in spelled if len(text) >= _SHORTEST_SECRET)
        self._secrets = sorted(long, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return *text* without the secrets that are known."""
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        return _USER_OF_URL.sub(f"{_HIDDEN}@", text)

    def value(self, name: str, value: str) -> str:
        """Return the value of a header as it may be shown."""
        if _SOUNDS_SECRET.search(name):
            return _HIDDEN
        path, mark, query = value.partition("?")
        return path + mark + _masked_query(query)


def _secrets_of(scope: Scope) -> Iterator[str]:
    """Yield what a request carries under names that sound secret."""
    for name, values in headers_by_name(scope).items():
        for value in values:
            if name == "cookie":
                yield from parse_cookie_header(value).values()
            elif _SOUNDS_SECRET.search(name):
                yield from (value, value.partition(" ")[2], _password(value))
            yield from _secrets_of_query(value.partition("?")[2])
    yield from _secrets_of_query(scope.get("query_string", b"").decode("latin-1"))
    for name, parameter in scope.get("path_params", {}).items():
        if _SOUNDS_SECRET.search(name):
            yield str(parameter)


def _spelled(secret: str) -> Iterator[str]:
    """Yield a secret as Python and JSON spell it, and line by line, as tracebacks are."""
    escaped = secret.encode("unicode_escape").decode("ascii")
    for text in (secret, *secret.splitlines(), repr(secret)[1:-1], escaped):
        yield from (text, text.replace("'", "\\'"), text.replace('"', '\\"'))


def _password(credentials: str) -> str:
    """Return the password in the value of an `Authorization` header; empty without one."""
    scheme, _, encoded = credentials.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:  # RFC 7617 2
        return base64.b64decode(encoded).decode("utf-8", "replace").partition(":")[2]
    except ValueError:
        return ""


def _secrets_of_query(query: str) -> Iterator[str]:
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if _SOUNDS_SECRET.search(unquote_plus(name)):
            yield from (value, unquote_plus(value))


def _masked_query(query: str) -> str:
    parts: list[str] = []
    for part in query.split("&"):
        name, equals, _ = part.partition("=")
        secret = equals and _SOUNDS_SECRET.search(unquote_plus(name))
        parts.append(f"{name}={_HIDDEN}" if secret else part)
    return "&".join(parts)


def _request_line(scope: Scope) -> str:
    path = str(scope["path"])
    for name, parameter in scope.get("path_params", {}).items():
        if _SOUNDS_SECRET.search(name):
            text = str(parameter)
            path = path.replace(text, _HIDDEN) if text and text in path else _HIDDEN
    query = _masked_query(scope.get("query_string", b"").decode("latin-1"))
    return f"{scope['method']} {path}{'?' if query else ''}{query}"


def _printable(text: str) -> str:
    """Return *text* with escapes for controls, marks of direction and halves of characters."""
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character in "\n\t"
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def _place_of(handler: Layer) -> str:
    """Return the file and the line of a handler's function."""
    code = getattr(getattr(handler, "fn", None), "__code__", None)
    return "" if code is None else f"{code.co_filename}:{code.co_firstlineno}"


def _chained(trace: TracebackException) -> list[TracebackException]:
    """Return an exception, what it came from, and what groups hold; what was first comes first."""
    chain: list[TracebackException] = []
    outer: TracebackException | None = trace
    while outer is not None and len(chain) < _MOST_EXCEPTIONS:
        chain.append(outer)
        outer = outer.__cause__ or (None if outer.__suppress_context__ else outer.__context__)
    chain.reverse()
    # The list grows while it is gone through: members may be groups again.
    for found in chain:
        members = list(found.exceptions or ())
        chain.extend(members[: max(0, _MOST_EXCEPTIONS - len(chain))])
    return chain


_STYLE: Final = """
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}
h1{font-size:1.3rem;white-space:pre-wrap;overflow-wrap:anywhere}
h2{font-size:1.05rem;margin-top:2rem}
pre,td,summary{font:13px/1.45 ui-monospace,monospace}
pre{overflow:auto;padding:.6rem;border:1px solid #8884;border-radius:4px}
td{padding:.1rem 1rem .1rem 0;vertical-align:top;overflow-wrap:anywhere}
mark{display:inline-block;min-width:100%}
"""

_POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src "
    f"'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
)


def _page(report: _Report) -> str:
    """Return the report as a page of HTML, which loads nothing."""
    escape = html.escape
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f"<title>{escape(report.title[:200])}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(report.title)}</h1>",
        f"<p>{escape(report.request)} (route: {escape(report.label)})</p>",
    ]
    for trace in _chained(report.trace):
        title = report.shown("".join(trace.format_exception_only()).strip())
        parts.append(f"<h2>{escape(title)}</h2>")
        frames = list(trace.stack)
        if len(frames) > _MOST_FRAMES:
            frames = [*frames[: _MOST_FRAMES // 2], *frames[-_MOST_FRAMES // 2 :]]
            parts.append(f"<p>{len(trace.stack) - _MOST_FRAMES} frames are left out.</p>")
        parts += [_frame(report, frame, is_last=frame is frames[-1]) for frame in frames]
    parts.append("<h2>Layers, outermost first</h2>" + _table(report.layers))
    parts.append(f"<p>{escape(report.handler)}</p>")
    parts.append("<h2>Request headers</h2>" + _table(report.headers))
    parts.append("</body></html>")
    return "\n".join(parts)


def _frame(report: _Report, frame: FrameSummary, *, is_last: bool) -> str:
    generated = frame.filename.startswith("<hesper ")
    lines = linecache.getlines(frame.filename)
    failed = frame.lineno or 0
    first = 1 if generated else max(1, failed - _LINES_AROUND)
    last = len(lines) if generated else failed + _LINES_AROUND
    shown: list[str] = []
    for number, line in enumerate(lines[first - 1 : last], first):
        text = html.escape(f"{number:>4}  {report.shown(line.rstrip())}")
        shown.append(f"<mark>{text}</mark>" if number == failed else text)
    place = html.escape(report.shown(f"{frame.filename}:{failed} {frame.name}"))
    source = "<pre>" + "\n".join(shown) + "</pre>"
    opened = " open" if is_last or generated else ""
    return f"<details{opened}><summary>{place}</summary>{source}</details>"


def _table(rows: Iterable[tuple[str, str]]) -> str:
    cells = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>"
        for name, value in rows
    )
    return f"<table>{cells}</table>"
