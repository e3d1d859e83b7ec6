"""What requests and responses are made of: state, headers, cookies, URLs, multi-dicts, files."""

from __future__ import annotations

from hesper.datastructures.accept import Accept
from hesper.datastructures.address import Address
from hesper.datastructures.cache_control import CacheControlHeader
from hesper.datastructures.cookies import Cookie, SameSite, parse_cookie_header
from hesper.datastructures.etag import ETag
from hesper.datastructures.headers import Headers, MutableScopeHeaders, encode_header
from hesper.datastructures.multi_dict import ImmutableMultiDict, MultiDict
from hesper.datastructures.query import parse_query_pairs, parse_query_string
from hesper.datastructures.response_header import ResponseHeader
from hesper.datastructures.secret_values import SecretBytes, SecretString
from hesper.datastructures.state import ImmutableState, State
from hesper.datastructures.upload_file import UploadFile
from hesper.datastructures.url import URL

__all__ = (
    "URL",
    "Accept",
    "Address",
    "CacheControlHeader",
    "Cookie",
    "ETag",
    "Headers",
    "ImmutableMultiDict",
    "ImmutableState",
    "MultiDict",
    "MutableScopeHeaders",
    "ResponseHeader",
    "SameSite",
    "SecretBytes",
    "SecretString",
    "State",
    "UploadFile",
    "encode_header",
    "parse_cookie_header",
    "parse_query_pairs",
    "parse_query_string",
)
