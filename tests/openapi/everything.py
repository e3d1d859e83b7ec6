"""An app that uses every feature that an OpenAPI document has to describe."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar
from uuid import UUID

import attrs
import msgspec
import pydantic

from hesper import (
    Controller,
    Hesper,
    MediaType,
    Provide,
    Request,
    Response,
    Router,
    WebSocket,
    asgi,
    delete,
    get,
    head,
    mount,
    patch,
    post,
    put,
    route,
    websocket,
)
from hesper.connection import ASGIConnection
from hesper.datastructures import CacheControlHeader, Cookie, ETag, ResponseHeader, SecretString
from hesper.dto import DataclassDTO, DTOConfig, DTOData, dto_field
from hesper.exceptions import ClientException, NotFoundException, PermissionDeniedException
from hesper.handlers import BaseRouteHandler
from hesper.openapi import OpenAPIConfig, ResponseSpec
from hesper.openapi.plugins import RedocRenderPlugin, ScalarRenderPlugin, SwaggerRenderPlugin
from hesper.openapi.spec import (
    Components,
    Contact,
    Example,
    ExternalDocumentation,
    License,
    SecurityScheme,
    Server,
    Tag,
)
from hesper.pagination import ClassicPagination, CursorPagination, OffsetPagination
from hesper.params import (
    Body,
    FromCookie,
    FromHeader,
    MsgPackBody,
    Parameter,
    SkipValidation,
    URLEncodedBody,
)
from hesper.response import File, Redirect, ServerSentEvent, Stream
from hesper.router import ControllerRouterHandler
from hesper.types import Receive, Scope, Send

T = TypeVar("T")
HERE = Path(__file__)
MOMENT = datetime(2024, 2, 29, 12, 30, tzinfo=UTC)


class Colour(enum.Enum):
    """A colour."""

    RED = "red"
    BLUE = "blue"


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class Author(msgspec.Struct):
    """Who has written a book."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=50, examples=["Woolf"])]
    born: date | None = None
    books: list[Book] = []


class Book(msgspec.Struct, rename="camel"):
    """A book, which names its author."""

    page_count: Annotated[int, msgspec.Meta(ge=1, description="How thick it is.")]
    colour: Colour = Colour.RED
    author: Author | None = None
    tags: set[str] = msgspec.field(default_factory=set)


class Cat(msgspec.Struct, tag=True):
    lives: int = 9


class Dog(msgspec.Struct, tag=True, forbid_unknown_fields=True):
    name: str


@dataclass
class Everything:
    """All kinds of values."""

    number: int
    real: float
    truth: bool
    text: str
    raw: bytes
    moment: datetime
    day: date
    clock: time
    span: timedelta
    key: UUID
    money: Decimal
    colour: Colour
    size: Size
    either: int | str | None
    word: Literal["a", "b"]
    pets: list[Cat | Dog]
    pair: tuple[int, str]
    table: dict[str, list[int]]
    anything: Any = None
    several: list[int] = field(default_factory=list)


EVERYTHING = Everything(
    number=1,
    real=0.5,
    truth=True,
    text="t",
    raw=b"r",
    moment=MOMENT,
    day=MOMENT.date(),
    clock=MOMENT.timetz(),
    span=timedelta(days=1),
    key=UUID(int=1),
    money=Decimal("1.5"),
    colour=Colour.BLUE,
    size=Size.LARGE,
    either=None,
    word="a",
    pets=[Cat(), Dog("Rex")],
    pair=(1, "a"),
    table={"a": [1]},
)


@attrs.define
class Shelf:
    """Where books stand."""

    room: str
    meters: float = attrs.field(default=1.5)


class Options(TypedDict, total=False):
    verbose: bool
    level: int


class Point(NamedTuple):
    x: int
    y: int = 0


class Model(pydantic.BaseModel):
    """A model of pydantic."""

    name: str = pydantic.Field(min_length=1, alias="fullName")
    parent: Model | None = None
    price: Decimal = Decimal("1.0")


class Row(Generic[T], msgspec.Struct):
    cells: list[T]
    label: str = ""


@dataclass
class Account:
    """Somebody's account."""

    email: str
    password: Annotated[str, dto_field("write-only")]
    id: Annotated[int, dto_field("read-only")] = 0
    note: Annotated[str, dto_field("private")] = ""


class AccountDTO(DataclassDTO[Account]):
    config = DTOConfig(rename_strategy="camel")


class PatchDTO(DataclassDTO[Account]):
    config = DTOConfig(partial=True)


class Celsius:
    """A class that is known to encoders and decoders alone."""

    def __init__(self, degrees: float) -> None:
        self.degrees = degrees


class TooHotError(Exception):
    """It is too hot."""


def too_hot(request: Request, error: TooHotError) -> Response[dict[str, str]]:
    return Response({"error": "too hot"}, status_code=409)


async def page_of(page: Annotated[int, Parameter(ge=1, le=100)] = 1) -> int:
    return page


def keyed(connection: ASGIConnection, handler: BaseRouteHandler, x_key: FromHeader[str]) -> None:
    if x_key == "wrong":
        raise PermissionDeniedException


