"""What the pytest plugin adds where pytest-asyncio is: `hesper_client` on the loop of its tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Literal

import pytest_asyncio

__all__ = ()


def _fixture(scope: Literal["function", "class", "module", "package", "session"]) -> Any:
    """Return the fixture for tests that run on a loop of *scope*."""

    async def client(hesper_app: Any) -> AsyncGenerator[Any]:
        from hesper.testing.async_client import AsyncTestClient  # the framework, once it is used

        async with AsyncTestClient(hesper_app) as made:
            yield made

    return pytest_asyncio.fixture(client, loop_scope=scope, name=f"_hesper_asyncio_{scope}_client")


on_function_loop = _fixture("function")
on_class_loop = _fixture("class")
on_module_loop = _fixture("module")
on_package_loop = _fixture("package")
on_session_loop = _fixture("session")
