"""The sockets that the service listens on, and what is said when there can be none."""

import errno
import socket

import pytest

from service.settings import SettingsError
from service.web.sockets import listen, listen_beside, listening_error


def test_a_privileged_port_is_told_apart_from_a_port_in_use() -> None:
    """Ours: who runs the tests may be allowed to listen there, so the words are asked for."""
    error = listening_error("127.0.0.1", 80, PermissionError(errno.EACCES, "Permission denied"))
    assert error.name == "EASEL_PORT"
    assert "may not listen on port 80: choose one above 1023" in str(error)


def test_a_free_port_is_taken_for_every_address_of_a_name() -> None:
    sockets = listen("localhost", 0)
    try:
        assert len({each.getsockname()[1] for each in sockets}) == 1
    finally:
        for each in sockets:
            each.close()


def test_a_taken_port_is_an_error_but_beside_a_client_on_standard_input() -> None:
    """Ours: each client starts a process of its own there, and all are configured alike."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match="in use"):
            listen("127.0.0.1", port)
        (beside,) = listen_beside(port)
        with beside:
            assert beside.getsockname()[1] not in (0, port)
    (again,) = listen_beside(port)
    with again:
        assert again.getsockname()[1] == port
