"""The command line: `python -m service` serves; `python -m service demo` shows the whole way once.

A stop signal is obeyed from the first moment: process 1 of a container has no default action for it, and importing
the service takes longer than an impatient engine waits. So the handlers are set before anything is imported.
"""

import argparse
import asyncio
import os
import signal
import sys
from types import FrameType

from service.settings import SETTINGS, Settings, SettingsError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 stopped, 2 a setting is wrong."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop_at_once)
    asked = _parser().parse_args(arguments)
    try:
        settings = Settings.from_env(environment() | _overrides(asked))
        return asyncio.run(_run(asked.command, settings))
    except SettingsError as error:
        print(f"easel: {error}", file=sys.stderr)
        return 2


def environment() -> dict[str, str]:
    """The environment over the `.env` of the working folder."""
    from dotenv import dotenv_values  # noqa: PLC0415 - see the module's docstring

    try:
        written = dotenv_values(".env", interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(".env", f"cannot be read: {error}") from error
    return {name: value for name, value in written.items() if value is not None} | dict(os.environ)


async def _run(command: str, settings: Settings) -> int:
    from service import demo, logs, serve  # noqa: PLC0415 - see the module's docstring

    logs.set_up(settings.log_level, settings.log_format, secrets_of(settings))
    return await (demo.demo(settings) if command == "demo" else serve.serve(settings))


def secrets_of(settings: Settings) -> list[str]:
    """Everything that must never reach a log."""
    keys = [settings.flow2api.key] if settings.flow2api else []
    return [*settings.tokens.values(), *keys]


def _overrides(asked: argparse.Namespace) -> dict[str, str]:
    given = {"EASEL_HOST": asked.host, "EASEL_PORT": asked.port, "EASEL_PATH": asked.path}
    return {name: value for name, value in given.items() if value is not None}


def _parser() -> argparse.ArgumentParser:
    rows = "\n".join(
        f"  {setting.name:<24} {setting.meaning}{f' [{setting.default}]' if setting.default else ''}"
        for setting in SETTINGS
    )
    parser = argparse.ArgumentParser(
        prog="easel",
        description="Easel, an image-generation service for MCP clients.",
        epilog=f"settings, from the environment or the file .env [default]:\n{rows}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", choices=("serve", "demo"), default="serve", help="serve, or show it once")
    parser.add_argument("--host", help="EASEL_HOST")
    parser.add_argument("--port", help="EASEL_PORT")
    parser.add_argument("--path", help="EASEL_PATH")
    return parser


def _stop_at_once(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signal module's signature
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
