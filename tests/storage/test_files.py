"""Names of stored pictures: how they are minted, and which there can be."""

import hmac

import pytest

from service.images import EXTENSIONS
from service.storage.files import DERIVATIVES, media_type_of, mint

KEY = b"k" * 32
PNG = b"\x89PNG and the rest"


def test_a_name_is_keyed_over_owner_and_bytes() -> None:
    """Ours: names stay the same in every release and in every storage, since chats hold them."""
    expected = hmac.new(KEY, b"\0\0\0\0\0\0\0\x05local" + PNG, "sha256").hexdigest()[:32]
    assert mint(KEY, "local", PNG, "image/png") == f"{expected}.png"


def test_owners_keys_and_bytes_do_not_share_names() -> None:
    """Ours: a name is a capability; having the same picture as somebody must not give theirs away."""
    names = [
        mint(KEY, "ann", PNG, "image/png"),
        mint(KEY, "bob", PNG, "image/png"),
        mint(KEY, "ann", PNG + b"!", "image/png"),
        mint(KEY, "annX", b"Y", "image/png"),
        mint(KEY, "ann", b"XY", "image/png"),
        mint(b"l" * 32, "ann", PNG, "image/png"),
    ]
    assert len(set(names)) == 6


@pytest.mark.parametrize("media_type", EXTENSIONS)
def test_a_name_tells_its_media_type(media_type: str) -> None:
    assert media_type_of(mint(KEY, "ann", PNG, media_type)) == media_type


@pytest.mark.parametrize("derivative", DERIVATIVES)
def test_the_name_of_a_derivative_tells_its_own(derivative: object) -> None:
    """Ours: a smaller copy may be of another type than its picture."""
    [each] = [each for each in DERIVATIVES if each == derivative]
    assert media_type_of(each.of(mint(KEY, "ann", PNG, "image/png"))) == each.media_type


@pytest.mark.parametrize(
    "name", ["", "0" * 32, "0" * 32 + ".svg", "A" * 32 + ".png", "../" + "0" * 32 + ".png", "0" * 32 + ".png~7.webp"]
)
def test_any_other_name_is_none(name: str) -> None:
    assert media_type_of(name) is None
