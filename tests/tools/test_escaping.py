"""Words of others in results: they stay words, on one line, and short."""

from service.tools.escaping import ALT_LENGTH, alt_text, cut, escape_markdown
from tests.tools.hostile_text import HOSTILE


def test_a_prompt_cannot_leave_the_markdown_that_shows_it() -> None:
    """Ours: alt text comes from the caller; it must not become a link, HTML or a second picture."""
    hostile = "x](https://evil.example/a.png) ![y](z) <img src=q> `code`\n# head | \\ *b* _i_\x00\x7f"
    assert not set("[]()!<>`\\|*_#\n\x00\x7f") & set(alt_text(hostile))


def test_words_that_are_not_ours_stay_words() -> None:
    """Ours: an image service must not put a picture, a link, HTML or letters that nobody sees into a chat."""
    assert escape_markdown(HOSTILE, 300) == (
        'see !(x)(https://evil.example/a.png) (y)(z) ‹img src="q"› \'code # head (r): http://evil.example'
    )


def test_code_that_is_closed_stays_code() -> None:
    assert escape_markdown("Call `history` again.", 300) == "Call `history` again."


def test_what_is_long_is_cut_and_says_so() -> None:
    assert cut("a fox", 5) == "a fox"
    assert cut("a foxes' den", 6) == "a fox…"
    assert cut("word " * 9, 6) == "word…"
    assert len(escape_markdown("word " * 1000, 40)) <= 40
    assert len(alt_text("word " * 1000)) <= ALT_LENGTH
