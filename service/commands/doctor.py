"""The command `doctor`: one line for each thing that can be wrong with this installation, and the cure.

1. It reads the same settings as the service, and works on the same data folder whether the service runs or not.
2. It draws nothing, and changes nothing but a small file in the data folder, which it removes again.
3. No line holds a secret.

The exit status is 1 where a check failed, else 0, also with warnings.
"""

import asyncio
import getpass
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from service import image_services, logs, troubles
from service.app import AGENT, with_auto_token
from service.commands.bucket import look_at_bucket
from service.commands.environment import environment, in_container
from service.commands.history_check import has_stored_tokens, known_fingerprint, known_secret, look_at_history
from service.commands.public_url import MEGABYTE, Finding, State, Way
from service.hosts import is_loopback
from service.image_models.comparison import ask, compare
from service.image_models.models import Models, ModelsError, read_list, read_models
from service.images import WorkError
from service.pipeline.upstream_states import OF_KIND
from service.profiles import ProfilesError, read_overrides
from service.redaction import Redactor
from service.settings import Settings
from service.settings_reader import SettingsError
from service.settings_table import SETTINGS, names_without_effect, unknown_names
from service.storage.data_folder import ENTRIES, DataFolderError, foreign_owner, needing
from service.storage.file_system import kind_of, share_of, wal_problem
from service.storage.lease import living
from service.stores import secret_of
from service.tokens import TokensError, read_file
from service.upstreams.base import Offers
from service.upstreams.connector import client_session
from service.web.guard import own_names

SPARE_BYTES: Final = 1000 * MEGABYTE
"""Free space below which a warning is due: some hundred pictures."""

CLOCK_S: Final = 60.0
"""Seconds that a clock may be off: expiries and the pace of limits bear that much."""

NAMED: Final = 5
DATA_FOLDER: Final = "data folder"
OWN_MACHINE: Final = (
    "inside a container 127.0.0.1 is the container itself: write host.containers.internal (Podman), "
    "host.docker.internal (Docker) or the name of the other container instead"
)


def run(*, as_json: bool, token: str) -> int:
    """Look at everything, and print a line for each finding, or all of them as JSON. Returns the exit status.

    `token` is one that the running service takes, "-" to have it typed; without it one of the settings is used.
    """
    if token == "-":  # noqa: S105 - no password
        token = getpass.getpass("token: ") if sys.stdin.isatty() else sys.stdin.readline().strip()
    logs.set_up("error", "text", [])
    logging.getLogger(troubles.__name__).setLevel(logging.CRITICAL)  # the findings say the same
    return asyncio.run(_print_all(as_json=as_json, token=token))


async def _print_all(*, as_json: bool, token: str) -> int:
    findings: list[Finding] = []
    async for finding in examine(token):
        findings.append(finding)
        if not as_json:
            print(f"{finding.state:<5} {finding.check:<14} {finding.message}", flush=True)
    failed = sum(each.state is State.FAIL for each in findings)
    warned = sum(each.state is State.WARN for each in findings)
    if as_json:
        listed = [{"check": each.check, "state": each.state, "message": each.message} for each in findings]
        print(json.dumps({"ok": not failed, "findings": listed}, ensure_ascii=False, indent=2))
    else:
        print(f"\n{failed} failed, {warned} {'warning' if warned == 1 else 'warnings'}.")
    return 1 if failed else 0


async def examine(token: str = "") -> AsyncIterator[Finding]:
    """Yield the findings, each in one line and without a secret, in the order in which a start meets the things."""
    try:
        env = environment()
    except SettingsError as error:
        yield Finding("settings", State.FAIL, str(error))
        return
    settings, faults = _settings(env)
    for finding in faults:
        yield finding
    if settings is None:
        return
    settings = replace(settings, stored_tokens=await has_stored_tokens(settings))
    full, own_token = await asyncio.to_thread(_with_tokens, settings)
    redactor = Redactor([*image_services.secrets_of(full), token, own_token])
    async for finding in _of_everything(full, token or own_token, redactor, inside=in_container(env)):
        yield Finding(finding.check, finding.state, " ".join(redactor.clean(finding.message).split()))


