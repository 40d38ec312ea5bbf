"""Settings of storage beyond one machine: what they mean, and how a mistake is told."""

from pathlib import Path

import pytest

from service.image_services import secrets_of
from service.settings import Settings
from service.settings_reader import SettingsError

KEY = {"EASEL_S3_KEY_ID": "AK", "EASEL_S3_SECRET_KEY": "topsecret/+"}


@pytest.mark.parametrize(
    ("env", "url", "prefix"),
    [
        pytest.param({"EASEL_FILES_URL": "s3://pics"}, "https://pics.s3.us-east-1.amazonaws.com", "", id="Amazon"),
        pytest.param(
            {"EASEL_FILES_URL": "s3://pics/a/b/", "EASEL_S3_REGION": "eu-west-3"},
            "https://pics.s3.eu-west-3.amazonaws.com", "a/b/", id="a region and a folder",
        ),
        pytest.param(
            {"EASEL_FILES_URL": "s3://my.pics/easel"},
            "https://s3.us-east-1.amazonaws.com/my.pics", "easel/", id="dots",
        ),
        pytest.param(
            {"EASEL_FILES_URL": "s3://pics", "EASEL_S3_ENDPOINT": "http://127.0.0.1:8333/"},
            "http://127.0.0.1:8333/pics", "", id="a server of one's own, by path",
        ),
        pytest.param(
            {"EASEL_FILES_URL": "s3://pics", "AWS_ENDPOINT_URL": "http://minio:9000", "AWS_REGION": "local"},
            "http://minio:9000/pics", "", id="Amazon's names",
        ),
    ],
)  # fmt: skip
def test_a_bucket_is_addressed(env: dict[str, str], url: str, prefix: str) -> None:
    place = Settings.from_env(KEY | env).s3
    assert place is not None
    assert (place.url, place.prefix) == (url, prefix)
    assert "topsecret" not in repr(place)


def test_without_a_bucket_pictures_stay_in_the_data_folder() -> None:
    """Ours: a key of Amazon's that some other program has in its environment turns nothing on."""
    assert Settings.from_env({"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "x"}).s3 is None


@pytest.mark.parametrize(
    ("env", "complaint"),
    [
        ({"EASEL_FILES_URL": "https://pics.example"}, "EASEL_FILES_URL: is not a bucket; write s3://bucket"),
        ({"EASEL_FILES_URL": "s3://Pics"}, "EASEL_FILES_URL: is not a bucket"),
        (
            {"EASEL_FILES_URL": "", "EASEL_FILES_PUBLIC_URL": "https://cdn.example.com"},
            "EASEL_FILES_PUBLIC_URL: is the address of a bucket, and EASEL_FILES_URL names none",
        ),
        ({"EASEL_FILES_URL": "s3://pics", "EASEL_FILES_PUBLIC_URL": "cdn"}, "EASEL_FILES_PUBLIC_URL: 'cdn' has no"),
        ({"EASEL_FILES_URL": "s3://pics?x=1"}, "EASEL_FILES_URL: is not a bucket"),
        ({"EASEL_FILES_URL": "s3://pics/a b"}, "EASEL_FILES_URL: names a folder with other signs"),
        ({"EASEL_FILES_URL": "s3://pics/../x"}, "EASEL_FILES_URL: names a folder with other signs"),
        ({"EASEL_FILES_URL": "s3://pics", "EASEL_S3_KEY_ID": ""}, "EASEL_S3_KEY_ID: must be set"),
        ({"EASEL_FILES_URL": "s3://pics", "EASEL_S3_SECRET_KEY": "top secret"}, "EASEL_S3_SECRET_KEY: must be set"),
        ({"EASEL_FILES_URL": "s3://pics", "EASEL_S3_REGION": "Paris!"}, "EASEL_S3_REGION: is not a region"),
        ({"EASEL_FILES_URL": "s3://pics", "EASEL_S3_ENDPOINT": "minio:9000"}, "EASEL_S3_ENDPOINT: 'minio:9000' has no"),
    ],
)
def test_a_mistake_names_its_setting_and_no_secret(env: dict[str, str], complaint: str) -> None:
    with pytest.raises(SettingsError) as stopped:
        Settings.from_env(KEY | env)
    assert str(stopped.value).startswith(complaint)
    assert "secret" not in str(stopped.value).replace("EASEL_S3_SECRET_KEY", "")


def test_a_database_is_shown_without_its_password() -> None:
    settings = Settings.from_env({"EASEL_DATABASE_URL": "postgresql://easel:to%2Fp%40secret@db.example:5433/art"})
    database = settings.database
    assert database is not None
    assert (database.password, database.shown) == ("to/p@secret", "postgresql://db.example:5433/art")
    assert "p@secret" not in repr(settings)
    assert "p%40secret" not in repr(settings)
    assert "to/p@secret" in secrets_of(settings)


def test_a_password_behind_the_place_is_a_secret_too() -> None:
    settings = Settings.from_env(
        {"EASEL_DATABASE_URL": "postgresql://easel@db/art?password=to%2Fpsecret&sslmode=prefer"}
    )
    assert settings.database is not None
    assert settings.database.shown == "postgresql://db/art"
    assert "to/psecret" in secrets_of(settings)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("mysql://db/easel", "EASEL_DATABASE_URL: is not a PostgreSQL database; write postgresql://user:password@"),
        ("db:5432/easel", "EASEL_DATABASE_URL: is not a PostgreSQL database"),
        ("postgresql://easel:se/cret@db/easel", "EASEL_DATABASE_URL: is not a PostgreSQL database"),
        ("postgresql://db:70000/easel", "EASEL_DATABASE_URL: is not a PostgreSQL database"),
        ("postgresql://easel:secret@db", "EASEL_DATABASE_URL: names no database"),
        ("postgresql://db/easel/x", "EASEL_DATABASE_URL: names no database"),
        ("postgresql://easel:12/secret@db", "EASEL_DATABASE_URL: names no database"),  # 12 looks like a port
        ("postgresql://db/easel?sslmode=on", "EASEL_DATABASE_URL: has sslmode='on'; it is one of prefer, disable,"),
        ("postgresql://db/easel?sslnegotiation=x", "EASEL_DATABASE_URL: has sslnegotiation='x'; it is one of postgres"),
        ("postgresql://db/easel?sslmode", "EASEL_DATABASE_URL: has something else than options behind its ?; write"),
    ],
)
def test_a_mistake_in_the_database_names_no_secret(url: str, complaint: str) -> None:
    with pytest.raises(SettingsError) as stopped:
        Settings.from_env({"EASEL_DATABASE_URL": url})
    assert str(stopped.value).startswith(complaint)
    assert "cret" not in str(stopped.value)


