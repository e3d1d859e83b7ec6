"""How long building and overriding an app take: `python -m benchmarks.building`."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

from hesper import Hesper, Lifetime, Provide, get

ROUTES = 500
ROUNDS = 20


def pool() -> int:
    return 1


def session(pool: int) -> str:
    return "session"


def handler(number: int) -> Any:
    @get(f"/place-{number}/{{item:int}}/things")
    async def handle(item: int, session: str) -> int:
        return item

    return handle


def app() -> Hesper:
    """Return an app of which every route needs a value of the lifespan, through another."""
    dependencies = {"pool": Provide(pool, lifetime=Lifetime.LIFESPAN), "session": Provide(session)}
    return Hesper([handler(number) for number in range(ROUTES)], dependencies=dependencies)


def best(work: Callable[[], object]) -> float:
    """Return the least CPU time of *work*, in milliseconds."""
    times: list[float] = []
    for _ in range(ROUNDS):
        gc.collect()
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return 1000 * min(times)


def main() -> None:
    original = app()
    print(f"{ROUTES} routes, least CPU time of {ROUNDS} rounds")
    print(f"building               {best(app):6.1f} ms")
    print(f"override with a value  {best(lambda: original.override({'pool': 2})):6.1f} ms")
    replaced = Provide(lambda: "other", sync_to_thread=False)
    print(
        f"override with Provide  {best(lambda: original.override({'session': replaced})):6.1f} ms"
    )


if __name__ == "__main__":
    main()
