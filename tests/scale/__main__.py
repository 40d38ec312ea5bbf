"""Shows that replicas lose nothing and pay once: `make test-scale`, or `python -m tests.scale --calls 300 --kills 3`.

Real PostgreSQL, SeaweedFS and nginx, three replicas, and callers who ask thousands of times while replicas are killed
and one is halted. Then the bucket and the database are away for a minute each, killed and halted, while two draw. Exit
status 1 when a rule is broken; its logs stay then. 0 says that all rules held.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from tests.scale import outage, postgres, seaweed
from tests.scale.campaign import Plan, run


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="tests.scale", description=__doc__)
    parser.add_argument("--calls", type=int, default=3000, help="of generate; a third of them repeats another one")
    parser.add_argument("--kills", type=int, default=30, help="of a random replica, by kill -9")
    parser.add_argument(
        "--halt", type=float, default=30.0, help="seconds for which one replica is halted; 0: not at all"
    )
    parser.add_argument(
        "--away", type=float, default=60.0, help="seconds for which bucket and database are away; 0: not at all"
    )
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--at-once", type=int, default=24, help="requests at the same time")
    parser.add_argument("--seed", type=int, default=1, help="of the moments of the kills")
    parser.add_argument("--minutes", type=float, default=60.0, help="after which the run is given up as broken")
    return parser.parse_args()


async def proved(asked: argparse.Namespace, folder: Path) -> bool:
    """Run it, print what came of it, and return whether all is well."""
    plan = Plan(
        calls=asked.calls,
        kills=asked.kills,
        halt_s=asked.halt,
        replicas=asked.replicas,
        at_once=asked.at_once,
        seed=asked.seed,
    )
    with postgres.running() as server, seaweed.controlled(folder / "s3") as bucket:
        async with asyncio.timeout(60 * asked.minutes):
            findings = await run(plan, folder / "proof", server, bucket.url)
            print(*findings.lines(), sep="\n", flush=True)
            is_good = findings.is_good
            for way in outage.WAYS if asked.away else ():
                found = await outage.run(way, asked.away, folder / "proof" / way.replace(" ", "-"), server, bucket)
                print(found.line, flush=True)
                is_good = is_good and not found.faults
    return is_good


def main() -> int:
    """Prove, and keep the logs of what failed."""
    asked = options()
    folder = Path(tempfile.mkdtemp(prefix="easel-scale-"))
    is_good = False
    try:
        is_good = asyncio.run(proved(asked, folder))
    finally:
        if is_good:
            shutil.rmtree(folder)
        else:
            print(f"The logs are in {folder / 'proof'}", file=sys.stderr)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
