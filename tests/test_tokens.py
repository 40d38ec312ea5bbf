"""Static tokens: what a file and the setting may say, and that no error repeats a secret."""

import hashlib
from datetime import UTC, datetime

import pytest

from service.tokens import MAX_FILE_BYTES, MAX_TOKENS, TokensError, digest_of, read_file, read_pairs, static_tokens

OLD = "an-old-token-0123456789"
NEW = "a-new-token-9876543210"
SECRET = "topsecret"


def hashed(token: str) -> str:
    """A token as sha256sum would have it stand in the file."""
    return "sha256:" + hashlib.sha256(token.encode()).hexdigest()


def test_a_file_has_a_token_a_line_with_comments_and_several_of_one_name() -> None:
    """Ours: a new token works before the old one goes."""
    text = f"\ufeff# whose\n\nanna {OLD}\n  anna\t{NEW}  \r\nben.b-c_d {hashed('bens-own-0123456789')}\n"
    tokens = read_file(text.encode())
    assert [(token.name, token.digest) for token in tokens] == [
        ("anna", digest_of(OLD)),
        ("anna", digest_of(NEW)),
        ("ben.b-c_d", digest_of("bens-own-0123456789")),
    ]


@pytest.mark.parametrize(
    ("written", "end"),
    [
        pytest.param("2027-06-30", datetime(2027, 7, 1, tzinfo=UTC), id="a day counts to its end"),
        pytest.param("2027-06-30T18:00", datetime(2027, 6, 30, 18, tzinfo=UTC), id="a time without a zone is UTC"),
        pytest.param("2027-06-30T18:00+02:00", datetime(2027, 6, 30, 16, tzinfo=UTC), id="a zone"),
        pytest.param("2027-06-30T18:00Z", datetime(2027, 6, 30, 18, tzinfo=UTC), id="Z"),
    ],
)
def test_a_line_may_end_with_the_expiry(written: str, end: datetime) -> None:
    [token] = read_file(f"anna {OLD} {written}".encode())
    assert token.expires == end.timestamp()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param(SECRET, "line 2 is not of the form", id="one word"),
        pytest.param(f"anna {SECRET}-0123456789 2027-06-30 x", "line 2 is not of the form", id="too many words"),
        pytest.param(f"an:na {SECRET}-0123456789", "line 2 is not of the form", id="a colon in the name"),
        pytest.param(f"anna {SECRET}é-0123456789", "line 2 is not of the form", id="letters that no header has"),
        pytest.param(f"anna {SECRET}", "line 2 has a token of fewer than 16", id="short"),
        pytest.param(f"anna sha256:{SECRET}", "line 2 has a digest", id="half a digest"),
        pytest.param(f"anna {SECRET}-0123456789 soon", "line 2 ends with no date", id="no date"),
        pytest.param(f"anna {SECRET}-0123456789 9999-12-31", "line 2 ends with no date", id="the end of time"),
        pytest.param(f"anna {OLD}", "line 2 repeats", id="twice"),
        pytest.param(f"ben {hashed(OLD)}", "line 2 repeats", id="of another, as a digest"),
        pytest.param(f"ben {NEW}", "line 2 repeats", id="one of EASEL_TOKENS"),
    ],
)
def test_a_bad_line_is_named_and_not_shown(line: str, said: str) -> None:
    with pytest.raises(TokensError) as refused:
        read_file(f"anna {OLD}\n{line}\n".encode(), taken=[digest_of(NEW)])
    assert str(refused.value).startswith(said)
    for secret in (SECRET, OLD, NEW):
        assert secret not in str(refused.value)


def test_a_file_is_bounded() -> None:
    """Ours: each request with a token is compared with all of them."""
    most = "".join(f"anna token-number-{number:08}\n" for number in range(MAX_TOKENS))
    assert len(read_file(most.encode())) == MAX_TOKENS
    with pytest.raises(TokensError, match="1001 tokens"):
        read_file(f"{most}anna {OLD}".encode())
    with pytest.raises(TokensError, match="larger"):
        read_file(bytes(MAX_FILE_BYTES + 1))
    with pytest.raises(TokensError, match="UTF-8"):
        read_file(b"anna \xff")


def test_plain_tokens_of_a_file_are_given_away_to_be_hidden() -> None:
    hidden: list[str] = []
    read_file(f"anna {OLD}\nben {NEW}".encode(), hide=hidden.append)
    assert hidden == [OLD, NEW]


def test_a_token_and_its_digest_are_the_same_token() -> None:
    [plain, digest] = static_tokens([("anna", OLD), ("anna", hashed(OLD).upper().replace("SHA", "sha"))])
    assert plain == digest


def test_a_held_token_shows_nothing_of_it() -> None:
    assert digest_of(OLD).hex() not in repr(static_tokens([("anna", OLD)]))


@pytest.mark.parametrize("length", [1, 15, 16])
def test_a_token_of_the_setting_has_16_characters_or_more(length: int) -> None:
    """Ours: what a person makes up in a hurry is guessed."""
    token = ("s3" * 8)[:length]
    if length == 16:
        assert read_pairs([f"anna:{token}"]) == {"anna": token}
        return
    with pytest.raises(TokensError, match=r"pair 1 .* fewer than 16 .* python3 -c") as refused:
        read_pairs([f"anna:{token}"])
    assert "s3" not in str(refused.value).replace("python3", "")
