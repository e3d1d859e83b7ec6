"""The pages that show an OpenAPI document: one class for each library that draws them.

* A page has no inline scripts and no inline styles, so that it works under a strict
  `Content-Security-Policy`: what a library is told stands in a data block, and the script that
  tells it is served by the app.
* All that is put into a page is escaped, whatever the document says.
* URLs in a page are relative, so that it works wherever a proxy puts it.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import quote

from hesper.connection.request import Request
from hesper.enums import MediaType, OpenAPIMediaType
from hesper.serialization import encode_json

__all__ = (
    "OpenAPIRenderPlugin",
    "RedocRenderPlugin",
    "ScalarRenderPlugin",
    "SwaggerRenderPlugin",
)

_CDN: Final = "https://cdn.jsdelivr.net/npm"
START: Final = "start.js"
"""The script that starts a page, below the page's path."""
ASSETS: Final = "assets"
"""The files of a local folder, below the page's path."""


def document_root(request: Request) -> str:
    """Return the path below which a document and its pages are, relative to the requested page.

    Args:
        request: The request for a page.
    """
    path: str = request.scope["path"]
    page = request.path_params.get("page")
    depth = path.endswith("/") + (0 if page is None else str(page).strip("/").count("/"))
    if page is None and not path.endswith("/"):
        return f"{quote(path.rpartition('/')[2], safe='')}/"
    return "../" * (depth - (page is None)) or "./"


def as_data(value: object) -> str:
    """Return *value* as JSON that can stand in a `<script>` element, whatever it holds.

    Args:
        value: Anything that JSON can express.
    """
    text = encode_json(value).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


class OpenAPIRenderPlugin(ABC):
    """Makes a page that shows a document; lives as long as the configuration that holds it.

    Args:
        path: Where the page is, below the path of the document; or several places.
        media_type: The media type of the page.
        favicon: A `<link>` element, as it is to stand in the page.
        style: A `<style>` element, as it is to stand in the page.

    Raises:
        TypeError: There is no path.
    """

    def __init__(
        self,
        *,
        path: str | Sequence[str],
        media_type: MediaType | OpenAPIMediaType | str = MediaType.HTML,
        favicon: str = "",
        style: str = "",
    ) -> None:
        self.paths = [path] if isinstance(path, str) else list(path)
        if not self.paths:
            raise TypeError("a page needs a path; `/` is that of the document")
        self.media_type = media_type
        self.favicon = favicon
        self.style = style

    @abstractmethod
    def render(self, request: Request, openapi_schema: Mapping[str, Any]) -> bytes:
        """Return the page.

        Args:
            request: The request for it.
            openapi_schema: The document.
        """

    def has_path(self, path: str) -> bool:
        """Whether the page is at a path.

        Args:
            path: A path below that of the document.
        """
        return any(own.strip("/") == path.strip("/") for own in self.paths)

    def file(self, name: str) -> bytes | Path | None:
        """Return a file that belongs to the page: its content, or where it is; `None` if none is.

        Args:
            name: The rest of the path, below that of the page.
        """
        return None

    @staticmethod
    def render_json(
        request: Request,  # noqa: ARG004 - for those that override it
        openapi_schema: Mapping[str, Any],
    ) -> bytes:
        """Return the document as JSON.

        Args:
            request: Not used.
            openapi_schema: The document.
        """
        return encode_json(openapi_schema)

    @staticmethod
    def get_openapi_json_route(request: Request) -> str:
        """Return where the JSON of the document is, relative to the requested page.

        Args:
            request: The request for the page.
        """
        return f"{document_root(request)}openapi.json"


