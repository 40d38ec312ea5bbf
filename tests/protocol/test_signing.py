"""Signed text: one spelling of each, and nobody else's signature."""

import pytest

from service.protocol.signing import decode, encode, is_signed, sign


@pytest.mark.parametrize("data", [b"", b"a", b"ab", b"abc", bytes(range(256))])
def test_bytes_come_back_from_their_text(data: bytes) -> None:
    text = encode(data)
    assert decode(text) == data
    assert not set(text) & set("+/=")


@pytest.mark.parametrize("text", ["YQ==", "YR", "Y", "a b", "ab+/", "ä"], ids=str)
def test_any_other_spelling_is_refused(text: str) -> None:
    """Ours: several texts must not mean the same bytes."""
    with pytest.raises(ValueError, match="base64url"):
        decode(text)


def test_a_signature_is_that_of_one_key_and_one_text() -> None:
    signature = sign(b"k" * 32, "text")
    assert is_signed(b"k" * 32, "text", signature)
    assert not is_signed(b"o" * 32, "text", signature)
    assert not is_signed(b"k" * 32, "texts", signature)
    assert not is_signed(b"k" * 32, "text", f"{signature}=")
