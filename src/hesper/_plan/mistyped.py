"""Whether a provider makes what is asked of it, as far as annotations tell.

Only what cannot be right is told: two classes of which neither derives from the other.
"""

from __future__ import annotations

import collections.abc
import inspect
from collections.abc import Callable, Iterator
from typing import Any, Final, get_args, get_origin

from hesper._plan.annotations import shown
from hesper._plan.manner import EXITS, Manner
from hesper._signature import (
    MISSING,
    described,
    members,
    without_extras,
)

_WIDER: Final = {(int, float), (int, complex), (float, complex)}
"""What checkers accept in place of another (PEP 484, the numeric tower)."""


def mismatch(
    call: Callable[..., Any], manner: Manner, returns: Any, wanted: Any, what: str
) -> Iterator[str]:
    """Yield the problem, if the provider *call* cannot make a *wanted*.

    Args:
        call: The provider.
        manner: How it is called.
        returns: What it says that it returns; `MISSING` if it does not.
        wanted: The type that is asked for.
        what: How the message names who asks.
    """
    made = _made(call, manner, returns)
    if made is wanted or made is MISSING or wanted is MISSING or _fits(made, wanted):
        return
    yield (
        f"{what} is {shown(wanted)}, but {described(call)} makes {shown(made)}; "
        "change one of the annotations"
    )


def _made(call: Callable[..., Any], manner: Manner, returns: Any) -> Any:
    """Return the type of what a provider makes; `MISSING` if nothing tells."""
    if isinstance(call, type):
        return MISSING if manner in EXITS else call
    if returns is MISSING or manner not in EXITS:
        return returns
    made = get_args(without_extras(returns))
    return made[0] if made else MISSING


def _fits(made: Any, wanted: Any) -> bool:
    alternatives = [_class_of(member) for member in members(wanted)]
    possible = [_class_of(member) for member in members(made)]
    if None in alternatives or None in possible:
        return True
    return any(_are_related(one, other) for one in possible for other in alternatives)


def _class_of(annotation: Any) -> type | None:
    """Return the class that an annotation stands for; `None` if it could be anything."""
    bare = without_extras(annotation)
    if bare is None:
        return type(None)
    found = get_origin(bare) or bare
    if not isinstance(found, type) or inspect.isabstract(found) or found in _ANYTHING:
        return None
    return None if getattr(found, "_is_protocol", False) else found


_ANYTHING: Final = {Any, object, collections.abc.Callable}


def _are_related(made: Any, wanted: Any) -> bool:
    if (made, wanted) in _WIDER:
        return True
    try:
        return issubclass(made, wanted) or issubclass(wanted, made)
    except TypeError:  # a TypedDict, which is no class for this
        return True
