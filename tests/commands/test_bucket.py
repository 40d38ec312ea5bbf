"""`doctor` about the bucket of the pictures."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doctor_run import doctor
from tests.scale import seaweed


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with seaweed.running(tmp_path_factory.mktemp("s3")) as url:
        yield url


@pytest.mark.parametrize(
    ("secret_key", "state", "words"),
    [
        pytest.param(seaweed.SECRET_KEY, "ok", "easel takes pictures", id="usable"),
        pytest.param("another-secret-key", "fail", "EASEL_S3_SECRET_KEY", id="another key"),
    ],
)
async def test_a_bucket_is_tried(server: str, tmp_path: Path, secret_key: str, state: str, words: str) -> None:
    found = await doctor(
        tmp_path,
        EASEL_FILES_URL=f"s3://{seaweed.BUCKET}/doctor",
        EASEL_S3_ENDPOINT=server,
        EASEL_S3_KEY_ID=seaweed.KEY_ID,
        EASEL_S3_SECRET_KEY=secret_key,
    )
    assert found.state("bucket") == state, found.text
    assert words in found.message("bucket")
    assert "another-secret-key" not in found.text
