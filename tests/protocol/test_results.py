"""What a result carries besides its own members."""

from service.protocol.catalog import Server
from service.protocol.results import SERVER_INFO, stamp
from service.protocol.versions import Era

SERVER = Server(name="test", version="1", title="Test", instructions="")


def test_a_legacy_result_stays_as_it_was_made() -> None:
    result = {"a": 1}
    assert stamp(SERVER, Era.LEGACY, "tools/list", result) is result


def test_a_modern_result_keeps_what_its_handler_said() -> None:
    stamped = stamp(SERVER, Era.MODERN, "tools/call", {"resultType": "input_required", "_meta": {"own": 1}})
    assert stamped["resultType"] == "input_required"
    assert stamped["_meta"] == {"own": 1, SERVER_INFO: SERVER.info}
