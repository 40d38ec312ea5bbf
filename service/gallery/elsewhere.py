"""Changes by other processes, such as other replicas, or a chat program's own service: told to the open pages."""

from collections.abc import Callable
from dataclasses import dataclass

from service.gallery.events import Events
from service.storage.notices import AnythingChanged, HistoryChanged, JobChanged, JobProgress, Notice


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """Takes the notices of other processes. `heard` tells the open pages of an owner how a job stands."""

    events: Events
    heard: Callable[[str, int], None]

    def hear(self, notice: Notice) -> None:
        """Tell the open pages what a notice says."""
        match notice:
            case JobChanged(owner, history_id) | JobProgress(owner, history_id):
                if owner in self.events.owners:
                    self.heard(owner, history_id)
            case HistoryChanged(owner):
                self.events.tell(owner, "changed", {})
            case AnythingChanged():
                for owner in tuple(self.events.owners):
                    self.events.tell(owner, "changed", {})
