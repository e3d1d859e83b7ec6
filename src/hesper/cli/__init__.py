"""The command line: `hesper`, or `python -m hesper`."""

from __future__ import annotations