class Values(Controller):
    """Everything under `/values`."""

    path = "/values"
    tags = ["values"]

    @get("/all")
    async def everything(self) -> Everything:
        """Return all kinds of values."""
        return EVERYTHING

    @post("/all", status_code=200)
    async def back(self, data: Everything) -> Everything:
        return data

    @get("/shelf")
    async def shelf(self) -> Shelf:
        return Shelf("north")

    @put("/shelf")
    async def move(self, data: Shelf) -> Shelf:
        return data

    @put("/options")
    async def options(self, data: Options) -> Options:
        return data

    @put("/point")
    async def point(self, data: Point) -> int:
        return data.x

    @put("/pet")
    async def pet(self, data: Cat | Dog) -> Cat | Dog:
        return data

    @put("/model")
    async def model(self, data: Model) -> Model:
        return data

    @get("/models")
    async def models(self) -> list[Model]:
        return [Model(fullName="Ada")]

    @put("/row")
    async def row(self, data: Row[Book]) -> Row[int]:
        return Row([book.page_count for book in data.cells])

    @get("/pages")
    async def pages(self) -> ClassicPagination[Book]:
        return ClassicPagination([Book(3)], 10, 1, 1)

    @get("/part")
    async def part(self) -> OffsetPagination[Shelf]:
        return OffsetPagination([Shelf("south")], 10, 0, 1)

    @get("/cursor")
    async def cursor(self) -> CursorPagination[str, int]:
        return CursorPagination([1], 10, None)

    @get("/temperature", type_encoders={Celsius: lambda value: value.degrees})
    async def temperature(self) -> Celsius:
        return Celsius(20.5)

    @get("/nothing")
    async def nothing(self) -> None: ...

    @get("/perhaps")
    async def perhaps(self, there: bool = False) -> Book | None:
        return Book(1) if there else None

    @get("/untagged")
    async def untagged(self, which: Literal["book", "shelf"] = "book") -> Author | Book:
        return Book(1) if which == "book" else Author("A")


class Accounts(Controller):
    path = "/accounts"
    tags = ["accounts"]
    dto = AccountDTO

    @post()
    async def add(self, data: Account) -> Account:
        return data

    @get()
    async def every(self) -> list[Account]:
        return [Account("a@example.com", "secret", 1)]

    @patch("/{number:int}", dto=PatchDTO, return_dto=AccountDTO)
    async def change(self, number: int, data: DTOData[Account]) -> Account:
        return data.update_instance(Account("a@example.com", "secret", number))


class Parameters(Controller):
    path = "/parameters"

    @get("/query")
    async def query(
        self,
        number: Annotated[int, Parameter(ge=1, lt=1000, multiple_of=5, description="A number.")],
        several: Annotated[list[int], Parameter(max_items=3, title="Several", default=[])],
        word: Annotated[
            str, Parameter(query="Word", min_length=2, max_length=5, pattern="^[a-z]+$")
        ] = "abc",
        old: Annotated[int, Parameter(deprecated=True, examples=[1, Example(value=2)])] = 0,
        hidden: Annotated[str, Parameter(include_in_schema=False)] = "",
        colour: Colour | None = None,
        size: Literal[1, 2] = 1,
        day: date | None = None,
        moment: datetime | None = None,
        key: UUID | None = None,
        flag: bool = False,
        raw: SkipValidation[str] = "",
    ) -> dict[str, Any]:
        """Read the query.

        It has all there is.

        Args:
            number: Is not for clients.
        """
        return {"number": number, "word": word, "several": several, "colour": colour}

    @get("/others")
    async def others(
        self,
        x_token: FromHeader[str],
        at: int,
        session: FromCookie[int | None] = None,
        tenant: str = "",
    ) -> str:
        return f"{x_token} {at}"

    @get("/path/{number:int}/{key:uuid}/{rest:path}", raises=[NotFoundException])
    async def path_of(self, number: Annotated[int, Parameter(ge=0, le=9)], rest: Path) -> str:
        return str(rest)

    @get("/same/{key:int}")
    async def by_number(self, key: int) -> str:
        return str(key)

    @get("/same/{key:str}")
    async def by_name(self, key: str) -> str:
        return key

    @get("/guarded", guards=[keyed], raises=[PermissionDeniedException])
    async def guarded(self) -> None: ...


class Bodies(Controller):
    path = "/bodies"

    @post("/form")
    async def form(self, data: URLEncodedBody[Shelf]) -> Shelf:
        return data

    @post("/msgpack", media_type=MediaType.MESSAGEPACK)
    async def packed(self, data: MsgPackBody[Shelf]) -> Shelf:
        return data

    @post("/text")
    async def text(self, data: Annotated[str, Body(media_type=MediaType.TEXT)]) -> str:
        return data

    @post("/raw")
    async def raw(self, body: bytes) -> int:
        return len(body)

    @post("/optional")
    async def optional(self, data: dict[str, int] | None = None) -> int:
        return len(data or {})

    @post("/described")
    async def described(
        self,
        data: Annotated[
            list[int],
            Body(title="Numbers", description="Some numbers.", max_items=3, examples=[[1, 2]]),
        ],
    ) -> int:
        return sum(data)


