"""`move` as a person types it: to PostgreSQL and a bucket, and back; and all that it refuses."""

import asyncio
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.command_process import banner_of, easel, said, value_of
from tests.installation import contents, fill
from tests.paths import ROOT
from tests.scale import seaweed
from tests.scale.postgres import PASSWORD, Server, database_of
from tests.wire import wire_client

COPIED = 4
ANN = "a-token-of-ann-0123456789"


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with seaweed.running(tmp_path_factory.mktemp("s3")) as url:
        yield url


@pytest.fixture
async def database(postgres_server: Server) -> AsyncIterator[str]:
    async with postgres_server.database() as url:
        yield url


@pytest.fixture
async def old(tmp_path: Path) -> Path:
    """The data folder of the installation that is moved."""
    await fill(tmp_path / "old")
    return tmp_path / "old"


def written(file: Path, **settings: str) -> str:
    """The name of a file of settings."""
    file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    return file.name


def scaled(tmp_path: Path, database: str, bucket: str, **more: str) -> dict[str, str]:
    """Settings for PostgreSQL and a bucket."""
    return {
        "EASEL_DATA_DIR": str(tmp_path / "replica"),
        "EASEL_DATABASE_URL": database,
        "EASEL_FILES_URL": f"s3://{seaweed.BUCKET}/{database_of(database)}",
        "EASEL_S3_ENDPOINT": bucket,
        "EASEL_S3_KEY_ID": seaweed.KEY_ID,
        "EASEL_S3_SECRET_KEY": seaweed.SECRET_KEY,
        **more,
    }


async def test_an_installation_goes_to_postgresql_and_a_bucket_and_comes_back_the_same(
    tmp_path: Path, old: Path, database: str, bucket: str
) -> None:
    before = contents(old)
    away = scaled(tmp_path, database, bucket, EASEL_SECRET=before.secret.hex())
    target = written(tmp_path / "scale.env", **away)
    told = said(tmp_path, "move", "--to", target, EASEL_DATA_DIR=str(old))
    place = database.partition("@")[2]
    assert f"Moved to postgresql://{place}: totals 2, jobs 7, pictures 6" in told
    assert f"In the bucket easel: {len(before.pictures)} pictures, of which {len(before.pictures)} were new." in told
    assert "Start the service with the settings of scale.env" in told
    assert PASSWORD not in told
    assert before.secret.hex() not in told
    assert [each.name for each in (tmp_path / "replica" / "files").glob("*/*")] == []
    shutil.rmtree(old)
    back = written(tmp_path / "back.env", EASEL_DATA_DIR=str(tmp_path / "back"))
    told = said(tmp_path, "move", "--to", back, status=0, **away)
    assert f"In {tmp_path / 'back' / 'files'}: {len(before.pictures)} pictures" in told
    assert contents(tmp_path / "back") == before


async def test_a_replica_goes_on_where_the_folder_was(tmp_path: Path, old: Path, database: str, bucket: str) -> None:
    """Ours: links in chats, tokens and numbers of the history are those of before, and the next number follows."""
    away = scaled(tmp_path, database, bucket, EASEL_SECRET=(old / "secret").read_bytes().hex())
    said(tmp_path, "move", "--to", written(tmp_path / "scale.env", **away), status=0, EASEL_DATA_DIR=str(old))
    picture = next((old / "files").glob("*/*"))
    with easel(tmp_path, **away) as process:
        banner = banner_of(process)
        async with wire_client(value_of(banner, "MCP endpoint"), ANN) as client:
            async with client.session.get(f"{client.url.rpartition('/')[0]}/mcp-cache/{picture.name}") as answer:
                assert await answer.read() == picture.read_bytes()
            found = (await client.call("history", {"query": "一只猫"}))["structuredContent"]["entries"]
            assert [each["history_id"] for each in found] == [1]
            drawn = await client.call("generate", {"prompt": "a lighthouse"})
            assert drawn["structuredContent"]["history_id"] == 41
    told = said(tmp_path, "move", "--to", written(tmp_path / "x.env", EASEL_DATA_DIR="x"), status=2, **away)
    assert "1 replica runs on" in told, "one that was killed lives for ten seconds more"


