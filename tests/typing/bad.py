"""What users must not write: each line is rejected, and an ignore that nothing needs fails."""

from __future__ import annotations

from hesper import Controller, Hesper, Provide, Router, get, loop_local, post


def allow(connection: object, route_handler: object) -> None: ...


@get("/")
async def handler() -> None: ...


get("/", guard=[allow])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
get("/", guards=allow)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
get("/", guards=[1])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
get("/", http_method="GET")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
post("/", dto=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Router("/", [handler], opt={1: 2})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
Router("/", [handler], on_startup=[])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Hesper([handler], include_in_schema="no")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Hesper([handler]).guards = []  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


class Books(Controller):
    guards = allow  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    opt = {1: 2}  # type: ignore[dict-item]  # pyright: ignore[reportAssignmentType]


async def called_directly() -> None:
    await handler(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


@loop_local.singleton
async def connect(url: str) -> int:
    return 1


async def resources_of_the_loop() -> None:
    await connect(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await connect()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await loop_local.enter(connect)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    loop_local.atexit(connect, size=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


Provide(allow, lifetime="loop")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
get("/", when_disconnected="stop")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
get("/", dto=Books)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
