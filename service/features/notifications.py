"""Tells a person's clients that there are other pictures now, or that a generation has ended; nobody else's.

Whoever ends or removes something calls it. It neither waits nor fails, and knows nothing of how pictures are made.
"""

from dataclasses import dataclass

from service.features.resources import HISTORY
from service.images import Job
from service.protocol.subscriptions import RESOURCES, Hub, ResourceUpdated


@dataclass(frozen=True)
class PictureNotifications:
    """Publishes to those who listen at `hub`."""

    hub: Hub

    def ended(self, job: Job) -> None:
        """A generation has ended: it reads otherwise now, and what it drew is in the list."""
        self.hub.publish(ResourceUpdated(f"{HISTORY}{job.history_id}"), owner=job.owner)
        if job.pictures:
            self.hub.publish(RESOURCES, owner=job.owner)

    def removed(self, owner: str | None) -> None:
        """Pictures were removed; without an owner they may be anybody's."""
        self.hub.publish(RESOURCES, owner=owner)
