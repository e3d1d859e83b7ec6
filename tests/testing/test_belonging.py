"""Inside a client's block the lifespan and its state are at hand."""

from __future__ import annotations

import pytest

from hesper import Hesper
from hesper.testing import AsyncTestClient, TestClient


def counting() -> Hesper:
    def count(app: Hesper) -> None:
        app.state.count = app.state.count + 1

    return Hesper(on_startup=[count], state={"count": 0})


@pytest.mark.parametrize("state", [True, False])
def test_the_block_of_a_client_reads_its_lifespan(state: bool) -> None:
    app = counting()
    with TestClient(app, state=state) as client:
        assert client.lifespan.app is app
        assert client.app.state.count == 1
        assert client.lifespan.state.count == 1
    assert app.state.count == 0


@pytest.mark.anyio
@pytest.mark.parametrize("state", [True, False])
async def test_the_block_of_an_async_client_reads_its_lifespan(state: bool) -> None:
    app = counting()
    async with AsyncTestClient(app, state=state) as client:
        assert client.lifespan.app is app
        assert client.app.state.count == 1
    assert app.state.count == 0


def test_two_blocks_one_inside_the_other_read_their_own() -> None:
    app, other = counting(), counting()
    with TestClient(app) as outer:
        outer.app.state.count = 7
        with TestClient(other) as inner:
            assert inner.app.state.count == 1
        assert outer.app.state.count == 7


def test_a_client_without_a_block_has_no_lifespan() -> None:
    with pytest.raises(RuntimeError, match="no lifespan"):
        _ = TestClient(counting()).lifespan