async def _of_everything(settings: Settings, token: str, redactor: Redactor, *, inside: bool) -> AsyncIterator[Finding]:
    for finding in _access(settings, inside=inside):
        yield finding
    folders = await asyncio.to_thread(lambda: [*_data_folder(settings, inside=inside), *_image_folder(settings)])
    for finding in folders:
        yield finding
    if settings.database is not None or (DATA_FOLDER, State.FAIL) not in {(each.check, each.state) for each in folders}:
        async for finding in look_at_history(settings):
            yield finding
    async with client_session(settings.proxies, AGENT) as session:
        if settings.s3 is not None:
            async for finding in look_at_bucket(session, settings.s3, await known_fingerprint(settings)):
                yield finding
        async for finding in _upstreams(settings, session, redactor, inside=inside):
            yield finding
        async for finding in Way(session=session, settings=settings, token=token).look():
            yield finding


def _settings(env: Mapping[str, str]) -> tuple[Settings | None, list[Finding]]:
    """Return the settings, None where one is wrong, and the findings about them: every wrong one, not the first."""
    wrong: list[str] = []
    rest = dict(env)
    for _ in SETTINGS:
        try:
            settings = Settings.from_env(rest)
            break
        except SettingsError as error:
            wrong.append(str(error))
            if rest.pop(error.name, None) is None:
                return None, [Finding("settings", State.FAIL, each) for each in wrong]
    findings = [Finding("settings", State.FAIL, each) for each in (*wrong, *_wrong_files(settings))]
    notes = (*unknown_names(env), *names_without_effect(env), *settings.notes)
    findings += [Finding("settings", State.WARN, each) for each in notes]
    if not findings:
        findings = [Finding("settings", State.OK, "all can be read")]
    return (None if wrong else settings), findings


def _wrong_files(settings: Settings) -> Iterator[str]:
    """Yield the faults of settings that a start reads after the others, and of the files that settings name."""
    try:
        secret_of(settings)
        read_overrides(settings.profiles)
    except (SettingsError, ProfilesError) as error:
        yield str(error) if isinstance(error, SettingsError) else f"EASEL_PROFILES: {error}"
    if settings.tokens_file is not None:
        try:
            read_file(settings.tokens_file.read_bytes(), hide=logs.hide)
        except (OSError, TokensError) as error:
            yield f"EASEL_TOKENS_FILE: {settings.tokens_file}: {getattr(error, 'strerror', None) or error}"


def _with_tokens(settings: Settings) -> tuple[Settings, str]:
    """Return the settings with the token that a start makes, and a token that the service takes, or ""."""
    if settings.auto_token:
        secret = known_secret(settings)
        settings = settings if secret is None else with_auto_token(settings, secret)
    written = list(settings.tokens.values())
    if settings.tokens_file is not None:
        try:
            read_file(settings.tokens_file.read_bytes(), hide=written.append)
        except (OSError, TokensError):
            return settings, ""
    return settings, next((each for each in written if not each.lower().startswith("sha256:")), "")


def _access(settings: Settings, *, inside: bool) -> Iterator[Finding]:
    """Yield the findings about the address to listen on, the names of the service, and its tokens."""
    if inside and is_loopback(settings.host):
        yield Finding(
            "address",
            State.FAIL,
            f"EASEL_HOST is {settings.host} inside a container, so that nothing outside reaches the service, published "
            "port or not: set EASEL_HOST=0.0.0.0 and EASEL_TOKENS",
        )
    try:
        settings.check_exposure()
    except SettingsError as error:
        yield Finding("tokens", State.FAIL, str(error))
    else:
        yield _tokens(settings)
    names = sorted(own_names(settings) - {""})
    if is_loopback(settings.host) or not all(map(is_loopback, names)):
        yield Finding("hosts", State.OK, f"requests may be for {', '.join(('this machine', *names))}")
    else:
        yield Finding(
            "hosts",
            State.WARN,
            "requests may be for this machine's own names alone, so that all others get HTTP 421: set EASEL_PUBLIC_URL "
            "to the address that people use, or EASEL_ALLOWED_HOSTS to its host",
        )


