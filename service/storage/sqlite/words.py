"""The words of a query as an expression of FTS5 (sqlite.org/fts5.html#full_text_query_syntax)."""

from collections.abc import Callable, Sequence

from service.storage.records.words import LISTED, query_terms


def match_expression(query: str, words_of: Callable[[str], Sequence[str] | None]) -> str | None:
    """Return the expression for all words of a query; None for a query without words, or with one of no prompt.

    The index keeps a list for each beginning of `LISTED` letters (`prefix` of the table); of a longer one `words_of`
    tells the words, or None for very many.
    """
    terms: list[str] = []
    for term in query_terms(query):
        if not term.is_beginning:
            terms.append(f'"{term.words}"')
            continue
        words = None if len(term.words) in LISTED else words_of(term.words)
        if words is not None and not words:
            return None
        # FTS5 merges the lists of all words of a beginning before it finds a row; those of given words it does not.
        either = f'"{term.words}"*' if words is None else " OR ".join(f'"{each}"' for each in words)
        terms.append(f"({either})")
    return " AND ".join(terms) or None
