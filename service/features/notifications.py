"""Notifications to an owner's clients: the list of pictures has changed, a generation has ended.

They neither wait nor fail, so the pipeline may send them at any point.
"""

from dataclasses import dataclass

from service.features.resources import HISTORY
from service.images import Job
from service.protocol.subscriptions import RESOURCES, Hub, ResourceUpdated


@dataclass(frozen=True)
class PictureNotifications:
    """Publishes to the subscriptions of `hub`."""

    hub: Hub

    def ended(self, job: Job) -> None:
        """Notify that a generation has ended: its resource has changed, and its pictures are in the list."""
        if not self.hub.is_heard:
            return
        self.hub.publish(ResourceUpdated(f"{HISTORY}{job.history_id}"), owner=job.owner)
        if job.pictures:
            self.hub.publish(RESOURCES, owner=job.owner)

    def removed(self, owner: str | None) -> None:
        """Notify that pictures of an owner were removed; without an owner they may be any owner's."""
        self.hub.publish(RESOURCES, owner=owner)
