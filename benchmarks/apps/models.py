"""The types of the work once more as pydantic models, for the frameworks that are at home there."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field


class Address(BaseModel):
    """Where an order goes."""

    street: Annotated[str, Field(min_length=1)]
    city: str
    postcode: str
    country: Annotated[str, Field(min_length=2, max_length=2)]


class Line(BaseModel):
    """One line of an order."""

    article: str
    quantity: Annotated[int, Field(ge=1, le=100)]
    price: Annotated[float, Field(ge=0)]
    tags: list[str]


class Order(BaseModel):
    """The body."""

    number: int
    customer: str
    express: bool
    address: Address
    lines: list[Line]
    note: str | None = None


class Whale(BaseModel):
    """The answer to the JSON case."""

    mark: str
    title: str
    author: str
    year: int
    lent: bool


class Item(BaseModel):
    """The answer to the path case."""

    item_id: int


class Found(BaseModel):
    """The answer to the query case."""

    text: str
    limit: int
    tag: list[str]


class Access(BaseModel):
    """The answer to the dependencies case."""

    name: str
    tenant: str


class Where(BaseModel):
    """The answer to the thread case."""

    in_thread: bool


class Depth(BaseModel):
    """How deep the chain of dependencies is."""

    depth: int