def _tokens(settings: Settings) -> Finding:
    if settings.needs_token:
        return Finding("tokens", State.OK, "every call needs a token")
    if is_loopback(urlsplit(settings.public_url).hostname or "localhost"):
        return Finding("tokens", State.OK, "none are needed: only programs of this machine may call")
    return Finding(
        "tokens",
        State.FAIL,
        "EASEL_PUBLIC_URL is beyond this machine and there are no tokens, so that every call is refused: set "
        "EASEL_TOKENS, to auto for instance, or run `python -m service token add NAME`",
    )


def _data_folder(settings: Settings, *, inside: bool) -> Iterator[Finding]:
    """Yield the findings about the data folder. All of it blocks."""
    check, data = DATA_FOLDER, settings.data_dir.absolute()
    there = next(each for each in (data, *data.parents) if each.exists())
    problem, processes = _locked_out(data, there), 0
    try:
        processes = 0 if problem else living(data)
    except DataFolderError as error:
        problem = str(error)
    if problem:
        yield Finding(check, State.FAIL, problem)
        return
    using = {0: "no service runs on it", 1: "one service runs on it"}.get(processes, f"{processes} services run on it")
    yield Finding(check, State.OK, f"{data}: {using if there == data else 'the first start makes it'}")
    if inside and kind_of(there) == "overlay":
        message = f"{data} lies inside the container, and is lost with it: mount a volume there (-v easel-data:{data})"
        yield Finding(check, State.WARN, message)
    yield _file_system(there)
    yield _space(there, settings.allowances.free_bytes)


def _locked_out(data: Path, there: Path) -> str:
    """Return why this process cannot use the data folder, of which `there` is the part that exists; "" if it can."""
    if not there.is_dir():
        return f"EASEL_DATA_DIR: {there} is a file; name a folder"
    if there != data:
        able = os.access(there, os.W_OK | os.X_OK)
        return "" if able else f"EASEL_DATA_DIR: {data} cannot be made{foreign_owner(there)}"
    try:
        with needing(data):
            tempfile.TemporaryFile(dir=data).close()
    except DataFolderError as error:
        return str(error)
    parts = (data / name for name in sorted(ENTRIES))
    locked = next((each for each in parts if each.exists() and not os.access(each, os.R_OK | os.W_OK)), None)
    return f"EASEL_DATA_DIR: {locked} cannot be read and written{foreign_owner(locked)}" if locked else ""


def _file_system(folder: Path) -> Finding:
    if problem := wal_problem(folder):
        return Finding("file system", State.FAIL, problem)
    if share := share_of(folder):
        message = f"EASEL_DATA_DIR lies on {share}: only one machine may use it; a disk of this machine is safer"
        return Finding("file system", State.WARN, message)
    return Finding("file system", State.OK, f"{kind_of(folder) or 'it'} takes the history's write-ahead log")


def _space(folder: Path, least: int) -> Finding:
    free = shutil.disk_usage(folder).free
    if free < least:
        setting = f"EASEL_DISK_FREE_MB={least // MEGABYTE}"
        message = f"{free // MEGABYTE} MB are free, less than {setting}: nothing is drawn. Make room on the disk"
        return Finding("disk", State.FAIL, message)
    if free < least + SPARE_BYTES:
        message = f"{free // MEGABYTE} MB are free: make room, or let the service keep less (EASEL_CACHE_MAX_MB)"
        return Finding("disk", State.WARN, message)
    return Finding("disk", State.OK, f"{free // MEGABYTE} MB are free")


def _image_folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.image_dir
    if folder is None:
        return
    if settings.several_owners:
        message = "EASEL_IMAGE_DIR is not used: it is one person's, and several have tokens"
        yield Finding("image folder", State.WARN, message)
    try:
        with os.scandir(folder) as entries:
            next(entries, None)
    except OSError as error:
        cure = "name the folder where the chat program keeps attachments; mount it (:ro) where Easel is in a container"
        yield Finding("image folder", State.FAIL, f"EASEL_IMAGE_DIR: {folder}: {error.strerror}; {cure}")
    else:
        yield Finding("image folder", State.OK, f"{folder} can be read")


