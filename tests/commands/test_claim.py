"""A folder of a bucket belongs to one database: a start of another one is refused, and `claim` takes it over."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from service.commands.bucket import look_at_bucket
from service.commands.history_check import known_fingerprint
from service.commands.public_url import State
from service.images import ImageRequest, Picture
from service.settings import Settings
from service.settings_reader import SettingsError
from service.storage.opened import Storage
from service.stores import open_stores
from tests.command_process import HANGS_S, said
from tests.scale import seaweed
from tests.scale.postgres import Server

SECRET = "0123456789abcdef" * 4
ANOTHER = "fedcba9876543210" * 4
REFUSED = r"^EASEL_FILES_URL: s3://easel/\w+/ belongs to another database, .*name another folder, .*`python -m service "


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with seaweed.running(tmp_path_factory.mktemp("s3")) as url:
        yield url


@pytest.fixture(autouse=True)
def _(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for the bucket as long as a busy machine needs: its patience is none of what these tests are for."""
    monkeypatch.setattr("service.storage.s3.bucket.TIMEOUT", aiohttp.ClientTimeout(total=None, sock_read=HANGS_S))


@pytest.fixture
async def urls(postgres_server: Server) -> AsyncIterator[tuple[str, str]]:
    """Two databases, each made for itself."""
    async with postgres_server.database() as one, postgres_server.database() as other:
        yield one, other


def env(server: str, folder: str, data: Path, **more: str) -> dict[str, str]:
    return {
        "EASEL_DATA_DIR": str(data),
        "EASEL_SECRET": SECRET,
        "EASEL_FILES_URL": f"s3://{seaweed.BUCKET}/{folder}",
        "EASEL_S3_ENDPOINT": server,
        "EASEL_S3_KEY_ID": seaweed.KEY_ID,
        "EASEL_S3_SECRET_KEY": seaweed.SECRET_KEY,
        **more,
    }


@contextlib.asynccontextmanager
async def started(settings: dict[str, str]) -> AsyncIterator[Storage]:
    """The storage of the settings, as a start opens it."""
    async with contextlib.AsyncExitStack() as stack:
        yield await open_stores(Settings.from_env(settings), stack, patience_s=HANGS_S)


async def refused(settings: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=REFUSED):
        async with started(settings):
            pass


async def test_a_second_data_folder_with_the_folder_of_the_first_is_refused(server: str, tmp_path: Path) -> None:
    """Ours: each would count the pictures of the other as left over, and remove them for want of room."""
    one, other = (env(server, "folders", tmp_path / each) for each in ("one", "other"))
    async with started(one) as first:
        name = await first.files.keep("ann", b"a picture", "image/png")
        await refused(other)
    async with started(one) as again:
        assert await again.files.read(name) == b"a picture"
    async with started(env(server, "folders-of-another", tmp_path / "other")):
        pass


async def test_a_second_database_with_the_folder_of_the_first_is_refused(
    server: str, tmp_path: Path, urls: tuple[str, str]
) -> None:
    """Ours: with one secret, each would remove what has arrived for jobs of the other."""
    one, other = (env(server, "databases", tmp_path / "data", EASEL_DATABASE_URL=url) for url in urls)
    async with started(one) as first:
        job = (await first.store.begin("ann", ImageRequest(model="m", prompt="a fox"), "kiln", "")).job
        await first.arrivals.keep(job, [Picture(data=b"arrived")])
        await refused(other)
        async with started(env(server, "databases", tmp_path / "replica", EASEL_DATABASE_URL=urls[0])) as replica:
            assert await replica.arrivals.read(job) == {0: [Picture(data=b"arrived")]}


async def test_what_had_arrived_is_found_after_the_secret_was_changed(
    server: str, tmp_path: Path, urls: tuple[str, str]
) -> None:
    """Bug: the names of arrivals hung on EASEL_SECRET, so that pictures which were paid for were lost by a new one."""
    settings = env(server, "secrets", tmp_path / "data", EASEL_DATABASE_URL=urls[0])
    async with started(settings) as before:
        job = (await before.store.begin("ann", ImageRequest(model="m", prompt="a fox"), "kiln", "")).job
        await before.arrivals.keep(job, [Picture(data=b"arrived")])
    async with started(settings | {"EASEL_SECRET": ANOTHER}) as after:
        [claimed] = await after.store.claim()
        assert await after.arrivals.read(claimed) == {0: [Picture(data=b"arrived")]}


async def test_claim_takes_a_folder_over_from_a_database_that_is_gone(server: str, tmp_path: Path) -> None:
    lost, anew = (env(server, "lost", tmp_path / each) for each in ("gone", "anew"))
    async with started(lost):
        pass
    told = said(tmp_path, "claim", status=0, **anew)
    assert "s3://easel/lost/ belongs to this database now" in told
    async with started(anew):
        pass
    await refused(lost)


def test_claim_without_a_bucket_says_so(tmp_path: Path) -> None:
    told = said(tmp_path, "claim", status=2)
    assert "EASEL_FILES_URL: names no bucket" in told


@pytest.mark.parametrize("kind", ["folder", "database"])
async def test_doctor_tells_of_a_folder_of_another_database(
    server: str, tmp_path: Path, urls: tuple[str, str], kind: str
) -> None:
    one, other = (
        env(server, f"doctor-{kind}", tmp_path / name, **({"EASEL_DATABASE_URL": url} if kind == "database" else {}))
        for name, url in zip(("one", "other"), urls, strict=True)
    )
    async with started(one):
        pass
    assert "EASEL_FILES_URL: s3://easel/doctor-" in (await looked(other))[State.FAIL]
    assert "belongs to another database" in (await looked(other))[State.FAIL]
    assert State.FAIL not in await looked(one)


async def looked(settings: dict[str, str]) -> dict[State, str]:
    """The findings of doctor about the bucket, by their states."""
    read = Settings.from_env(settings)
    assert read.s3 is not None
    async with aiohttp.ClientSession() as session:
        findings = look_at_bucket(session, read.s3, await known_fingerprint(read))
        return {each.state: each.message async for each in findings}
