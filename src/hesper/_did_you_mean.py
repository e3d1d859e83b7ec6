"""The name that was probably meant, for messages about names that nobody knows."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return "; did you mean 'x'?" for the known name nearest to *name*, or nothing.

    One slip of the finger counts whatever the cutoff, as in a word like "guards" it leaves little
    resemblance, and so does another way to join words; but in still shorter words, such as "tags",
    a slip makes too many others, unless neighbours are swapped.
    """
    from difflib import get_close_matches  # here, as most processes never need it

    candidates = sorted(known)
    near = [word for word in candidates if _is_misspelt(name, word)]
    near += get_close_matches(name, candidates, n=3, cutoff=cutoff)
    near.sort(key=lambda word: (not _is_swapped(name, word), not _is_one_slip(name, word)))
    return f"; did you mean {near[0]!r}?" if near else ""


def _is_misspelt(name: str, option: str) -> bool:
    """Whether *name* is *option* with one slip, or its words joined otherwise."""
    if not name.isupper() and name.replace("_", "").lower() == option.replace("_", ""):
        return len(option) > 4
    shortest = 4 if _is_swapped(name, option) else 5
    return len(option) >= shortest and _is_one_slip(name, option)


def _is_swapped(name: str, option: str) -> bool:
    return sorted(name) == sorted(option) and _is_one_slip(name, option)


def _is_one_slip(name: str, option: str) -> bool:
    """Whether one letter is missing, added or another, or two neighbours are swapped."""
    for _end in ("last", "first"):
        while name and option and name[-1] == option[-1]:
            name, option = name[:-1], option[:-1]
        name, option = name[::-1], option[::-1]
    return max(len(name), len(option)) < 2 or (len(name) == 2 and name == option[::-1])
