"""One run of an app on one loop, and what goes on in it."""

from hesper.lifespan.lifespan import Lifespan
from hesper.lifespan.mounted import MountedAppFailed
from hesper.lifespan.phase import Closing, Phase
from hesper.lifespan.tasks import Tasks

__all__ = ["Closing", "Lifespan", "MountedAppFailed", "Phase", "Tasks"]
