"""Settings of storage beyond one machine: the PostgreSQL database of the records, and the S3 bucket of the pictures.

They are EASEL_DATABASE_URL, and EASEL_FILES_URL with what belongs to it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

DATABASE_URL: Final = "EASEL_DATABASE_URL"
NO_DRIVER: Final = "needs one more package: pip install -r requirements-scale.txt"
LISTEN_URL: Final = "EASEL_DATABASE_LISTEN_URL"
FILES_URL: Final = "EASEL_FILES_URL"
PUBLIC_URL: Final = "EASEL_FILES_PUBLIC_URL"
ENDPOINT: Final = "EASEL_S3_ENDPOINT"
REGION: Final = "EASEL_S3_REGION"
KEY_ID: Final = "EASEL_S3_KEY_ID"
SECRET_KEY: Final = "EASEL_S3_SECRET_KEY"  # noqa: S105 - the name of a setting

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
"""The names that S3 gives to buckets (docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html)."""

_PREFIX: Final = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*")
"""Folders of plain letters, so that a key needs no escapes in a URL and none in a signature."""


_FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
"""Options of a database's URL that name files (postgresql.org/docs/current/libpq-connect.html)."""

_CHOICES: Final = {
    "sslmode": ("prefer", "disable", "allow", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
}
"""Options of a database's URL that are one of several words, the one first that counts without the option."""


class StorageUrlError(ValueError):
    """A setting of storage cannot be used. `setting` is its name."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(problem)
        self.setting = setting


@dataclass(frozen=True, kw_only=True)
class DatabaseUrl:
    """The address of a PostgreSQL database, and the password in it, if there is one. `shown` is without that."""

    url: str = field(repr=False)
    password: str = field(repr=False)
    shown: str


def read_listen(text: Callable[[str], str]) -> DatabaseUrl | None:
    """Read the setting of the way to the database past a pooler; None where there is none. Raises `StorageUrlError`."""
    if text(LISTEN_URL) and not text(DATABASE_URL):
        raise StorageUrlError(LISTEN_URL, f"means nothing without {DATABASE_URL}: set that too, or neither")
    return read_database(text, LISTEN_URL)


def read_database(text: Callable[[str], str], name: str = DATABASE_URL) -> DatabaseUrl | None:
    """Read the setting of the database; None where it is not set. Files that it names are opened.

    Raises `StorageUrlError`.
    """
    written = text(name)
    if not written:
        return None
    try:
        parts = urlsplit(written)
        sound = parts.scheme in ("postgresql", "postgres") and (parts.port or 1) and not re.search(r"\s", written)
    except ValueError:
        sound = False
    if not sound:
        raise StorageUrlError(
            name, "is not a PostgreSQL database; write postgresql://user:password@host:5432/database, with "
            "signs such as @ and / in the password as %40 and %2F",
        )  # fmt: skip
    if len(parts.path) < 2 or re.search("[/@]", parts.path[1:]):
        raise StorageUrlError(
            name, "names no database; write its name at the end, as …@host:5432/easel, and signs such as @ and / in "
            "the password as %40 and %2F",
        )  # fmt: skip
    _check_options(name, parts.query)
    place = parts.netloc.rpartition("@")[2]
    password = unquote(parts.password or "") or parse_qs(parts.query).get("password", [""])[-1]
    return DatabaseUrl(url=written, password=password, shown=f"postgresql://{place}{unquote(parts.path)}")


def _check_options(name: str, query: str) -> None:
    """Look at what stands behind the ? of a database's URL, as far as it can be told without the database.

    A file that is not there would look like a database that is not there, for which a start waits. Raises
    `StorageUrlError`.
    """
    try:
        options = parse_qs(query, strict_parsing=bool(query))
    except ValueError as error:
        raise StorageUrlError(
            name, "has something else than options behind its ?; write them as ?sslmode=require&application_name=easel"
        ) from error
    for option, choices in _CHOICES.items():
        chosen = options.get(option, [choices[0]])[-1]
        if chosen not in choices:
            raise StorageUrlError(name, f"has {option}={chosen[:40]!r}; it is one of {', '.join(choices)}")
    for option in _FILES:
        for file in options.get(option, []):
            try:
                Path(file).open("rb").close()
            except OSError as error:
                raise StorageUrlError(
                    name, f"names {file} as {option}, which cannot be read: {error.strerror}; name a file that can be"
                ) from error


@dataclass(frozen=True, kw_only=True)
class S3:
    """A folder of a bucket, and the key to it. `url` is that of the bucket, `prefix` is empty or ends in a slash.

    `public_url` is the address of that folder at a CDN, without a slash at its end; empty where links lead to Easel.
    """

    url: str
    bucket: str
    prefix: str
    region: str
    key_id: str
    secret_key: str = field(repr=False)
    public_url: str = ""

    @property
    def shown(self) -> str:
        """The folder as EASEL_FILES_URL names it."""
        return f"s3://{self.bucket}/{self.prefix}"


def read_s3(text: Callable[[str], str], url: Callable[[str], str]) -> S3 | None:
    """Read the settings of S3 by their names; `url` reads and checks one that is a URL. None where they are not set.

    A bucket at an endpoint of its own is addressed by path, as self-hosted servers need it; at Amazon by host name.
    Raises `StorageUrlError`.
    """
    written, public_url = text(FILES_URL), url(PUBLIC_URL)
    if not written and public_url:
        raise StorageUrlError(PUBLIC_URL, f"is the address of a bucket, and {FILES_URL} names none; set that as well")
    if not written:
        return None
    parts = urlsplit(written)
    prefix = parts.path.strip("/")
    prefix = f"{prefix}/" if prefix else ""
    if parts.scheme != "s3" or not _BUCKET.fullmatch(parts.netloc) or parts.query or parts.fragment:
        raise StorageUrlError(FILES_URL, "is not a bucket; write s3://bucket or s3://bucket/folder")
    if not _PREFIX.fullmatch(prefix):
        raise StorageUrlError(FILES_URL, "names a folder with other signs than letters, digits, - _ and .")
    key_id, secret_key, region = text(KEY_ID), text(SECRET_KEY), text(REGION)
    for name, value in ((KEY_ID, key_id), (SECRET_KEY, secret_key)):
        if not re.fullmatch(r"[!-~]+", value):
            raise StorageUrlError(name, f"must be set, as one word, for the bucket that {FILES_URL} names")
    if not re.fullmatch(r"[a-z0-9-]+", region):
        raise StorageUrlError(REGION, "is not a region such as us-east-1")
    endpoint = url(ENDPOINT)
    return S3(
        url=f"{endpoint}/{parts.netloc}" if endpoint else _amazon(parts.netloc, region),
        bucket=parts.netloc,
        prefix=prefix,
        region=region,
        key_id=key_id,
        secret_key=secret_key,
        public_url=public_url,
    )


def _amazon(bucket: str, region: str) -> str:
    """Return the URL of a bucket at Amazon. No certificate fits a bucket with dots as a host name."""
    host = f"s3.{region}.amazonaws.com"
    return f"https://{host}/{bucket}" if "." in bucket else f"https://{bucket}.{host}"
