"""Codes, their HTTP status, and what an error says on the wire."""

import pytest

from service.protocol.client import Era
from service.protocol.errors import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    STATUS,
    UNSUPPORTED_VERSION,
    RpcError,
    check_text,
    status_of,
)


def test_every_code_has_a_status_in_both_eras() -> None:
    assert STATUS[Era.LEGACY].keys() == STATUS[Era.MODERN].keys()


def test_an_unknown_method_is_404_in_the_modern_era_and_an_ordinary_answer_in_the_legacy_one() -> None:
    """Spec 2026-07-28, Streamable HTTP, Protocol Version Header."""
    error = RpcError(METHOD_NOT_FOUND, "no")
    assert (status_of(Era.MODERN, error), status_of(Era.LEGACY, error)) == (404, 200)


def test_an_error_may_bring_its_own_status() -> None:
    """Spec 2025-11-25, Session Management: an unknown session is 404, whatever the code."""
    assert status_of(Era.LEGACY, RpcError(INVALID_REQUEST, "no", status=404)) == 404


def test_a_text_with_nul_is_refused_by_its_name() -> None:
    """Ours: SQLite, the file system and C end a text there, so that two of them would read different ones."""
    check_text("params.uri", "easel://history/1")
    with pytest.raises(RpcError, match=r"params.uri holds a NUL character \(U\+0000\)") as refused:
        check_text("params.uri", "easel://history/1\0")
    assert refused.value.code == INVALID_PARAMS


def test_data_is_absent_when_there_is_none() -> None:
    """Spec 2026-07-28, schema: optional members are left out, never null."""
    assert RpcError(INVALID_PARAMS, "no").body() == {"code": -32602, "message": "no"}
    assert RpcError(UNSUPPORTED_VERSION, "no", {"a": 1}).body()["data"] == {"a": 1}


def test_a_code_that_the_table_does_not_have_is_an_ordinary_answer() -> None:
    for era in Era:
        assert status_of(era, RpcError(-32002, "no")) == 200
