"""The previews that were made last."""

from service.pictures.preview_cache import PreviewMemory


def test_the_least_recently_used_go_first_when_memory_is_full() -> None:
    """Ours: memory stays bounded, whatever people look at."""
    memory = PreviewMemory(max_bytes=30)
    for name in ("a", "b", "c"):
        memory.remember(name, name.encode() * 10)
    assert memory.find("a") == b"a" * 10
    memory.remember("d", b"d" * 10)
    assert [memory.find(name) is not None for name in "abcd"] == [True, False, True, True]


def test_a_preview_that_is_remembered_twice_counts_once() -> None:
    memory = PreviewMemory(max_bytes=20)
    for _ in range(3):
        memory.remember("a", b"a" * 10)
    memory.remember("b", b"b" * 10)
    assert memory.find("a") == b"a" * 10
