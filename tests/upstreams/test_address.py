"""Tests of service/upstreams/address.py."""

import pytest

from service.upstreams.address import api_base


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        (" http://127.0.0.1:8000/v1// ", "http://127.0.0.1:8000/v1"),
        ("https://relay.example/sub", "https://relay.example/sub/v1"),
        ("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1"),
        ("https://relay.example/v1/chat/completions", "https://relay.example/v1"),
        ("https://relay.example/v1/images/generations/", "https://relay.example/v1"),
        ("https://generativelanguage.googleapis.com/v1beta/openai/", "https://generativelanguage.googleapis.com/v1beta/openai"),
        ("https://open.bigmodel.cn/api/paas/v4", "https://open.bigmodel.cn/api/paas/v4"),
        ("https://relay.example/v1?key=k#x", "https://relay.example/v1"),
        ("https://me:pw@relay.example", "https://relay.example/v1"),
    ],
)  # fmt: skip
def test_a_base_url_may_be_written_in_many_ways(text: str, base: str) -> None:
    """Ours: manuals show the root, the version or a whole endpoint, and people copy what they see."""
    assert str(api_base(text)) == base
