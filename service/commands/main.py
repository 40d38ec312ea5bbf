"""The command line: `serve` (the default), over HTTP or with `--stdio`, and the other commands.

`import` takes over what an earlier server kept; `demo` shows the whole way of a picture once; `models` compares the
models file with the lists of the image services; `pause` and `resume` are the kill switch. Those of `operations.py`
have a parser of their own.
"""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Final

from service import image_services, logs
from service.commands import demo, doctor, operations, serve, takeover
from service.commands import models as models_command
from service.commands.environment import environment
from service.commands.pause import PauseError, Selection, pause, read_end, resume
from service.images import WorkError
from service.settings import Settings
from service.settings_reader import SettingsError
from service.settings_table import SETTINGS, names_without_effect, unknown_names

OPTIONS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "write": ("models",),
    "name": ("pause", "resume", "import"),
    "owner": ("import",),
    "all": ("pause", "resume"),
    "for": ("pause",),
    "until": ("pause",),
}
"""The commands that an option goes with."""

NO_DEFAULTS: Final[Mapping[str, str]] = {}


def run(arguments: list[str] | None = None, defaults: Mapping[str, str] = NO_DEFAULTS) -> int:
    """Run one command. Returns the exit status: 0 when it ended well, 2 when a setting is wrong.

    `defaults` are the settings that count where neither the environment nor the file says anything.
    """
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] and words[0] in operations.COMMANDS:
        return _operate(operations.parser().parse_args(words))
    parser = _parser()
    options = parser.parse_args(words)
    for name, commands in OPTIONS_OF.items():
        if getattr(options, name) and options.command not in commands:
            parser.error(f"{'NAME' if name == 'name' else f'--{name}'} goes with {' and '.join(commands)}")
    try:
        settings = _read_settings({**defaults, **environment(), **_overrides(options)})
        return asyncio.run(_run(options, settings))
    except (PauseError, takeover.TakeoverError) as error:
        parser.error(str(error))
    except SettingsError as error:
        print(f"easel: {error}", file=sys.stderr)
        return 2


def _operate(options: argparse.Namespace) -> int:
    """Run a command of whoever runs the service. Returns the exit status: 2 where it cannot be followed."""
    if options.command == "doctor":  # it names every wrong setting by itself
        return doctor.run(as_json=options.json, token=options.token)
    try:
        settings = _read_settings(environment())
        level = "warning" if settings.log_level == "info" else settings.log_level
        logs.set_up(level, settings.log_format, image_services.secrets_of(settings))
        run_command: operations.Run = options.run
        return run_command(settings, options)
    except (SettingsError, WorkError, *operations.ERRORS) as error:
        print(f"easel: {error}", file=sys.stderr)
        return 2


def _read_settings(env: Mapping[str, str]) -> Settings:
    """Return the settings, with their notes printed, and let a stop signal end the command in order."""
    settings = Settings.from_env(env)
    for note in (*unknown_names(env), *names_without_effect(env), *settings.notes):
        print(f"easel: {note}", file=sys.stderr)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    return settings


async def _run(options: argparse.Namespace, settings: Settings) -> int:
    command = "stdio" if options.stdio else options.command
    # These print their own steps: the log stays out of them unless a level was set.
    prints = command in ("demo", "import", "models", "pause", "resume")
    level = "warning" if prints and settings.log_level == "info" else settings.log_level
    logs.set_up(level, settings.log_format, image_services.secrets_of(settings))
    if command == "models":
        return await models_command.models(settings, write=options.write)
    if command == "import":
        return await takeover.take_over(settings, Path(options.name or settings.data_dir), options.owner or "")
    selection = Selection(owner=options.name or "", everybody=options.all)
    if command == "pause":
        return await pause(settings, selection, read_end(getattr(options, "for"), options.until, time.time()))
    if command == "resume":
        return await resume(settings, selection)
    if command in ("serve", "stdio"):
        await takeover.take_over_found(settings.without_tokens() if options.stdio else settings)
    commands = {"serve": serve.serve, "stdio": serve.serve_stdio, "demo": demo.demo}
    return await commands[command](settings)


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signal module's signature
    """End the command in order: the loop cancels its tasks, and they close their resources. `serve` has its own way."""
    sys.exit(0)


def _overrides(options: argparse.Namespace) -> dict[str, str]:
    overrides = {"EASEL_HOST": options.host, "EASEL_PORT": options.port, "EASEL_PATH": options.path}
    return {name: value for name, value in overrides.items() if value is not None}


def _parser() -> argparse.ArgumentParser:
    width = max(len(setting.name) for setting in SETTINGS)
    rows = "\n".join(
        f"  {setting.name:<{width}}  {setting.meaning}{f' [{setting.default}]' if setting.default else ''}"
        for setting in SETTINGS
    )
    parser = argparse.ArgumentParser(
        prog="easel",
        description="Easel, an image-generation service for MCP clients.",
        epilog=f"settings, from the environment or the file .env [default]:\n{rows}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "command",
        nargs="?",
        choices=("serve", "import", "demo", "models", "pause", "resume", *operations.COMMANDS),
        default="serve",
        help="serve until it is stopped (the default), import what an earlier server kept, draw one picture to show "
        "how, compare the models file with what the image services have, or pause and resume the drawing of an owner "
        "or of all; for whoever runs it: backup, restore, token, history, usage, doctor, move, claim, each with its "
        "--help",
    )
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="with pause and resume: the owner, a name of a token; with import: a folder",
    )
    parser.add_argument("--owner", metavar="NAME", help="with import: whose history it enters")
    parser.add_argument("--all", action="store_true", help="with pause and resume: everybody")
    parser.add_argument("--for", metavar="TIME", help="with pause: how long, such as 90s, 30m, 2h or 1d")
    parser.add_argument("--until", metavar="TIME", help="with pause: its end, such as 2026-11-29T08:00, in UTC")
    parser.add_argument(
        "--write", action="store_true", help="with models: change the models file as it is shown without this"
    )
    parser.add_argument("--stdio", action="store_true", help="serve one client on standard input and output")
    parser.add_argument("--host", help="instead of EASEL_HOST")
    parser.add_argument("--port", help="instead of EASEL_PORT")
    parser.add_argument("--path", help="instead of EASEL_PATH")
    return parser
