"""The command line: `serve` (the default), over HTTP or with `--stdio`; `demo`; `models`.

`demo` shows the whole way of a picture once; `models` compares the models file with the lists of the image services.
"""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from dotenv.parser import parse_stream

from service import image_services, logs
from service.commands import demo, serve
from service.commands import models as models_command
from service.settings import Settings, SettingsError
from service.settings_table import SETTINGS, unknown_names


def run(arguments: list[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0 when it ended well, 2 when a setting is wrong."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.write and options.command != "models":
        parser.error("--write goes with the command models")
    try:
        env = environment() | _overrides(options)
        settings = Settings.from_env(env)
        for note in (*unknown_names(env), *settings.notes):
            print(f"easel: {note}", file=sys.stderr)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _stop)
        return asyncio.run(_run("stdio" if options.stdio else options.command, settings, write=options.write))
    except SettingsError as error:
        print(f"easel: {error}", file=sys.stderr)
        return 2


def environment() -> dict[str, str]:
    """Return the variables of the environment, and below them those of `.env` in the working folder."""
    try:
        with Path(".env").open(encoding="utf-8-sig") as file:  # Notepad begins a file with a byte order mark
            written = list(parse_stream(file))
    except FileNotFoundError:
        return dict(os.environ)
    except OSError as error:
        raise SettingsError(".env", f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(".env", "cannot be read: it is not UTF-8 text") from error
    for line in written:
        if line.error:
            raise SettingsError(".env", f"line {line.original.line} is not of the form NAME=value")
    return {line.key: line.value for line in written if line.key and line.value is not None} | dict(os.environ)


async def _run(command: str, settings: Settings, *, write: bool) -> int:
    # These print their own steps: the log stays out of them unless a level was set.
    prints = command in ("demo", "models")
    level = "warning" if prints and settings.log_level == "info" else settings.log_level
    logs.set_up(level, settings.log_format, image_services.secrets_of(settings))
    if command == "models":
        return await models_command.models(settings, write=write)
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
        choices=("serve", "demo", "models"),
        default="serve",
        help="serve until it is stopped (the default), draw one picture to show how, or compare the models file with "
        "what the image services have",
    )
    parser.add_argument("--write", action="store_true", help="with models: bring the models file up to date")
    parser.add_argument("--stdio", action="store_true", help="serve one client on standard input and output")
    parser.add_argument("--host", help="instead of EASEL_HOST")
    parser.add_argument("--port", help="instead of EASEL_PORT")
    parser.add_argument("--path", help="instead of EASEL_PATH")
    return parser