class LibraryPlugin(OpenAPIRenderPlugin):
    """A page that a library of scripts draws.

    Args:
        version: The version of the library, as npm names it.
        js_url: Where the library's script is, in place of a public network's.
        css_url: The same for its style sheet.
        assets: A local folder with the library's files, which the app then serves itself.
        path: Where the page is.
        options: What the library is told besides.
        keywords: What every plugin takes.
    """

    package: ClassVar[str]
    """The library, as npm names it."""
    script: ClassVar[str]
    """The file of its script, in the package."""
    styles: ClassVar[str | None] = None
    """The file of its style sheet, in the package."""
    start: ClassVar[str]
    """A script that starts it: it finds `settings`, with the document's `url`, and `element`."""

    def __init__(
        self,
        *,
        version: str,
        path: str | Sequence[str],
        js_url: str | None = None,
        css_url: str | None = None,
        assets: str | os.PathLike[str] | None = None,
        options: Mapping[str, Any] | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(path=path, **keywords)
        self.assets = None if assets is None else Path(assets)
        self.options = dict(options or {})
        self._public = f"{_CDN}/{self.package}@{version}"
        self._js_url = js_url
        self._css_url = css_url

    def settings(self) -> dict[str, Any]:
        """Return what the script that starts the page finds, besides the document's URL."""
        return {"options": self.options}

    def file(self, name: str) -> bytes | Path | None:
        """Return the script that starts the page, or a file of the local folder.

        Args:
            name: The rest of the path, below that of the page.
        """
        if name == START:
            return (_START + self.start).encode()
        folder, _, inside = name.partition("/")
        if folder != ASSETS or self.assets is None or not inside:
            return None
        return _file_in(self.assets, inside)

    def render(self, request: Request, openapi_schema: Mapping[str, Any]) -> bytes:
        """Return the page.

        Args:
            request: The request for it.
            openapi_schema: The document.
        """
        root = document_root(request)
        own = f"{root}{quote(self.paths[0].strip('/'))}".rstrip("/") + "/"
        style_sheet = self._url(self._css_url, self.styles, own)
        link = f'<link rel="stylesheet" href="{escape(style_sheet)}">' if style_sheet else ""
        page = _PAGE.format(
            title=escape(str(openapi_schema["info"]["title"])),
            head="\n".join(filter(None, (self.favicon, self.style, link))),
            settings=as_data({"url": self.get_openapi_json_route(request), **self.settings()}),
            library=escape(self._url(self._js_url, self.script, own) or ""),
            start=escape(own + START),
        )
        # A lone surrogate in a title is no character, and could not be sent.
        return page.encode("utf-8", "replace")

    def _url(self, given: str | None, file: str | None, own: str) -> str | None:
        if given is not None or file is None:
            return given
        if self.assets is not None:
            return f"{own}{ASSETS}/{file.rpartition('/')[2]}"
        return f"{self._public}/{file}"


def _file_in(folder: Path, name: str) -> Path | None:
    """Return the file of that name in a folder; `None` if there is none, or it is hidden."""
    if any(part.startswith(".") for part in Path(name).parts):
        return None
    try:
        root = folder.resolve()
        path = (root / name).resolve()
        return path if path.is_relative_to(root) and path.is_file() else None
    except (OSError, ValueError):  # a name that no file can have
        return None


_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
{head}
</head>
<body>
<div id="document"></div>
<script type="application/json" id="settings">{settings}</script>
<script src="{library}"></script>
<script src="{start}"></script>
</body>
</html>
"""

_START: Final = """\
const settings = JSON.parse(document.getElementById("settings").textContent);
const element = document.getElementById("document");
document.body.style.margin = "0";
"""


class ScalarRenderPlugin(LibraryPlugin):
    """A page drawn by Scalar.

    Args:
        version: Its version, as npm names it.
        js_url: Where its script is, in place of a public network's.
        css_url: A style sheet of one's own.
        assets: A local folder with its file `standalone.js`, which the app then serves itself.
        path: Where the page is.
        options: What it is told besides: its own configuration.
        keywords: What every plugin takes.
    """

    package = "@scalar/api-reference"
    script = "dist/browser/standalone.js"
    start = "Scalar.createApiReference(element, { ...settings.options, url: settings.url });\n"

    def __init__(
        self, *, version: str = "1", path: str | Sequence[str] = "/scalar", **keywords: Any
    ) -> None:
        super().__init__(version=version, path=path, **keywords)


class RedocRenderPlugin(LibraryPlugin):
    """A page drawn by Redoc.

    Args:
        version: Its version, as npm names it.
        js_url: Where its script is, in place of a public network's.
        css_url: A style sheet of one's own.
        assets: A local folder with its file `redoc.standalone.js`, which the app then serves
            itself.
        path: Where the page is.
        options: What it is told besides: its own options.
        keywords: What every plugin takes.
    """

    package = "redoc"
    script = "bundles/redoc.standalone.js"
    start = "Redoc.init(settings.url, settings.options, element);\n"

    def __init__(
        self, *, version: str = "2", path: str | Sequence[str] = "/redoc", **keywords: Any
    ) -> None:
        super().__init__(version=version, path=path, **keywords)


class SwaggerRenderPlugin(LibraryPlugin):
    """A page drawn by Swagger UI.

    Args:
        version: Its version, as npm names it.
        js_url: Where its script is, in place of a public network's.
        css_url: Where its style sheet is.
        assets: A local folder with its files `swagger-ui-bundle.js` and `swagger-ui.css`, which
            the app then serves itself.
        path: Where the page is.
        init_oauth: What `initOAuth` is called with; without it, it is not called.
        oauth2_redirect_url: Where OAuth 2 sends the browser back to.
        options: What it is told besides: its own configuration.
        keywords: What every plugin takes.
    """

    package = "swagger-ui-dist"
    script = "swagger-ui-bundle.js"
    styles = "swagger-ui.css"
    start = """\
const page = SwaggerUIBundle({ ...settings.options, url: settings.url, domNode: element });
if (settings.initOAuth) page.initOAuth(settings.initOAuth);
"""

    def __init__(
        self,
        *,
        version: str = "5",
        path: str | Sequence[str] = "/swagger",
        init_oauth: Mapping[str, Any] | None = None,
        oauth2_redirect_url: str | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(version=version, path=path, **keywords)
        self._init_oauth = init_oauth
        if oauth2_redirect_url is not None:
            self.options["oauth2RedirectUrl"] = oauth2_redirect_url

    def settings(self) -> dict[str, Any]:
        """Return what the script that starts the page finds, besides the document's URL."""
        return {**super().settings(), "initOAuth": self._init_oauth}
