"""Signature Version 4. The expected signatures are those of Amazon's documentation and of its test key."""

import hashlib

import pytest
from yarl import URL

from service.storage.s3.signing import EMPTY, Signer, query_of
from service.storage_urls import S3

PLACE = S3(
    url="https://examplebucket.s3.amazonaws.com",
    bucket="examplebucket",
    prefix="",
    region="us-east-1",
    key_id="AKIAIOSFODNN7EXAMPLE",
    secret_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
)
MIDNIGHT = 1369353600.0  # 2013-05-24


@pytest.mark.parametrize(
    ("method", "target", "headers", "body", "signature"),
    [
        pytest.param(
            "GET", "/test.txt", {"Range": "bytes=0-9"}, b"",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41", id="a range",
        ),
        pytest.param(
            "PUT", "/test%24file.text",
            {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            b"Welcome to Amazon S3.",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd", id="an object",
        ),
        pytest.param(
            "GET", "/?lifecycle=", {}, b"",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543", id="a part of the bucket",
        ),
        pytest.param(
            "GET", "/?max-keys=2&prefix=J", {}, b"",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7", id="a list",
        ),
    ],
)  # fmt: skip
def test_a_request_is_signed_as_amazon_shows(
    method: str, target: str, headers: dict[str, str], body: bytes, signature: str
) -> None:
    """Spec (AWS, "Authenticating Requests: Using the Authorization Header", examples)."""
    url = URL(PLACE.url + target, encoded=True)
    sent = Signer(PLACE, lambda: MIDNIGHT).sign(method, url, headers, hashlib.sha256(body).hexdigest())
    assert sent["Authorization"].endswith(f",Signature={signature}")
    assert sent["x-amz-date"] == "20130524T000000Z"


def test_another_clock_method_body_or_header_gives_another_signature() -> None:
    url = URL(PLACE.url + "/x")
    signers = Signer(PLACE, lambda: MIDNIGHT), Signer(PLACE, lambda: MIDNIGHT + 1)
    signed = [
        signers[0].sign("GET", url, {}),
        signers[1].sign("GET", url, {}),
        signers[0].sign("PUT", url, {}),
        signers[0].sign("GET", url, {}, "0" * 64),
        signers[0].sign("GET", url, {"Range": "bytes=0-1"}),
    ]
    assert len({each["Authorization"] for each in signed}) == len(signed)
    assert signed[0]["x-amz-content-sha256"] == EMPTY


def test_a_query_has_one_form() -> None:
    """Spec (as above, canonical query): sorted, and each sign but the unreserved ones encoded."""
    assert query_of({"prefix": "a/b c", "continuation-token": "x+/=", "list-type": "2"}) == (
        "continuation-token=x%2B%2F%3D&list-type=2&prefix=a%2Fb%20c"
    )
