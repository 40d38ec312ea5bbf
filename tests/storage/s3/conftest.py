"""A real S3 server for the tests of this folder, and a bucket of it with a folder for each test."""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from service.storage.s3.bucket import Bucket
from service.storage_urls import S3
from tests.scale import seaweed


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with seaweed.running(tmp_path_factory.mktemp("s3")) as url:
        yield url


@pytest.fixture
def place(server: str, request: pytest.FixtureRequest) -> S3:
    return seaweed.place(server, f"{abs(hash(request.node.nodeid)):x}/pictures/")


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def bucket(session: aiohttp.ClientSession, place: S3, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A bucket that is waited for as long as a busy machine needs: its patience is none of what these tests are for."""
    monkeypatch.setattr("service.storage.s3.bucket.TIMEOUT", aiohttp.ClientTimeout(total=None, sock_read=60))
    return Bucket(session, place)