def test_the_way_past_a_pooler_is_another_way_to_the_database() -> None:
    """Ours: PgBouncer in transaction mode passes no notices on."""
    database, direct = "postgresql://easel:one@pool:6432/easel", "postgresql://easel:two@db:5432/easel"
    settings = Settings.from_env({"EASEL_DATABASE_URL": database, "EASEL_DATABASE_LISTEN_URL": direct})
    assert settings.listen is not None
    assert (settings.listen.shown, Settings.from_env({"EASEL_DATABASE_URL": database}).listen) == (
        "postgresql://db:5432/easel",
        None,
    )
    assert {"one", "two"} <= set(secrets_of(settings))


@pytest.mark.parametrize(
    ("env", "complaint"),
    [
        ({"EASEL_DATABASE_LISTEN_URL": "postgresql://db/easel"}, "EASEL_DATABASE_LISTEN_URL: means nothing without"),
        (
            {"EASEL_DATABASE_URL": "postgresql://db/easel", "EASEL_DATABASE_LISTEN_URL": "db:5432"},
            "EASEL_DATABASE_LISTEN_URL: is not a PostgreSQL database",
        ),
    ],
)
def test_a_way_that_is_none_is_told(env: dict[str, str], complaint: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_env(env)
    assert str(refused.value).startswith(complaint)


@pytest.mark.parametrize("option", ["sslrootcert", "sslcert", "sslkey", "sslcrl"])
@pytest.mark.parametrize("name", ["EASEL_DATABASE_URL", "EASEL_DATABASE_LISTEN_URL"])
def test_a_file_that_a_database_url_names_has_to_be_there(tmp_path: Path, name: str, option: str) -> None:
    """Bug: it was taken for a database that does not answer, and waited for."""
    file = tmp_path / "ca.crt"
    urls = {"EASEL_DATABASE_URL": "postgresql://db/easel"}
    urls[name] = f"postgresql://db/easel?sslmode=verify-ca&{option}={file}"
    with pytest.raises(SettingsError) as refused:
        Settings.from_env(urls)
    assert str(refused.value).startswith(f"{name}: names {file} as {option}, which cannot be read: No such file")
    file.touch()
    assert Settings.from_env(urls).database is not None
