"""The commands of whoever runs the service that have words of their own: backups, people, usage; and their parser.

They read the same settings as the service, and print their own steps. All errors of theirs are one line.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from service.commands import claim as claim_command
from service.commands import move as move_command
from service.commands import people
from service.commands.progress import MEGABYTE, ProgressLine
from service.settings import Settings
from service.storage.backup import Report, back_up
from service.storage.backup import restore as restore_backup
from service.storage.backup_folder import BackupError
from service.storage.moving.records import MoveError
from service.storage.people import AtWorkError
from service.tokens import TokensError

COMMANDS: Final = ("backup", "restore", "token", "history", "usage", "doctor", "move", "claim")
ERRORS: Final = (AtWorkError, BackupError, MoveError, people.PeopleError, TokensError)
"""Errors that end one of the commands, with the words for the person."""

Run = Callable[[Settings, argparse.Namespace], int]


def parser() -> argparse.ArgumentParser:
    """Return the parser of these commands; `run` of the options it reads is the work."""
    read = argparse.ArgumentParser(prog="easel", description="Easel: commands for whoever runs it.")
    commands = read.add_subparsers(dest="command", required=True)
    _add_backup(commands)
    _add_token(commands)
    _add_history(commands)
    usage = _command(commands, "usage", "how much each person had drawn, by month", _usage)
    usage.add_argument("--json", action="store_true", help="for programs: a list of objects")
    usage.add_argument("--costs", action="store_true", help="the costs instead, by day, person and model")
    usage.add_argument("--month", metavar="YYYY-MM", default="", help="one month alone, such as 2026-11")
    _add_doctor(commands)
    _add_move(commands)
    _command(commands, "claim", "take the folder of the bucket over from a database that is gone", _claim)
    return read


Commands = argparse._SubParsersAction


def _command(commands: "Commands[argparse.ArgumentParser]", name: str, help_: str, run: Run) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=help_, description=help_)
    command.set_defaults(run=run)
    return command


def _add_backup(commands: "Commands[argparse.ArgumentParser]") -> None:
    taken = _command(
        commands, "backup", "copy the history, the pictures and the secret to a folder, while it runs or not", _backup
    )
    taken.add_argument("target", type=Path, metavar="TARGET", help="a new or empty folder, or an earlier backup")
    brought = _command(commands, "restore", "bring a backup into an empty data folder (EASEL_DATA_DIR)", _restore)
    brought.add_argument("source", type=Path, metavar="SOURCE", help="the folder of a backup")
    brought.add_argument("--skip-damaged", action="store_true", help="leave out pictures that are damaged there")


def _add_token(commands: "Commands[argparse.ArgumentParser]") -> None:
    token = commands.add_parser("token", help="tokens of people: add, list, revoke, rename, reset")
    steps = token.add_subparsers(dest="step", required=True)
    add = _command(steps, "add", "make a token for a name, and print it once", _token_add)
    add.add_argument("name", metavar="NAME")
    add.add_argument(
        "--expires", metavar="TIME", help="a date such as 2027-06-30, or a span such as 90d; never without"
    )
    _command(steps, "list", "names and tokens, without the tokens themselves", _token_list)
    revoke = _command(steps, "revoke", "end the tokens of a name, or one of them", _token_revoke)
    revoke.add_argument("name", metavar="NAME")
    revoke.add_argument("id", metavar="ID", nargs="?", default="", help="the id of one token, as `token list` shows it")
    rename = _command(steps, "rename", "another name for a person, with all that is theirs", _token_rename)
    rename.add_argument("old", metavar="OLD")
    rename.add_argument("new", metavar="NEW")
    reset = _command(steps, "reset", "remove all tokens of `token add`, as if there had been none", _token_reset)
    reset.add_argument("--yes", action="store_true", help="do not ask")


def _add_history(commands: "Commands[argparse.ArgumentParser]") -> None:
    history = commands.add_parser("history", help="the history of a name that is no longer used: give, delete")
    steps = history.add_subparsers(dest="step", required=True)
    give = _command(steps, "give", "add the history and pictures of a name to those of another one", _history_give)
    give.add_argument("old", metavar="OLD", help="a name without a token")
    give.add_argument("new", metavar="NEW")
    give.add_argument("--yes", action="store_true", help="also where nobody has the name NEW yet")
    delete = _command(steps, "delete", "delete the history and the pictures of a name", _history_delete)
    delete.add_argument("name", metavar="NAME", help="a name without a token")
    delete.add_argument("--yes", action="store_true", help="do not ask")


def _add_doctor(commands: "Commands[argparse.ArgumentParser]") -> None:
    help_ = "look at settings, data folder, image services and the public URL, and say what is wrong"
    looked = commands.add_parser("doctor", help=help_, description=f"{help_}; exit status 1 where something is")
    looked.add_argument("--json", action="store_true", help="for programs: an object")
    looked.add_argument("--token", default="", help="a token that the running service takes; - to type it")


def _add_move(commands: "Commands[argparse.ArgumentParser]") -> None:
    help_ = "take everything to another database and another place of the pictures, or back, while no service runs"
    moved = _command(commands, "move", help_, _move)
    moved.add_argument(
        "--to", type=Path, required=True, metavar="FILE", help="the settings of the new place, in the form of .env"
    )


def _move(settings: Settings, options: argparse.Namespace) -> int:
    return move_command.run(settings, options.to)


def _claim(settings: Settings, options: argparse.Namespace) -> int:  # noqa: ARG001 - as the others
    return claim_command.run(settings)


def _backup(settings: Settings, options: argparse.Namespace) -> int:
    return backup(settings, options.target)


def _restore(settings: Settings, options: argparse.Namespace) -> int:
    return restore(settings, options.source, skip_damaged=options.skip_damaged)


def _token_add(settings: Settings, options: argparse.Namespace) -> int:
    return people.add(settings, options.name, options.expires)


def _token_list(settings: Settings, options: argparse.Namespace) -> int:  # noqa: ARG001 - as the others
    return people.list_tokens(settings)


def _token_revoke(settings: Settings, options: argparse.Namespace) -> int:
    return people.revoke(settings, options.name, options.id)


def _token_rename(settings: Settings, options: argparse.Namespace) -> int:
    return people.rename(settings, options.old, options.new)


def _token_reset(settings: Settings, options: argparse.Namespace) -> int:
    return people.reset(settings, yes=options.yes)


def _history_give(settings: Settings, options: argparse.Namespace) -> int:
    return people.give(settings, options.old, options.new, yes=options.yes)


def _history_delete(settings: Settings, options: argparse.Namespace) -> int:
    return people.delete(settings, options.name, yes=options.yes)


def _usage(settings: Settings, options: argparse.Namespace) -> int:
    shown = people.costs if options.costs else people.usage
    return shown(settings, month=options.month, as_json=options.json)


def backup(settings: Settings, target: Path) -> int:
    """Back the data folder up. Returns the exit status: 1 where pictures of the history were not there.

    Raises `BackupError`.
    """
    _refuse_database(settings, "pg_dump --format=custom --file=easel.dump", "keep it with")
    elsewhere = settings.s3 is not None
    report = back_up(settings.data_dir, target, ProgressLine("Copied", sys.stderr), elsewhere=elsewhere)
    if settings.s3 is not None:
        print(
            f"Backed up {settings.data_dir} to {target}: the history alone. The pictures are in the bucket "
            f"{settings.s3.bucket}: keep that by its own means, as versions or a copy of it."
        )
        return 0
    print(
        f"Backed up {settings.data_dir} to {target}: the history and {_counted(report)}, of which {report.copied} were "
        f"new{f'; {report.removed} that are no longer kept were removed' if report.removed else ''}."
    )
    print(f"It holds the secret of this service and everybody's pictures: keep it as safe as {settings.data_dir}.")
    print(f"`python -m service restore {target}` brings it back into an empty data folder.")
    if report.missing:
        print(f"Not there, and left out: {_listed(report)}. The data folder has lost them.")
    return 1 if report.missing else 0


def restore(settings: Settings, source: Path, *, skip_damaged: bool) -> int:
    """Bring a backup into the data folder. Returns the exit status. Raises `BackupError`."""
    _refuse_database(settings, "pg_restore --dbname", "put back")
    progress = ProgressLine("Checked and copied", sys.stderr)
    report = restore_backup(source, settings.data_dir, progress, skip_damaged=skip_damaged)
    print(f"Restored {source} to {settings.data_dir}: the history and {_counted(report)}. Start the service.")
    if report.missing:
        print(f"Damaged, and left out: {_listed(report)}. The history says that they are gone.")
    return 0


def _refuse_database(settings: Settings, command: str, then: str) -> None:
    """Raise `BackupError` where the history is in PostgreSQL, which has means of its own."""
    if settings.database is None:
        return
    pictures = f"the bucket {settings.s3.bucket}" if settings.s3 is not None else str(settings.data_dir / "files")
    secret = "EASEL_SECRET" if settings.secret or settings.secret_file else str(settings.data_dir / "secret")
    raise BackupError(
        f"the history is in {settings.database.shown}: use `{command}` with that URL, and {then} the pictures in "
        f"{pictures} and the secret in {secret}"
    )


def _counted(report: Report) -> str:
    noun = "picture" if report.pictures == 1 else "pictures"
    return f"{report.pictures} {noun} ({-(-report.size // MEGABYTE)} MB)"


def _listed(report: Report) -> str:
    return ", ".join(report.missing)
