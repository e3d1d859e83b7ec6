"""A misspelt option is an error that names the right one, on every layer and in every form."""

from __future__ import annotations

import string
from collections.abc import Iterator
from typing import Any, Final

import pytest

from hesper import Controller, Hesper
from hesper.config.app import AppConfig
from hesper.layer import RULES, Layer
from tests.test_layer import LAYERS


def slips(name: str) -> Iterator[str]:
    """Yield *name* with one slip of the finger, of every kind and at every place."""
    for index in range(len(name)):
        yield name[:index] + name[index + 1 :]  # a letter is missing
        yield name[: index + 1] + name[index:]  # it is there twice
        yield name[:index] + "q" + name[index + 1 :]  # it is another
        yield name[:index] + name[index + 1 : index + 2] + name[index] + name[index + 2 :]
    if "_" in name:
        yield name.replace("_", "")
        first, *rest = name.split("_")
        yield first + "".join(map(string.capwords, rest))
    yield name[:-1] if name.endswith("s") else f"{name}s"


def distance(one: str, other: str) -> int:
    """Return how many slips are between two words: letters more, less, other, or swapped."""
    rows: list[list[int]] = [[*range(len(other) + 1)]]
    for i, left in enumerate(one, start=1):
        row = [i]
        for j, right in enumerate(other, start=1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (left != right))
            if i > 1 and j > 1 and (left, one[i - 2]) == (other[j - 2], right):
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


MISSPELT: Final = {
    option: [slip for slip in dict.fromkeys(slips(option)) if slip not in RULES] for option in RULES
}

# What resembles a short name may well be a name of the user's own: "tag", "dot", "otp".
LONG: Final = [option for option in RULES if len(option) > 4]

each_option = pytest.mark.parametrize("option", RULES)


def is_named(option: str, slip: str, message: str) -> bool:
    """Whether *message* names *option*, or another that is as near to *slip*."""
    near = {name for name in RULES if distance(slip, name) <= 1}
    return any(f"did you mean {name!r}?" in message for name in {option, *near})


@each_option
@pytest.mark.parametrize("layer", sorted(LAYERS))
def test_a_misspelt_keyword_is_refused_with_the_right_name(layer: str, option: str) -> None:
    # All layers refuse in the same place, so that all slips on one of them will do.
    for slip in MISSPELT[option][:: 1 if layer == "get" else 9]:
        with pytest.raises(TypeError) as refused:
            LAYERS[layer](**{slip: None})
        message = str(refused.value)
        assert f"has no option {slip!r}" in message
        assert is_named(option, slip, message), message


@pytest.mark.parametrize("option", LONG)
def test_a_misspelt_attribute_of_a_controller_is_refused_with_the_right_name(option: str) -> None:
    for slip in MISSPELT[option]:
        with pytest.raises(TypeError) as refused:
            type("Books", (Controller,), {slip: None})
        message = str(refused.value)
        assert f"Books.{slip} is not an option" in message
        assert is_named(option, slip, message), message


@each_option
def test_neighbours_swapped_are_found_even_in_short_names(option: str) -> None:
    if len(option) < 4:
        return
    for index in range(len(option) - 1):
        slip = option[:index] + option[index + 1] + option[index] + option[index + 2 :]
        if slip != option:
            with pytest.raises(TypeError) as refused:
                type("Books", (Controller,), {slip: None})
            assert is_named(option, slip, str(refused.value))


@pytest.mark.parametrize("option", LONG)
def test_a_mixin_is_looked_at_too(option: str) -> None:
    for slip in MISSPELT[option][::3]:
        mixin: Any = type("Mixin", (), {slip: None})
        with pytest.raises(TypeError, match=rf"Mixin\.{slip} is not an option; did you mean"):
            type("Books", (mixin, Controller), {})


@each_option
def test_what_a_plugin_misspells_is_refused_with_the_right_name(option: str) -> None:
    for slip in MISSPELT[option][::3]:

        def misspell(config: AppConfig, name: str = slip) -> AppConfig:
            setattr(config, name, None)
            return config

        with pytest.raises(AttributeError) as refused:
            Hesper(on_app_init=misspell)
        message = str(refused.value)
        assert f"no option {slip!r}" in message
        assert is_named(option, slip, message), message


@pytest.mark.parametrize("name", ["tag", "header", "dot", "otp", "parameter_names", "GUARDS"])
def test_names_of_the_user_s_own_pass_on_a_controller(name: str) -> None:
    assert issubclass(type("Books", (Controller,), {name: 1}), Layer)
