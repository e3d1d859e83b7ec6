"""A response that sends the client elsewhere (RFC 9110 15.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

from hesper.background_tasks import BackgroundTask, BackgroundTasks
from hesper.datastructures.cookies import Cookie
from hesper.datastructures.response_header import ResponseHeader
from hesper.exceptions import ImproperlyConfiguredException
from hesper.response.defaults import DEFAULTS, Defaults
from hesper.response.response import Response

# RFC 3986 2.2 and 2.3, and what is encoded already; all else is encoded, backslashes included,
# which browsers read as slashes.
_OF_URLS: Final = "%/:?#[]@!$&'()*+,;=~"


class Redirect(Response[None]):
    """A redirect, without a body.

    It lives as long as whoever sends it holds it.

    Args:
        path: Where to: a path or a URL. Characters that cannot stand in a URL are encoded.
        status_code: One of 300 to 399; by default 302 (Found).
        query_params: Parameters to add to the query string; a value may be a list.
        headers: Header lines.
        cookies: Cookies to set.
        background: Work to do after the response is sent.

    Raises:
        ImproperlyConfiguredException: The status is not one of redirects.
        ValueError: A header or a cookie cannot be sent.
    """

    __slots__ = ()

    def __init__(
        self,
        path: str,
        *,
        status_code: int = 302,
        query_params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | Sequence[ResponseHeader] | None = None,
        cookies: Mapping[str, str] | Sequence[Cookie] | None = None,
        background: BackgroundTask | BackgroundTasks | None = None,
    ) -> None:
        if not 300 <= status_code <= 399 or status_code == 304:
            raise ImproperlyConfiguredException(
                f"a Redirect has the status {status_code}: give 301, 302, 303, 307 or 308"
            )
        super().__init__(
            None,
            status_code=status_code,
            headers=headers,
            cookies=cookies,
            background=background,
        )
        self.headers["location"] = _location(path, query_params)

    def media_type_for(self, defaults: Defaults = DEFAULTS) -> None:
        """Return None: there is no content.

        Args:
            defaults: Not used.
        """
        return


def _location(path: str, query_params: Mapping[str, Any] | None) -> str:
    target, hash_sign, fragment = path.partition("#")
    if query_params:
        added = urlencode(query_params, doseq=True, errors="surrogatepass")
        target += f"{'&' if '?' in target else '?'}{added}"
    return quote(target + hash_sign + fragment, safe=_OF_URLS, errors="surrogatepass")
