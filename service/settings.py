"""What the environment may set, frozen at start. `SETTINGS` is the one table: `--help` and README show it."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where an upstream listens, as the person wrote it, and the key that goes to its origin and nowhere else."""

    url: str
    key: str = field(repr=False)
