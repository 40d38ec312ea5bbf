"""Values of `image_url`, and their meaning."""

import base64
from collections.abc import Callable

import pytest

from service.references.urls import (
    INLINE_BYTES,
    ImageUrlError,
    InlinePicture,
    OwnPicture,
    RemotePicture,
    decode,
    parse_image_url,
)

NAME = "0123456789abcdef0123456789abcdef.png"
HOSTS = {"easel.example.com", "192.168.1.5"}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"https://easel.example.com/mcp-cache/{NAME}", id="public URL"),
        pytest.param(f"https://EASEL.example.com:8443/mcp-cache/{NAME}", id="its name in capitals, another port"),
        pytest.param(f"https://easel.example.com/prefix/of/a/proxy/mcp-cache/{NAME}", id="behind a prefix"),
        pytest.param(f"http://192.168.1.5:8866/mcp-cache/{NAME}", id="address that we listen on"),
        pytest.param(f"http://127.0.0.1:8866/mcp-cache/{NAME}", id="loopback"),
        pytest.param(f"http://127.8.8.8/mcp-cache/{NAME}", id="other loopback"),
        pytest.param(f"http://localhost:46262/mcp-cache/{NAME}", id="localhost, port of an older program"),
        pytest.param(f"http://[::1]:8866/mcp-cache/{NAME}", id="IPv6"),
        pytest.param(f"/mcp-cache/{NAME}", id="path"),
        pytest.param(f"mcp-cache/{NAME}", id="path without its slash"),
        pytest.param(NAME, id="name"),
        pytest.param(f"  /mcp-cache/{NAME}?x=1#y \n", id="with what does not matter"),
    ],
)
def test_pictures_of_ours_are_recognised_whatever_stands_before(text: str) -> None:
    """Bug of the Flow2API MCP server: behind a proxy it knew its own pictures no more."""
    assert parse_image_url(text, HOSTS) == OwnPicture(name=NAME)


def test_pictures_at_the_cdn_are_ours_and_nothing_else_there_is() -> None:
    cdn = "https://cdn.example.com/easel/"
    assert parse_image_url(f" {cdn}{NAME} ", HOSTS, cdn) == OwnPicture(name=NAME)
    for other in (f"{cdn}sub/{NAME}", f"https://cdn.example.com/{NAME}", f"{cdn}../{NAME}"):
        assert parse_image_url(other, HOSTS, cdn) == RemotePicture(url=other, host="cdn.example.com")
    assert parse_image_url(f"{cdn}{NAME}", HOSTS) == RemotePicture(url=f"{cdn}{NAME}", host="cdn.example.com")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param("/mcp-cache/../easel.db", None, id="path upwards"),
        pytest.param("/mcp-cache/..", "..", id="the folder above"),
        pytest.param("/mcp-cache/%2e%2e%2feasel.db", "%2e%2e%2feasel.db", id="encoded: taken as it stands"),
        pytest.param("/mcp-cache/", "", id="nothing"),
        pytest.param("http://127.0.0.1/mcp-cache/..\\easel.db", "..\\easel.db", id="backslash"),
    ],
)
def test_what_comes_out_of_a_path_is_one_segment(text: str, name: str | None) -> None:
    """CVE-2026-7213 and kin: the files look for exactly one form of name, and get no path."""
    if name is None:
        with pytest.raises(ImageUrlError):
            parse_image_url(text, HOSTS)
    else:
        assert parse_image_url(text, HOSTS) == OwnPicture(name=name)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        pytest.param("https://example.org/cat.png?sig=a%2Fb", "example.org", id="public"),
        pytest.param(f"https://evil.example.org/mcp-cache/{NAME}", "evil.example.org", id="a path like ours elsewhere"),
        pytest.param(
            f"https://easel.example.com.evil.org/mcp-cache/{NAME}", "easel.example.com.evil.org", id="like us"
        ),
        pytest.param(f"https://easel.example.com@evil.org/mcp-cache/{NAME}", "evil.org", id="our name as a user"),
        pytest.param("http://127.0.0.1:8866/admin", "127.0.0.1", id="loopback but no picture: the fetch refuses it"),
        pytest.param("https://easel.example.com/healthz", "easel.example.com", id="ours but no picture"),
    ],
)
def test_everything_else_is_to_be_downloaded(url: str, host: str) -> None:
    """Ours: whether it may be is for the fetch to say, which looks at every address."""
    assert parse_image_url(url, HOSTS) == RemotePicture(url=url, host=host)


@pytest.mark.parametrize(
    "text",
    ["cat.png", "file:///etc/passwd", "C:\\Users\\anna\\cat.png", "/home/anna/cat.png", "ftp://example.org/cat.png",
     "https://", "http://[::1", "javascript:alert(1)", "//example.org/cat.png", "", "../mcp-cache"],
)  # fmt: skip
def test_other_values_are_refused_with_the_way_that_works(text: str) -> None:
    with pytest.raises(ImageUrlError, match=r"use_upload|cannot be read|is not a URL"):
        parse_image_url(text, HOSTS)


def test_no_time_is_spent_on_what_is_too_long_for_a_url() -> None:
    with pytest.raises(ImageUrlError, match="has 4000000 characters"):
        parse_image_url("/" * 4_000_000, HOSTS)
    assert isinstance(parse_image_url("https://example.org/?" + "x" * 8000, HOSTS), RemotePicture)


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(lambda code: f"data:image/png;base64,{code}", id="plain"),
        pytest.param(lambda code: f"DATA:image/png;charset=x;BASE64,{code}", id="capitals and parameters"),
        pytest.param(lambda code: f"data:;base64,{code}", id="without a type"),
        pytest.param(lambda code: f"data:text/html;base64,{code.rstrip('=')}", id="without the end; of another type"),
        pytest.param(lambda code: f"data:image/png;base64,{code[:9]}\r\n {code[9:]}", id="over lines"),
        pytest.param(lambda code: f"data:image/png;base64,{code.translate(str.maketrans('+/', '-_'))}", id="for URLs"),
    ],
)
def test_a_data_uri_is_its_bytes_however_it_is_written(written: Callable[[str], str]) -> None:
    """Ours: the type that it names counts for nothing; the bytes say what they are."""
    data = bytes(range(256))
    place = parse_image_url(written(base64.b64encode(data).decode()), HOSTS)
    assert isinstance(place, InlinePicture)
    assert decode(place) == data


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("data:image/svg+xml,%3Csvg%3E", "without base64", id="percent-encoded"),
        pytest.param("data:image/png;base64", "without base64", id="no comma"),
        pytest.param("data:" + "x" * 100_000, "without base64", id="no end"),
        pytest.param("data:image/png;base64,ab!c", "broken or cut short", id="not base64"),
        pytest.param("data:image/png;base64,abcde", "broken or cut short", id="cut in a quartet"),
        pytest.param("data:image/png;base64,é", "broken or cut short", id="not ASCII"),
        pytest.param("data:image/png;base64," + "A" * (INLINE_BYTES * 4 // 3 + 8), "more than 8 MB", id="too large"),
    ],
)
def test_a_data_uri_that_cannot_be_used_is_refused(text: str, said: str) -> None:
    with pytest.raises(ImageUrlError, match=said):
        place = parse_image_url(text, HOSTS)
        assert isinstance(place, InlinePicture)
        decode(place)
