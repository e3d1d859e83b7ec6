"""One run of an app on one loop, and what goes on in it."""

from hesper._closing import Closing as Closing
from hesper.lifespan.lifespan import Lifespan as Lifespan
from hesper.lifespan.mounted import MountedAppFailed as MountedAppFailed
from hesper.lifespan.phase import Phase as Phase
from hesper.lifespan.tasks import Tasks as Tasks

__all__: tuple[str, ...]
