"""What requests and responses are made of: state, headers, cookies, URLs, multi-dicts, files.

The names here are loaded when they are first asked for. Type checkers read `__init__.pyi`.
"""

from __future__ import annotations

from typing import Final

from hesper._lazy import lazy

_HOME: Final = {
    "URL": "hesper.datastructures.url",
    "Accept": "hesper.datastructures.accept",
    "Address": "hesper.datastructures.address",
    "CacheControlHeader": "hesper.datastructures.cache_control",
    "Cookie": "hesper.datastructures.cookies",
    "ETag": "hesper.datastructures.etag",
    "Headers": "hesper.datastructures.headers",
    "ImmutableMultiDict": "hesper.datastructures.multi_dict",
    "ImmutableState": "hesper.datastructures.state",
    "MultiDict": "hesper.datastructures.multi_dict",
    "MutableScopeHeaders": "hesper.datastructures.headers",
    "ResponseHeader": "hesper.datastructures.response_header",
    "SameSite": "hesper.datastructures.cookies",
    "SecretBytes": "hesper.datastructures.secret_values",
    "SecretString": "hesper.datastructures.secret_values",
    "State": "hesper.datastructures.state",
    "UploadFile": "hesper.datastructures.upload_file",
    "encode_header": "hesper.datastructures.headers",
    "parse_cookie_header": "hesper.datastructures.cookies",
    "parse_query_pairs": "hesper.datastructures.query",
    "parse_query_string": "hesper.datastructures.query",
}

__all__ = tuple(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]

__getattr__, __dir__ = lazy(globals(), _HOME)
