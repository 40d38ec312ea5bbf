"""Session ids: signed, bound to their owner, expiring, and nothing else to remember."""

from hypothesis import given
from hypothesis import strategies as st

from service.protocol.client import Client
from service.protocol.session import LIFETIME_S, MAX_ID_LENGTH, MAX_READ, Session, Sessions

NOW = 1_800_000_000.0
CLIENT = Client(name="Cherry Studio", version="2.1", capabilities=frozenset({"elicitation", "elicitation/form"}))


def mint(key: bytes = b"k" * 32, owner: str = "anna", nonce: bytes = b"n" * 16) -> Session:
    return Sessions(key).mint("2025-06-18", CLIENT, owner, now=NOW, nonce=nonce)


def test_an_id_says_all_there_is_to_know() -> None:
    """Ours: another process with the same key, or this one after a restart, reads the same session."""
    session = mint()
    assert Sessions(b"k" * 32).read(session.id, "anna", now=NOW + 5) == session
    assert (session.version, session.client) == ("2025-06-18", CLIENT)


def test_an_id_is_visible_ascii() -> None:
    """Spec 2025-11-25, Session Management: 0x21 to 0x7E."""
    assert all(0x21 <= ord(character) <= 0x7E for character in mint(owner="某人").id)


def test_two_sessions_of_one_client_differ() -> None:
    assert mint(nonce=b"a" * 16).id != mint(nonce=b"b" * 16).id


def test_an_id_that_was_signed_with_another_key_is_unknown() -> None:
    assert Sessions(b"x" * 32).read(mint().id, "anna", now=NOW) is None


def test_an_id_of_another_principal_is_unknown() -> None:
    """Ours: a leaked session id is of no use with another token."""
    assert Sessions(b"k" * 32).read(mint().id, "ben", now=NOW) is None


def test_an_id_expires() -> None:
    sessions = Sessions(b"k" * 32)
    assert sessions.read(mint().id, "anna", now=NOW + LIFETIME_S - 1) is not None
    assert sessions.read(mint().id, "anna", now=NOW + LIFETIME_S) is None


def test_an_id_of_a_revision_that_is_spoken_no_more_is_unknown() -> None:
    sessions = Sessions(b"k" * 32)
    old = sessions.mint("2024-01-01", CLIENT, "anna", now=NOW, nonce=b"n" * 16)
    assert sessions.read(old.id, "anna", now=NOW) is None


@given(position=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=6))
def test_an_altered_id_is_unknown(position: int, bit: int) -> None:
    id_ = mint().id
    position %= len(id_)
    altered = id_[:position] + chr(ord(id_[position]) ^ (1 << bit)) + id_[position + 1 :]
    assert Sessions(b"k" * 32).read(altered, "anna", now=NOW) is None


@given(st.text(max_size=60))
def test_no_text_makes_reading_raise(text: str) -> None:
    assert Sessions(b"k" * 32).read(text, "anna", now=NOW) is None


def test_an_endless_id_is_unknown() -> None:
    assert Sessions(b"k" * 32).read("a" * (MAX_ID_LENGTH + 1), "anna", now=NOW) is None


def test_an_id_that_was_read_before_is_still_its_principals_and_still_expires() -> None:
    """Ours: only the signature is not checked again."""
    sessions, session = Sessions(b"k" * 32), mint()
    for _ in range(2):
        assert sessions.read(session.id, "anna", now=NOW) == session
        assert sessions.read(session.id, "ben", now=NOW) is None
        assert sessions.read(session.id, "anna", now=NOW + LIFETIME_S) is None


def test_ids_that_are_none_are_not_remembered() -> None:
    """Ours: who sends made-up ids takes no memory, and pushes nobody out of it."""
    sessions, session = Sessions(b"k" * 32), mint()
    sessions.read(session.id, "anna", now=NOW)
    for number in range(3 * MAX_READ):
        sessions.read(f"{number}.x", "anna", now=NOW)
    assert sessions._verified.cache_info().currsize == 1
