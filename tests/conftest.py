"""Fixtures: the whole service on a free port of loopback, and a client for it; a store of each kind."""

import gc
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Final

import hypothesis
import pytest

from service.app import Running, running
from service.settings import Settings
from service.storage.store import Store
from tests import browser, forked_service, memory_folders
from tests.emulators import authorization_server
from tests.emulators.authorization_server import AuthorizationServer
from tests.engines import Engine, PostgresEngine, SqliteEngine
from tests.loop_watchdog import Watchdog, watched
from tests.scale import postgres
from tests.scale.postgres import Server
from tests.stores import ENGINES, Clock, Factory, make_tables, open_postgres, open_sqlite
from tests.wire import WireClient, wire_client

LONGEST_FIRST: Final = (
    "tests/test_faults.py",
    "tests/test_secrets.py",
    "tests/conformance/test_conformance.py",
    "tests/commands/test_people.py",
    "tests/test_clock.py",
    "tests/scale/test_campaign.py",
    "tests/web/test_upload_page.py",
    "tests/gallery/test_in_a_browser.py",
    "tests/test_hostile.py",
    "tests/test_kill.py",
    "tests/test_restart.py",
    "tests/commands/test_doctor.py",
    "tests/gallery/test_app_in_hosts.py",
    "tests/test_kills.py",
    "tests/tools/test_history.py",
    "tests/web/test_mcp.py",
    "tests/web/test_guard.py",
    "tests/tools/test_elicitation.py",
    "tests/web/test_images.py",
    "tests/pipeline/test_keeping.py",
    "tests/test_main.py",
    "tests/test_wheel.py",
    "tests/test_clients.py",
    "tests/protocol/test_robustness.py",
    "tests/upstreams/test_sketch_painting.py",
    "tests/commands/test_public_url.py",
    "tests/web/test_mask_page.py",
)
"""Files of ten seconds or more each. A worker that took one of them last would be waited for by the others."""

Serve = Callable[..., AbstractAsyncContextManager[Running]]


def pytest_configure() -> None:
    """Choose where temporary folders lie, before the first is made; and let no example be late on a busy machine."""
    memory_folders.use()
    hypothesis.settings.register_profile("easel", deadline=None)
    hypothesis.settings.load_profile("easel")


@pytest.fixture(autouse=True)
def free_loop() -> Iterator[Watchdog]:
    """Fail a test in which a callback of the service held the event loop."""
    with watched() as watchdog:
        yield watchdog
    assert not watchdog.held, f"The loop was held: {'; '.join(watchdog.held)}"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Spare the collector of garbage thousands of tests and modules, which stay: a fifth of the time to find them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, and leave each file's tests in their order."""
    places = {path: place for place, path in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))


@pytest.fixture(scope="session", autouse=True)
def _forked_service() -> Iterator[None]:
    with forked_service.installed():
        yield


@pytest.fixture(scope="session", autouse=True)
def _kept_browser() -> Iterator[None]:
    with browser.kept():
        yield


@pytest.fixture
def real_starts() -> Iterator[None]:
    """For a test that says something of the start itself: its processes are interpreters of their own."""
    with forked_service.real_starts():
        yield


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Start the service as the command line does, on a data folder of this test: `async with serve(EASEL_X="y")`."""

    def start(**env: str) -> AbstractAsyncContextManager[Running]:
        base = {"EASEL_PORT": "0", "EASEL_DATA_DIR": str(tmp_path / "data"), "EASEL_LOG": "error", "EASEL_DRAIN_S": "0"}
        return running(Settings.from_env(base | env))

    return start


@pytest.fixture
async def easel(serve: Serve) -> AsyncIterator[Running]:
    """The service as a newcomer starts it: nothing configured, the sketch draws."""
    async with serve() as service:
        yield service


@pytest.fixture
async def issuer() -> AsyncIterator[AuthorizationServer]:
    """An authorization server; `serve(EASEL_OAUTH_ISSUER=issuer.url)` takes its tokens."""
    async with authorization_server.running() as server:
        yield server


@pytest.fixture
async def client(easel: Running) -> AsyncIterator[WireClient]:
    """A client of that service."""
    async with wire_client(easel.mcp_url) as client:
        yield client


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A PostgreSQL server for all tests of this worker, which the first of them starts that asks for it."""
    with postgres.running() as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock(1_000.0)


@pytest.fixture(params=ENGINES)
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    """An empty database: what is asked of it must hold for every engine."""
    if request.param == "sqlite":
        yield SqliteEngine(tmp_path)
        return
    server: Server = request.getfixturevalue("postgres_server")
    async with server.database(make_tables) as url:
        yield PostgresEngine(url, tmp_path)


@pytest.fixture(params=ENGINES)
async def factory(request: pytest.FixtureRequest) -> AsyncIterator[Factory]:
    """Opens stores on one empty database: what is asked of them must hold for every engine."""
    if request.param == "sqlite":
        yield open_sqlite
        return
    server: Server = request.getfixturevalue("postgres_server")
    async with server.database(make_tables) as url:
        yield partial(open_postgres, url)


@pytest.fixture
async def store(factory: Factory, tmp_path: Path, clock: Clock) -> AsyncIterator[Store]:
    """An empty store."""
    opened = await factory(tmp_path, clock)
    yield opened
    await opened.close()