async def _upstreams(
    settings: Settings, session: aiohttp.ClientSession, redactor: Redactor, *, inside: bool
) -> AsyncIterator[Finding]:
    """Yield the findings about the image services, the models of the file, and the clock. Nothing is drawn."""
    upstreams = image_services.connect(settings, session, redactor)
    if image_services.SKETCH in upstreams:
        keys = "FLOW2API_API_KEY, OPENAI_API_KEY, GEMINI_API_KEY, OPENROUTER_API_KEY or MODELSCOPE_API_KEY"
        yield Finding("image services", State.WARN, f"none is set, so the built-in sketch draws: set {keys}")
        return
    models = _models(settings.models_file, upstreams)
    if isinstance(models, str):
        yield Finding("models", State.FAIL, models)
    for name, upstream in upstreams.items():
        try:
            offers = await ask(upstream)
        except WorkError as error:
            # A relay without a list, or a busy service, may draw all the same.
            state = State.FAIL if error.kind in OF_KIND else State.WARN
            hint = _loopback_trap(settings, name) if inside else ""
            yield Finding(name, state, f"{upstream.describe()}: {error}{hint}")
            continue
        if isinstance(offers, str):
            yield Finding(name, State.WARN, f"{upstream.describe()}: {offers}")
            continue
        yield Finding(name, State.OK, f"{upstream.describe()}: answers, with {len(offers.images)} image models")
        if isinstance(models, Models):
            for finding in _missing(models, name, offers):
                yield finding
    async for finding in _clock(settings, session):
        yield finding


def _loopback_trap(settings: Settings, name: str) -> str:
    """Return the advice for a service at an address of this machine, where that is a container; else ""."""
    endpoint = next(each.endpoint(settings) for each in image_services.UPSTREAMS if each.field == name)
    trapped = endpoint is not None and is_loopback(urlsplit(endpoint.url).hostname or "")
    return f" {name.upper()}_BASE_URL: {OWN_MACHINE}" if trapped else ""


def _models(path: Path, upstreams: Mapping[str, object]) -> Models | str:
    """Return the models that are on offer, or why the file cannot be used."""
    try:
        text = path.read_bytes()
        read_list(text)
        return read_models(text, upstreams)
    except (OSError, ModelsError) as error:
        return f"EASEL_MODELS_FILE: {path}: {getattr(error, 'strerror', None) or error}"


def _missing(models: Models, name: str, offers: Offers) -> Iterator[Finding]:
    """Yield a finding about the models of the file that a service surely has no longer."""
    gone = compare(models, name, offers).gone
    if gone:
        more = f" and {len(gone) - NAMED} more" if len(gone) > NAMED else ""
        message = f"{name} has no longer: {', '.join(gone[:NAMED])}{more}; `python -m service models --write` mends it"
        yield Finding("models", State.WARN, message)


async def _clock(settings: Settings, session: aiohttp.ClientSession) -> AsyncIterator[Finding]:
    """Yield a finding about the clock of this machine, compared with that of the first image service that tells it."""
    for each in image_services.UPSTREAMS:
        endpoint = each.endpoint(settings)
        if endpoint is None:
            continue
        try:
            timeout = aiohttp.ClientTimeout(total=10)
            async with session.head(endpoint.url, timeout=timeout, allow_redirects=False) as answer:
                told = parsedate_to_datetime(answer.headers["Date"]).timestamp()
        except (aiohttp.ClientError, TimeoutError, OSError, KeyError, ValueError):
            continue
        off = time.time() - told
        if abs(off) <= CLOCK_S:
            yield Finding("clock", State.OK, f"it agrees with that of {each.field}")
        else:
            wrong = f"it is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} that of {each.field}"
            cure = "set it by the network: timedatectl set-ntp true, in Windows w32tm /resync"
            yield Finding("clock", State.FAIL, f"{wrong}, so that tokens and links end at the wrong time; {cure}")
        return