class Answers(Controller):
    path = "/answers"

    @get("/html", media_type=MediaType.HTML)
    async def html(self) -> str:
        return "<p>"

    @get("/bytes", media_type="image/png")
    async def image(self) -> bytes:
        return b"\x89PNG"

    @get("/stream")
    async def stream(self) -> Stream:
        return Stream(["a", "b"])

    @get("/csv", media_type="text/csv")
    async def table(self) -> Stream:
        return Stream(["a,b\n"], media_type="text/csv")

    @get("/events")
    async def events(self) -> ServerSentEvent:
        async def one() -> AsyncIterator[str]:
            yield "event"

        return ServerSentEvent(one())

    @get("/file")
    async def file(self) -> File:
        return File(HERE)

    @get("/redirect")
    async def redirect(self) -> Redirect:
        return Redirect("/answers/html")

    @get("/moved", status_code=301)
    async def moved(self, stay: bool = False) -> Redirect:
        return Redirect("/answers/html", status_code=301)

    @get("/wrapped")
    async def wrapped(self) -> Response[list[Book]]:
        return Response([Book(2)])

    @get("/unknown")
    async def unknown(self):  # type: ignore[no-untyped-def]
        return {"a": 1}

    @get(
        "/headers",
        response_headers=[
            ResponseHeader(name="x-version", value="3", description="The version.", required=True),
            ResponseHeader(name="x-later", documentation_only=True, deprecated=True),
        ],
        response_cookies=[Cookie("seen", value="1", description="Seen before.")],
        cache_control=CacheControlHeader(max_age=10),
        etag=ETag(documentation_only=True),
        response_description="With headers.",
    )
    async def headers(self) -> dict[str, int]:
        return {}

    @get(
        "/responses",
        responses={
            202: ResponseSpec(Book, description="Later.", examples=[Book(5)]),
            410: ResponseSpec(None, description="Gone."),
        },
        raises=[NotFoundException, ClientException, TooHotError],
        exception_handlers={TooHotError: too_hot},
        operation_id="answer",
        summary="Answer in many ways",
        description="As **declared**.",
        deprecated=True,
        security=[{"key": []}, {}],
    )
    async def responses(self, what: int = 0) -> Response[Book]:
        if what == 1:
            raise NotFoundException
        if what == 2:
            raise TooHotError
        return Response(Book(1), status_code=202 if what == 3 else 200)


@route(["/both", "/two"], http_method=["GET", "POST", "PROPFIND"], operation_id="both")
async def both() -> str:
    return "both"


@head("/head")
async def only_head() -> None: ...


@delete("/deleted/{name:str}")
async def remove(name: str) -> None: ...


@get("/hidden", include_in_schema=False)
async def hidden() -> None: ...


@websocket("/socket")
async def socket(socket: WebSocket) -> None: ...


@asgi("/raw")
async def raw_app(scope: Scope, receive: Receive, send: Send) -> None: ...


@get("/secret")
async def secret(token: SecretString = SecretString("hunter2")) -> str:  # noqa: B008
    return "****"


CONFIG = OpenAPIConfig(
    title="Everything </script><script>alert(1)</script>",
    version="1.2.3",
    summary="All there is",
    description="With `</script>` & \u2028 in it: <img src=x onerror=alert(1)>",
    contact=Contact(name="Ada", url="https://example.com/", email="ada@example.com"),
    license=License(name="MIT", identifier="MIT"),
    terms_of_service="https://example.com/terms",
    external_docs=ExternalDocumentation("https://example.com/docs"),
    servers=[Server("/", description="Here")],
    tags=[Tag("values", description="Values.")],
    security=[{"bearer": []}],
    components=[
        Components(security_schemes={"bearer": SecurityScheme("http", scheme="bearer")}),
        Components(
            schemas={"Book_2": {"type": "string"}},
            security_schemes={
                "key": SecurityScheme("apiKey", name="x-key", security_scheme_in="header")
            },
        ),
    ],
    create_examples=True,
    render_plugins=[
        ScalarRenderPlugin(),
        SwaggerRenderPlugin(init_oauth={"clientId": "</script>"}),
        RedocRenderPlugin(assets=HERE.parent / "assets"),
    ],
)


def make(**options: Any) -> Hesper:
    """Return the app."""
    handlers: list[ControllerRouterHandler] = [
        Values,
        Accounts,
        Parameters,
        Bodies,
        Answers,
        both,
        only_head,
        remove,
        hidden,
        socket,
        raw_app,
        secret,
        mount("/mounted", raw_app),
        Router("/internal", [hidden], include_in_schema=False),
    ]
    return Hesper(
        handlers,
        dependencies={"at": Provide(page_of)},
        parameters={"tenant": Parameter(header="x-tenant", description="Whose data it is.")},
        **{"openapi_config": CONFIG, **options},
    )
