"""What requests and responses are made of: state, headers, cookies, URLs, multi-dicts, files."""

from hesper.datastructures.accept import Accept as Accept
from hesper.datastructures.address import Address as Address
from hesper.datastructures.cache_control import CacheControlHeader as CacheControlHeader
from hesper.datastructures.cookies import Cookie as Cookie
from hesper.datastructures.cookies import SameSite as SameSite
from hesper.datastructures.cookies import parse_cookie_header as parse_cookie_header
from hesper.datastructures.etag import ETag as ETag
from hesper.datastructures.headers import Headers as Headers
from hesper.datastructures.headers import MutableScopeHeaders as MutableScopeHeaders
from hesper.datastructures.headers import encode_header as encode_header
from hesper.datastructures.multi_dict import ImmutableMultiDict as ImmutableMultiDict
from hesper.datastructures.multi_dict import MultiDict as MultiDict
from hesper.datastructures.query import parse_query_pairs as parse_query_pairs
from hesper.datastructures.query import parse_query_string as parse_query_string
from hesper.datastructures.response_header import ResponseHeader as ResponseHeader
from hesper.datastructures.secret_values import SecretBytes as SecretBytes
from hesper.datastructures.secret_values import SecretString as SecretString
from hesper.datastructures.state import ImmutableState as ImmutableState
from hesper.datastructures.state import State as State
from hesper.datastructures.upload_file import UploadFile as UploadFile
from hesper.datastructures.url import URL as URL

__all__: tuple[str, ...]
