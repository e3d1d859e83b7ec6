"""How far a lifespan has come: `Phase`."""

from __future__ import annotations

import enum


class Phase(enum.StrEnum):
    """How far a lifespan has come."""

    NEW = "new"
    STARTING = "starting"
    READY = "ready"
    CLOSING = "closing"
    CLOSED = "closed"
    FAILED = "failed"
