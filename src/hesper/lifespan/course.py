"""What every lifespan of an app goes through: `Course`."""

from __future__ import annotations

import msgspec

import hesper._late as late
from hesper._plan.graph import Providers, Step
from hesper.lifespan.hooks import LifespanCall


class Course(msgspec.Struct, frozen=True, eq=False):
    """What every lifespan of an app goes through; lives as long as the app."""

    loop_values: tuple[Step, ...]
    """The providers of the loop's values that are needed, each behind those it depends on."""
    values: tuple[Step, ...]
    """The providers of the lifespan's values, likewise."""
    providers: Providers
    """The app's own dependencies."""
    managers: tuple[LifespanCall, ...]
    on_startup: tuple[LifespanCall, ...]
    on_shutdown: tuple[LifespanCall, ...]
    mounts: tuple[tuple[str, late.mount], ...]
    """The mounted apps whose lifespans are run, by their paths."""

    @property
    def to_start(self) -> tuple[str, ...]:
        """What has to be started before the app can serve."""
        return (
            *(f"the lifespan manager {manager.name}" for manager in self.managers),
            *(f"the dependency {step.name!r}" for step in self.values),
            *(f"the start-up hook {hook.name}" for hook in self.on_startup),
            *(f"the app mounted at {path}" for path, m in self.mounts if m.lifespan == "required"),
        )
