"""The way from a lifespan to the clients of it, which stand on a higher floor."""

from hesper.testing.async_client import AsyncTestClient as AsyncTestClient
from hesper.testing.requests import ClientOptions as ClientOptions
