"""Which dependency an argument was probably meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from hesper._did_you_mean import did_you_mean
from hesper._plan.annotations import shown
from hesper._signature import MISSING, SignatureParameter, members, without_extras


def or_dependency(parameter: SignatureParameter, dependencies: Iterable[Any]) -> str:
    """Return which dependency was probably meant, by its name or by its type; or nothing."""
    keys = list(dependencies)
    near = did_you_mean(parameter.name, [key for key in keys if isinstance(key, str)])
    types = {shown(key): key for key in keys if not isinstance(key, str)}
    if near or not types:
        return near
    wanted = [] if parameter.annotation is MISSING else list(members(parameter.annotation))
    for name, key in types.items():
        if any(_are_related(without_extras(member), key) for member in wanted):
            return f"; did you mean the type {name}, which is a dependency?"
    by_lower_case = {name.lower(): name for name in types}
    for word in (*map(shown, wanted), parameter.name.replace("_", "")):
        nearest = difflib.get_close_matches(word.lower(), by_lower_case, n=1, cutoff=0.7)
        if nearest:
            return f"; did you mean the type {by_lower_case[nearest[0]]}, which is a dependency?"
    return ""


def _are_related(one: Any, other: Any) -> bool:
    if not isinstance(one, type) or not isinstance(other, type) or object in (one, other):
        return False
    return issubclass(one, other) or issubclass(other, one)
