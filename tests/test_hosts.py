"""Host names and addresses: loopback."""

import pytest

from service.hosts import is_loopback


@pytest.mark.parametrize(
    ("host", "answer"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("localhost", True), ("LOCALHOST", True),
     ("0.0.0.0", False), ("192.168.1.2", False), ("localhost.example.com", False), ("", False)],
)  # fmt: skip
def test_loopback_is_what_reaches_this_machine_only(host: str, answer: bool) -> None:
    assert is_loopback(host) is answer
