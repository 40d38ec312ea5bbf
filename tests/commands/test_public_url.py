"""The way from the public URL to the service: each broken proxy is named, and a right one passes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.broken_proxy import Proxy, broken_proxy
from tests.doctor_run import Found, doctor
from tests.scale.ports import free_port
from tests.service_process import service_process
from tests.wire import ANNA, BEN, TWO_TOKENS

WAYS = ("service", "pictures", "public URL", "streams", "large bodies")


@asynccontextmanager
async def running(folder: Path, **settings: str) -> AsyncIterator[str]:
    """A service on the data folder that `doctor` reads; yields its port."""
    async with service_process(folder / "data", None, None, **settings) as (_, client):
        yield str(urlsplit(client.url).port)


async def through(folder: Path, proxy: Proxy, path: str = "", **settings: str) -> Found:
    """The findings about a way through a proxy, with a stand-in behind it."""
    port = str(free_port())
    async with broken_proxy(replace(proxy, target=f"http://127.0.0.1:{port}{proxy.target}")) as url:
        return await doctor(folder, EASEL_PUBLIC_URL=url + path, EASEL_PORT=port, **settings)


async def test_a_right_proxy_passes_without_a_service(tmp_path: Path) -> None:
    """Ours: whoever sets a proxy up may look at it before the first start."""
    found = await through(tmp_path, Proxy(target=""))
    assert {each: found.state(each) for each in WAYS} == dict.fromkeys(WAYS, "ok")
    assert not (tmp_path / "data").exists()


async def test_a_right_proxy_passes_before_a_running_service(tmp_path: Path) -> None:
    """Ours: it is looked at as it is, with a token of the settings."""
    port = str(free_port())
    async with broken_proxy(Proxy(target=f"http://127.0.0.1:{port}")) as url:
        settings = {"EASEL_TOKENS": TWO_TOKENS, "EASEL_PUBLIC_URL": url, "EASEL_PORT": port}
        async with running(tmp_path, **settings):
            found = await doctor(tmp_path, **settings)
    assert {each: found.state(each) for each in WAYS} == dict.fromkeys(WAYS, "ok")
    assert "it runs" in found.message("service")
    assert "one service runs on it" in found.message("data folder")
    assert not {ANNA, BEN} & set(found.text.split())


@pytest.mark.parametrize(
    ("fault", "check", "words"),
    [
        ({"buffers": True}, "streams", "proxy_buffering off"),
        ({"most_bytes": 1_000_000}, "large bodies", "client_max_body_size 64m"),
        ({"host": "backend:8866"}, "public URL", "EASEL_ALLOWED_HOSTS"),
        ({"only": "/healthz"}, "pictures", "pass on /mcp-cache/ and /upload/, not /mcp alone"),
        ({"status": 502}, "public URL", "does not reach Easel (HTTP 502)"),
        ({"status": 401}, "public URL", "take its password"),
        ({"status": 404}, "public URL", "not by Easel's sign of life (HTTP 404)"),
        ({"redirect": "https://easel.example.com"}, "public URL", "set EASEL_PUBLIC_URL to the address"),
        ({"adds": {"X-Forwarded-For": "192.0.2.7"}}, "streams", "Set EASEL_TOKENS=auto"),
    ],
    ids=["buffers", "small bodies", "wrong Host", "only one path", "dead end", "password", "other site", "redirect",
         "no tokens"],
)  # fmt: skip
async def test_a_fault_of_the_proxy_is_named(tmp_path: Path, fault: dict[str, object], check: str, words: str) -> None:
    found = await through(tmp_path, replace(Proxy(target=""), **fault))  # type: ignore[arg-type] # one field each
    assert words in found.message(check)
    assert found.state(check) == "fail"


async def test_a_wrong_host_names_the_one_that_was_sent(tmp_path: Path) -> None:
    found = await through(tmp_path, Proxy(target="", host="backend:8866"))
    assert "'backend:8866' is not a name of this server" in found.message("public URL")


async def test_a_path_that_stays_on_is_named(tmp_path: Path) -> None:
    """Ours: a proxy takes the path of the public URL off, which one slash in nginx decides."""
    found = await through(tmp_path, Proxy(target=""), "/art")
    assert "a proxy must take /art off" in found.message("public URL")


async def test_a_public_url_that_nobody_answers_is_named(tmp_path: Path, unused_tcp_port: int) -> None:
    found = await doctor(tmp_path, EASEL_PUBLIC_URL=f"http://127.0.0.1:{unused_tcp_port}")
    assert "publish or forward its port" in found.message("public URL")


async def test_a_public_url_with_the_wrong_scheme_is_named(tmp_path: Path) -> None:
    port = str(free_port())
    async with broken_proxy(Proxy(target=f"http://127.0.0.1:{port}")) as url:
        found = await doctor(tmp_path, EASEL_PUBLIC_URL=url.replace("http:", "https:"), EASEL_PORT=port)
    assert "does not speak TLS" in found.message("public URL")


async def test_a_proxy_that_loses_the_token_is_named(tmp_path: Path) -> None:
    found = await through(tmp_path, Proxy(target="", drops=("Authorization",)), EASEL_TOKENS=TWO_TOKENS)
    assert "takes the header Authorization away" in found.message("streams")
    assert found.state("streams") == "fail"


async def test_a_buffering_proxy_before_a_running_service_is_named(tmp_path: Path) -> None:
    port = str(free_port())
    async with broken_proxy(Proxy(target=f"http://127.0.0.1:{port}", buffers=True)) as url:
        settings = {"EASEL_PUBLIC_URL": url, "EASEL_PORT": port}
        async with running(tmp_path, **settings):
            found = await doctor(tmp_path, **settings)
    assert found.failed == ["streams"]


async def test_streams_need_a_token_where_the_service_has_digests_alone(tmp_path: Path) -> None:
    """Ours: tokens of `token add` are in nobody's settings; the option has one."""
    port, digest = str(free_port()), "sha256:" + "0" * 63 + "1"
    settings = {"EASEL_PUBLIC_URL": f"http://127.0.0.1:{port}", "EASEL_PORT": port}
    (tmp_path / "tokens").write_text(f"anna {digest}\nben {BEN}\n")
    async with running(tmp_path, EASEL_TOKENS_FILE=str(tmp_path / "tokens"), **settings):
        (tmp_path / "digests").write_text(f"anna {digest}\n")
        without = await doctor(tmp_path, EASEL_TOKENS_FILE="digests", **settings)
        having = await doctor(tmp_path, "--token", BEN, EASEL_TOKENS_FILE="digests", **settings)
    assert (without.state("streams"), having.state("streams")) == ("warn", "ok")
    assert "--token" in without.message("streams")
    assert BEN not in having.text


async def test_a_port_of_another_program_is_named(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = str(server.sockets[0].getsockname()[1])
        found = await doctor(tmp_path, EASEL_PORT=port)
    assert found.state("service") == "fail"
    assert f"EASEL_PORT: port {port} of 127.0.0.1 is in use" in found.message("service")
