"""Signature Version 4 of one request to S3, in its `Authorization` header.

Source: "Authenticating Requests: Using the Authorization Header", docs.aws.amazon.com/AmazonS3/latest/API/
sig-v4-auth-using-authorization-header.html. Paths and queries are signed as they are sent, letter by letter, so that
they must be encoded before: each sign but letters, digits and - _ . ~ as %XX, and the slashes of a query too.
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from yarl import URL

from service.storage_urls import S3

ALGORITHM: Final = "AWS4-HMAC-SHA256"
EMPTY: Final = hashlib.sha256(b"").hexdigest()
"""The digest of a request without a body."""


def query_of(parameters: Mapping[str, str]) -> str:
    """Return a query in the one form that is signed: sorted, each sign encoded that has to be."""
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in parameters.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


@dataclass(frozen=True)
class Signer:
    """Signs requests to a bucket with its key, at the time of `clock` (seconds since the epoch)."""

    place: S3
    clock: Callable[[], float] = time.time

    def sign(self, method: str, url: URL, headers: Mapping[str, str], digest: str = EMPTY) -> dict[str, str]:
        """Return the headers of a request with its signature. `digest` is the body's SHA-256, in hexadecimal digits.

        The server refuses a body of another digest, and a clock that is more than 15 minutes off.
        """
        moment = datetime.fromtimestamp(self.clock(), UTC)
        stamp, day = moment.strftime("%Y%m%dT%H%M%SZ"), moment.strftime("%Y%m%d")
        sent = {**headers, "x-amz-content-sha256": digest, "x-amz-date": stamp}
        named = {name.lower(): " ".join(value.split()) for name, value in sent.items()}
        named["host"] = url.host_port_subcomponent or ""
        names, lines = ";".join(sorted(named)), [f"{name}:{named[name]}" for name in sorted(named)]
        request = "\n".join([method, url.raw_path, url.raw_query_string, *lines, "", names, digest])
        scope = f"{day}/{self.place.region}/s3/aws4_request"
        to_sign = "\n".join([ALGORITHM, stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
        key = _key(self.place.secret_key, day, self.place.region)
        signature = hmac.new(key, to_sign.encode(), "sha256").hexdigest()
        credential = f"{self.place.key_id}/{scope}"
        words = f"{ALGORITHM} Credential={credential},SignedHeaders={names},Signature={signature}"
        return {**sent, "Authorization": words}


@lru_cache(maxsize=4)
def _key(secret_key: str, day: str, region: str) -> bytes:
    """Return the signing key of a day: the secret key itself signs nothing else."""
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
