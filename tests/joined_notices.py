"""Notices between the processes of a test, which travel as they do between real ones."""

from dataclasses import dataclass, field

from service.storage.notices import Notice, Notices, StopWanted, decode, encode


@dataclass
class Wire:
    """The notices that were told, and who hears them."""

    ends: list["Joined"] = field(default_factory=list)
    told: list[Notice] = field(default_factory=list)
    cut: bool = False
    """While true, all notices are lost."""

    def join(self, look_s: float = 3600) -> "Joined":
        end = Joined(self, look_s)
        self.ends.append(end)
        return end


class Joined(Notices):
    """One end of a wire. What is told is heard by all others in the same turn of the loop."""

    def __init__(self, wire: Wire, look_s: float) -> None:
        super().__init__()
        self._wire = wire
        self.look = look_s
        self.reaches_others = True

    @property
    def look_s(self) -> float:
        return self.look

    def tell(self, notice: Notice) -> None:
        self._wire.told.append(notice)
        heard, _ = decode(encode(notice, "one"))
        assert heard is not None
        for each in self._wire.ends:
            if each is not self and not self._wire.cut:
                each._heard(heard)

    async def ask_to_stop(self, wanted: StopWanted) -> bool:
        if self.reaches_others:
            self.tell(wanted)
        return self.reaches_others

    async def run(self) -> None:
        """Nothing is carried later."""
