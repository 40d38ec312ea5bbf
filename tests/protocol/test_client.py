"""What a client says of itself, read with distrust."""

from service.protocol.client import Client, read_client


def test_what_was_declared_is_kept_by_name() -> None:
    capabilities: dict[str, object] = {
        "elicitation": {"form": {}},
        "sampling": {},
        "extensions": {"io.modelcontextprotocol/tasks": {}},
    }
    client = read_client({"name": "Cherry Studio", "version": "2.1"}, capabilities)
    assert (client.name, client.version) == ("Cherry Studio", "2.1")
    assert client.capabilities == {
        "elicitation",
        "elicitation/form",
        "sampling",
        "extensions",
        "extensions/io.modelcontextprotocol/tasks",
    }


def test_what_is_not_as_the_schema_has_it_counts_as_not_said() -> None:
    assert read_client([], None) == Client()
    assert read_client({"name": 5}, {"sampling": True, "unknown": {}}) == Client()


def test_endless_words_are_cut() -> None:
    """Ours: all of this goes into the session id, which goes into a header."""
    client = read_client({"name": "x" * 10_000}, {"extensions": {f"{n:0>9999}": {} for n in range(100)}})
    assert len(client.name) == 64
    assert sum(map(len, client.capabilities)) < 2000
