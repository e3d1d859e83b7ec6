"""A response: what a handler says about its answer, and what is sent.

* Two phases: `prepare` renders the content, while the handler's dependencies are open; calling
  what it returns sends it, after they are closed. A response whose class is `streaming` makes
  its body while it is sent, and keeps them open.
* Everything is `(scope, receive, send)`: a response used alone goes through both phases, and
  then does its background work.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, Generic, cast

import hesper._late as late
from hesper._types import RawHeaders, Receive, Scope, Send, TypeEncodersMap
from hesper.background_tasks import BackgroundTask, BackgroundTasks
from hesper.datastructures.headers import content_length
from hesper.enums import MediaType
from hesper.exceptions import ImproperlyConfiguredException
from hesper.response.defaults import DEFAULTS, Defaults, Plain
from hesper.response.headers import VALIDATORS, ResponseHeaders
from hesper.response.prepared import Prepared
from hesper.response.rendering import content_type_line, media_type_of, not_encodable, rendered
from hesper.serialization import ENCODE_ERRORS, json_encoder, msgpack_encoder

if sys.version_info >= (3, 13):
    from typing import TypeVar
else:
    from typing_extensions import TypeVar  # for defaults (PEP 696); anyio requires it there

ContentT = TypeVar("ContentT", default=Any)

# RFC 9110 8.6, 15.2, 15.3.5, 15.3.6, 15.4.5; a 205 has a length, which is 0.
WITHOUT_BODY: Final = frozenset({*range(100, 200), 204, 205, 304})
"""The statuses that no body may follow (RFC 9110, sections 6.4.1 and 15)."""

_GENERATED: Final = (b"content-type", b"content-length")

_NO_LINES: Final[Mapping[bytes, bytes]] = {}


BYTES: Final = (bytes, bytearray, memoryview)
"""Content that is sent as it is."""

_new: Final = object.__new__

_ENCODE: Final = str.encode

_KINDS: Final[Mapping[object, str]] = {
    **{str(usual): str(usual) for usual in (MediaType.TEXT, MediaType.HTML, MediaType.JSON)},
    **dict.fromkeys((dict, list, bool, int, float), str(MediaType.JSON)),
    str: str(MediaType.TEXT),
}
"""The media type of content, by what is said of it, or by its class if nothing is."""


class Response(Generic[ContentT]):
    """An answer to a request.

    It lives as long as the handler, and whoever sends it, hold it; it can be sent once or more.

    Args:
        content: What to send: bytes as they are, text for a text type, else any value that the
            media type's encoder takes.
        status_code: The status; by default that of the route, or 200.
        media_type: The media type; by default that of the route, or `text/plain` for text and
            bytes and `application/json` for all else.
        headers: Header lines.
        cookies: Cookies to set; a mapping gives their values by name.
        background: Work to do after the response is sent.
        etag: The entity tag, by which conditional requests are answered.
        encoding: How text becomes bytes.
        type_encoders: By type: a function that turns an instance into something encodable; laid
            over those of the route.

    Raises:
        ValueError: A header or a cookie cannot be sent.
    """

    __slots__ = (
        "__weakref__",
        "_cookies",
        "_headers",
        "background",
        "content",
        "encoding",
        "media_type",
        "status_code",
        "type_encoders",
    )

    streaming: ClassVar[bool] = False
    """Whether the body is made while it is sent, and needs the handler's dependencies then."""

    content: ContentT
    """What to send."""

    def __init__(
        self,
        content: ContentT = cast("ContentT", None),  # noqa: B008  (only names a type)
        *,
        status_code: int | None = None,
        media_type: MediaType | str | None = None,
        headers: Mapping[str, str] | Sequence[late.ResponseHeader] | None = None,
        cookies: Mapping[str, str] | Sequence[late.Cookie] | None = None,
        background: BackgroundTask | BackgroundTasks | None = None,
        etag: late.ETag | None = None,
        encoding: str = "utf-8",
        type_encoders: TypeEncodersMap | None = None,
    ) -> None:
        self.content = content
        self.status_code = status_code
        self.media_type = media_type
        # PERF: most responses have none of their own.
        self._headers = None if headers is None else ResponseHeaders(headers)
        self._cookies: list[late.Cookie] | None = None
        if cookies is not None:
            self._add_cookies(cookies)
        self.background = background
        self.encoding = encoding
        self.type_encoders = type_encoders
        if etag is not None:
            self.set_etag(etag)

    def _add_cookies(self, cookies: Mapping[str, str] | Sequence[late.Cookie]) -> None:
        """Keep the cookies that it is made with, besides those that its class may say."""
        self._cookies = _cookies(cookies)
        if self._cookies and isinstance(type(self).cookies, (list, tuple)):  # those of a subclass
            self.cookies = [*self.cookies, *self._cookies]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status_code or 'of its route`s status'}>"

    @property
    def headers(self) -> ResponseHeaders:
        """The header lines of its own."""
        if self._headers is None:
            self._headers = ResponseHeaders()
        return self._headers

    @headers.setter
    def headers(self, headers: ResponseHeaders) -> None:
        self._headers = headers

    @property
    def cookies(self) -> list[late.Cookie]:
        """The cookies of its own."""
        if self._cookies is None:
            self._cookies = []
        return self._cookies

    @cookies.setter
    def cookies(self, cookies: list[late.Cookie]) -> None:
        self._cookies = cookies

    def set_header(self, key: str, value: str) -> None:
        """Set a header line, replacing one of that name.

        Args:
            key: The header's name in any case.
            value: Its value.

        Raises:
            ValueError: The name or the value cannot stand in a header.
        """
        self.headers[key] = value

    def set_etag(self, etag: str | late.ETag) -> None:
        """Set the `ETag` header, by which conditional requests are answered (RFC 9110 13).

        Args:
            etag: The tag, or the header's complete value; one for documentation only sets nothing.

        Raises:
            ValueError: The value cannot stand in a header.
        """
        if isinstance(etag, str):
            self.headers["etag"] = etag
        elif not etag.documentation_only:
            self.headers["etag"] = etag.to_header()

    def set_cookie(
        self,
        key: str | late.Cookie,
        value: str | None = None,
        max_age: int | None = None,
        expires: int | None = None,
        path: str = "/",
        domain: str | None = None,
        secure: bool | None = None,
        httponly: bool | None = None,
        samesite: late.SameSite = "lax",
    ) -> None:
        """Set a cookie; of several with the same key, path and domain the last one is sent.

        Args:
            key: The cookie's name, or a whole cookie; then nothing else is looked at.
            value: Its value.
            max_age: The seconds for which the client keeps it.
            expires: The seconds from now after which it expires, for clients older than `max_age`.
            path: The path below which the client sends it.
            domain: The domain whose hosts get it; None for the answering host alone.
            secure: Whether it is sent over HTTPS only.
            httponly: Whether it is hidden from scripts.
            samesite: On which requests from other sites it is sent.

        Raises:
            ValueError: Something cannot stand in a cookie.
        """
        if not isinstance(key, late.Cookie):
            key = late.Cookie(
                key=key,
                value=value,
                max_age=max_age,
                expires=expires,
                path=path,
                domain=domain,
                secure=secure,
                httponly=httponly,
                samesite=samesite,
            )
        self._add_cookie(key)

    def delete_cookie(self, key: str, path: str = "/", domain: str | None = None) -> None:
        """Make the client forget a cookie.

        Args:
            key: The cookie's name.
            path: The path with which it was set.
            domain: The domain with which it was set.

        Raises:
            ValueError: Something cannot stand in a cookie.
        """
        self._add_cookie(late.Cookie(key=key, path=path, domain=domain, expires=0, max_age=0))

    def _add_cookie(self, cookie: late.Cookie) -> None:
        of_class: object = type(self).cookies
        if self.cookies is of_class:  # a list, which all responses of the class send
            self.cookies = list(self.cookies)
        self.cookies.append(cookie)

    def prepare(self, defaults: Defaults = DEFAULTS) -> Prepared:
        """Render the content: the first phase.

        Args:
            defaults: What the route says about its responses.

        Raises:
            ImproperlyConfiguredException: There is content where the status allows none, the
                content is not for its media type, or the status is none of HTTP's.
            SerializationException: The content cannot be encoded.
            ValueError: The media type cannot stand in a header.
        """
        content = self.content
        if (
            type(self) is Response
            and self.status_code is None
            and not self._cookies
            and self.type_encoders is None
            and self.encoding == "utf-8"
        ):
            # PERF: most responses say nothing but their content, and those of a kind have one head.
            kind: object = self.media_type
            if kind is None:
                kind = type(content) if defaults.media_type is None else defaults.media_type
            known = defaults.plain.get(kind) or _plain(defaults, kind)
            own = _NO_LINES if self._headers is None else self._headers.lines
            if known is not None and (not own or _are_further(own, known[0])):
                head, encode, media_type = known
                # Only text can be sent as text, and bytes are not encoded.
                if type(content) is str or not (encode is _ENCODE or isinstance(content, BYTES)):
                    try:
                        body = encode(content)
                    except ENCODE_ERRORS as error:
                        raise not_encodable(content, media_type, error) from error
                    headers = [*head, *own.items(), content_length(body)]
                    return Prepared(defaults.status_code, headers, body)
        return self._prepared(defaults)

    def _prepared(self, defaults: Defaults) -> Prepared:
        content = self.content
        status = defaults.status_code if self.status_code is None else self.status_code
        if not _has_body(status):
            empty = content is None or (isinstance(content, (str, bytes)) and not content)
            self.status_for(defaults, with_body=not empty)
            headers = self.header_lines(defaults, None)
            if status == 205:
                headers.append((b"content-length", b"0"))
            return Prepared(status, headers)
        media_type = self.media_type_for(defaults)
        if self.type_encoders:
            type_encoders = {**defaults.type_encoders, **self.type_encoders}
            encoders = (json_encoder(type_encoders), msgpack_encoder(type_encoders))
        else:
            encoders = (defaults.encode_json, defaults.encode_msgpack)
        body = rendered(content, media_type, self.encoding, encoders)
        headers = self.header_lines(defaults, media_type)
        headers.append(content_length(body))
        return Prepared(status, headers, body)

    def status_for(self, defaults: Defaults, *, with_body: bool) -> int:
        """Return the status to send.

        Args:
            defaults: What the route says about its responses.
            with_body: Whether a body is to follow it.

        Raises:
            ImproperlyConfiguredException: It is none of HTTP's, or no body may follow it.
        """
        status = defaults.status_code if self.status_code is None else self.status_code
        if not 100 <= status <= 599:
            raise ImproperlyConfiguredException(
                f"a response has the status {status}, which is none of HTTP's: give a "
                "status_code from 100 to 599"
            )
        if with_body and status in WITHOUT_BODY:
            raise ImproperlyConfiguredException(
                f"a response of status {status} has content of type "
                f"{type(self.content).__qualname__}, but no body may follow such a status: "
                "return None, or say another status_code"
            )
        return status

    def media_type_for(self, defaults: Defaults) -> str | None:
        """Return the media type to send: said here, in the headers, by the route, or none.

        Args:
            defaults: What the route says about its responses.
        """
        if self.media_type is not None:
            return self.media_type
        # PERF: not by the mapping, which takes longer to find nothing than the rest together.
        said = None if self._headers is None else self._headers.lines.get(b"content-type")
        if said is not None:
            return said.decode("latin-1")
        if defaults.media_type is not None:
            return defaults.media_type
        return media_type_of(self.content)

    def header_lines(self, defaults: Defaults, media_type: str | None) -> RawHeaders:
        """Return the header lines to send, but for the content's length.

        Args:
            defaults: What the route says about its responses.
            media_type: The media type to send; None for a response without content.

        Raises:
            ValueError: The media type cannot stand in a header.
        """
        lines: RawHeaders = []
        if media_type is not None:
            lines.append(content_type_line(media_type, self.encoding))
        if self._headers is not None or defaults.headers or defaults.success_headers:
            own = _NO_LINES if self._headers is None else self._headers.lines
            for line in self._lines_of_route(defaults):
                if line[0] not in own and line[0] not in _GENERATED:
                    lines.append(line)
            for line in own.items():
                if line[0] not in _GENERATED:
                    lines.append(line)
        # PERF: most responses have none, and need no list of them; a subclass may say others.
        is_usual = type(self).cookies is Response.cookies
        own_cookies = (self._cookies or ()) if is_usual else self.cookies
        if defaults.cookies or own_cookies:
            cookies = {cookie.identity: cookie for cookie in (*defaults.cookies, *own_cookies)}
            lines += [
                cookie.to_encoded_header()
                for cookie in cookies.values()
                if not cookie.documentation_only
            ]
        return lines

    def _lines_of_route(self, defaults: Defaults) -> Iterable[tuple[bytes, bytes]]:
        added = defaults.success_headers
        if not added or not 200 <= self.status_for(defaults, with_body=False) < 300:
            return defaults.headers
        names = {name for name, _ in added}
        return [*(line for line in defaults.headers if line[0] not in names), *added]

    @property
    def has_validator(self) -> bool:
        """Whether conditional requests are answered by what it says itself, such as an `ETag`."""
        return self._headers is not None and not VALIDATORS.isdisjoint(self._headers.lines)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response, and do its background work.

        Args:
            scope: The request's scope.
            receive: Waits for the client's next message.
            send: Sends a message to the client.

        Raises:
            ClientException: A precondition of the request fails: 412; nothing has been sent.
        """
        prepared = self.prepare()
        sending = late.Conditional(prepared) if self.has_validator else prepared
        await sending(scope, receive, send)
        if self.background is not None:
            await self.background()


def plain_response(content: ContentT, media_type: str | None) -> Response[ContentT]:
    """Return `Response(content, media_type=media_type)`.

    PERF: in half the time, as nothing else is looked at.

    Args:
        content: What to send.
        media_type: The media type; None for that of the route, or of the content.
    """
    response: Response[ContentT] = _new(Response)
    response.content = content
    response.status_code = None
    response.media_type = media_type
    response._headers = None
    response._cookies = None
    response.background = None
    response.encoding = "utf-8"
    response.type_encoders = None
    return response


def is_untouched(response: object, content: object, media_type: str | None) -> bool:
    """Whether *response* is as `plain_response` makes it of these arguments.

    Its content may have changed in itself since, as a list may have grown.

    Args:
        response: A response, or what else a hook has returned.
        content: What was to be sent.
        media_type: Its media type.
    """
    return (
        type(response) is Response
        and response.content is content
        and response.media_type is media_type
        and response.status_code is None
        and response._headers is None
        and not response._cookies
        and response.background is None
        and response.type_encoders is None
        and response.encoding == "utf-8"
    )


def _are_further(own: Mapping[bytes, bytes], head: RawHeaders) -> bool:
    """Whether the lines of a response's own only add to those that it has anyway."""
    for name, _ in head:
        if name in own:
            return False
    return b"content-length" not in own


def _has_body(status: int) -> bool:
    """Whether *status* is one of HTTP's, and of those that a body may follow."""
    return 100 <= status <= 599 and status not in WITHOUT_BODY


def _plain(defaults: Defaults, kind: object) -> Plain | None:
    """Return what is sent of content of one kind, and keep it; None if that is not constant."""
    media_type = _KINDS.get(kind)
    if media_type is None or not (_has_body(defaults.status_code) and defaults.is_constant):
        return None
    nothing_said: Response[Any] = Response(None)
    encode = defaults.encode_json if media_type == MediaType.JSON else _ENCODE
    known = nothing_said.header_lines(defaults, media_type), encode, media_type
    defaults.plain[kind] = known
    return known


def _cookies(cookies: Mapping[str, str] | Sequence[late.Cookie]) -> list[late.Cookie]:
    if isinstance(cookies, Mapping):
        return [late.Cookie(key=key, value=value) for key, value in cookies.items()]
    return list(cookies)
