"""Drawing pictures as small SVG files, readable on a light and on a dark background."""

from __future__ import annotations

from io import StringIO
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.report import Curves, Dots, Picture

GREY = "#808890"
"""For letters and lines: as far from white as from black."""

COLOURS = {
    "raw": GREY,
    "hesper": "#e8590c",
    "litestar": "#a98600",
    "starlette": "#2f9e63",
    "fastapi": "#0ca3a3",
    "blacksheep": "#4c7df0",
    "falcon": "#9c5de0",
    "quart": "#d6489a",
}

STYLE: dict[Any, object] = {
    "svg.fonttype": "none",  # letters stay letters
    "svg.hashsalt": "hesper",  # the same picture is the same file
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": GREY,
    "axes.labelcolor": GREY,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.color": GREY,
    "grid.alpha": 0.25,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "legend.frameon": False,
}


def draw(picture: Picture) -> str:
    """Return *picture* as the text of an SVG file."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, height(picture)), layout="constrained")
        axes = figure.add_subplot()
        axes.set_title(picture.title)
        axes.set_xlabel(picture.across)
        match picture:
            case Dots():
                draw_dots(axes, picture)
            case Curves():
                draw_curves(axes, picture)
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper")
        written = StringIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    return written.getvalue()


def height(picture: Picture) -> float:
    """Return the picture's height in inches."""
    return 1.3 + 0.32 * len(picture.rows) if isinstance(picture, Dots) else 4.2


def draw_dots(axes: Any, picture: Dots) -> None:
    """Draw a line for each case, the goal as a stroke on it, and the apps as dots."""
    cases = list(picture.rows)
    names = list(dict.fromkeys(name for cells in picture.rows.values() for name in cells))
    goals = [picture.goals[case] for case in cases]
    places = range(len(cases))
    axes.scatter(goals, places, marker="|", s=160, color=GREY, label="goal", zorder=2)
    for name in names:
        found = [
            (cells[name], place)
            for place, cells in enumerate(picture.rows.values())
            if name in cells
        ]
        shares, lines = zip(*found, strict=True)
        axes.scatter(shares, lines, s=34, color=COLOURS[name], label=name, zorder=3)
    axes.set_yticks(places, cases)
    axes.invert_yaxis()
    highest = max(share for cells in picture.rows.values() for share in cells.values())
    axes.set_xlim(0, max(1.0, highest) * 1.05)
    axes.axvline(1.0, color=GREY, linewidth=1)


def draw_curves(axes: Any, picture: Curves) -> None:
    """Draw a curve for each app."""
    for name, line in picture.lines.items():
        sizes, values = zip(*line, strict=True)
        axes.plot(sizes, values, marker="o", markersize=4, color=COLOURS[name], label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylabel(picture.up)
