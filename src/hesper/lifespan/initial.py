"""The state of an app outside its lifespans: `InitialState`."""

from __future__ import annotations

from typing import Any, Never

from hesper.datastructures.state import State


class InitialState(State):
    """What `app.state` is outside lifespans and connections: the initial state, to read only."""

    def _refuse(self) -> Never:
        raise RuntimeError(
            "app.state belongs to a lifespan, and none is running here: give the value to the app "
            "as state={...}, or set it in a start-up hook or lifespan manager"
        )

    def __setattr__(self, name: str, value: Any) -> None:
        self._refuse()

    def __delattr__(self, name: str) -> None:
        self._refuse()

    def __setitem__(self, name: str, value: Any) -> None:
        self._refuse()

    def __delitem__(self, name: str) -> None:
        self._refuse()

    def setdefault(self, name: str, default: Any = None) -> Any:
        """Refuse."""
        self._refuse()

    def pop(self, name: str, default: Any = None) -> Any:
        """Refuse."""
        self._refuse()

    def popitem(self) -> tuple[str, Any]:
        """Refuse."""
        self._refuse()

    def clear(self) -> None:
        """Refuse."""
        self._refuse()