async def test_the_folder_of_a_bucket_goes_from_one_database_to_the_next(
    tmp_path: Path, old: Path, database: str, bucket: str, postgres_server: Server
) -> None:
    """Ours: two databases in one folder would remove each other's pictures; the old one does not start there again."""
    secret = (old / "secret").read_bytes().hex()
    away = scaled(tmp_path, database, bucket, EASEL_SECRET=secret)
    said(tmp_path, "move", "--to", written(tmp_path / "scale.env", **away), EASEL_DATA_DIR=str(old))
    async with postgres_server.database() as second, postgres_server.database() as third:
        on = {**away, "EASEL_DATABASE_URL": second, "EASEL_DATA_DIR": str(tmp_path / "second")}
        said(tmp_path, "move", "--to", written(tmp_path / "second.env", **on), status=0, **away)
        with easel(tmp_path, **on) as process:
            banner_of(process)
        assert "belongs to another database" in said(tmp_path, status=2, **away)
        await fill(tmp_path / "foreign")
        target = written(tmp_path / "third.env", **{**away, "EASEL_DATABASE_URL": third})
        foreign = str(tmp_path / "foreign")
        told = said(tmp_path, "move", "--to", target, status=2, EASEL_DATA_DIR=foreign, EASEL_SECRET=secret)
        assert "--to: EASEL_FILES_URL: s3://easel/" in told
        assert "belongs to another database" in told
        assert "Copied" not in told


async def test_a_move_that_was_killed_goes_on_where_it_was(tmp_path: Path, old: Path) -> None:
    """Ours: many gigabytes take hours, and machines are started anew."""
    before = contents(old)
    new = tmp_path / "new"
    killed = [sys.executable, "-m", "tests.crashing_move", str(old), str(new), str(COPIED)]
    ended = await asyncio.to_thread(subprocess.run, killed, cwd=ROOT, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not (new / "easel.db").exists(), "nothing counts before everything is there"
    assert len(list(new.glob("files/*/*"))) == COPIED < len(before.pictures)
    target = written(tmp_path / "new.env", EASEL_DATA_DIR=str(new))
    told = said(tmp_path, "move", "--to", target, EASEL_DATA_DIR=str(old))
    assert f"{len(before.pictures)} pictures, of which {len(before.pictures) - COPIED} were new" in told
    assert contents(new) == before


def test_it_is_refused_while_a_service_runs(tmp_path: Path, database: str) -> None:
    """Ours: a picture that is drawn meanwhile would be nowhere."""
    target = written(tmp_path / "new.env", EASEL_DATABASE_URL=database, EASEL_SECRET="0123456789abcdef" * 4)
    with easel(tmp_path) as process:
        banner_of(process)
        told = said(tmp_path, "move", "--to", target, status=2)
    assert "a service, or another move, runs on" in told
    assert "Traceback" not in told


async def test_another_secret_is_refused(tmp_path: Path, old: Path, database: str) -> None:
    """Ours: every link that people have would lead nowhere."""
    env = {"EASEL_DATABASE_URL": database, "EASEL_DATA_DIR": str(tmp_path / "replica")}
    foreign = written(tmp_path / "foreign.env", **env, EASEL_SECRET="0123456789abcdef" * 4)
    assert "the new place has another secret" in said(
        tmp_path, "move", "--to", foreign, status=2, EASEL_DATA_DIR=str(old)
    )
    without = written(tmp_path / "without.env", **env)
    told = said(tmp_path, "move", "--to", without, status=2, EASEL_DATA_DIR=str(old))
    assert (
        f"have no EASEL_SECRET, which replicas share: give it that of now, as EASEL_SECRET (`xxd -p -c 64 {old}" in told
    )
    assert not (tmp_path / "replica").exists()


async def test_a_data_folder_gets_the_secret_of_the_settings(tmp_path: Path, old: Path) -> None:
    """Ours: whoever goes back to one machine need not know of it any more."""
    secret = (old / "secret").read_bytes()
    (old / "secret").unlink()
    target = written(tmp_path / "new.env", EASEL_DATA_DIR=str(tmp_path / "new"))
    said(tmp_path, "move", "--to", target, EASEL_DATA_DIR=str(old), EASEL_SECRET=secret.hex())
    assert (tmp_path / "new" / "secret").read_bytes() == secret
    assert stat.S_IMODE((tmp_path / "new" / "secret").stat().st_mode) == 0o600


@pytest.mark.parametrize(("settings", "words"), [
    pytest.param(None, "--to: new.env cannot be read: No such file or directory", id="no file"),
    pytest.param("EASEL_PORT=x", "--to: new.env: EASEL_PORT", id="a wrong setting"),
    pytest.param("EASEL_LOG=error", "new.env names the places where everything is", id="the same place"),
    pytest.param(
        "EASEL_DATABASE_URL=postgresql://u:secret-word@127.0.0.1:1/x\nEASEL_SECRET_FILE=data/digits",
        "postgresql://127.0.0.1:1/x: the database does not answer",
        id="nobody there",
    ),
])  # fmt: skip
def test_a_target_that_cannot_be_is_told(tmp_path: Path, settings: str | None, words: str) -> None:
    said(tmp_path, "token", "add", "anna")  # which makes a data folder
    (tmp_path / "data" / "digits").write_text((tmp_path / "data" / "secret").read_bytes().hex())
    if settings is not None:
        (tmp_path / "new.env").write_text(settings)
    told = said(tmp_path, "move", "--to", "new.env", status=2)
    assert words in told
    assert "Traceback" not in told
    assert "secret-word" not in told
