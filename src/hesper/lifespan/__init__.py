"""One run of an app on one loop, and what goes on in it."""

from hesper._closing import Closing
from hesper.lifespan.lifespan import Lifespan
from hesper.lifespan.mounted import MountedAppFailed
from hesper.lifespan.phase import Phase
from hesper.lifespan.tasks import Tasks

__all__ = ["Closing", "Lifespan", "MountedAppFailed", "Phase", "Tasks"]
