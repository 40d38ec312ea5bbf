"""Failed work as a JSON-RPC error, and nothing else turned into one."""

import pytest

from service.features.failures import failures_told
from service.images import WorkError
from service.protocol.errors import INTERNAL_ERROR, RpcError


def test_failed_work_is_told_in_its_own_words() -> None:
    with pytest.raises(RpcError) as told, failures_told():
        raise WorkError("The disk is full.")
    assert (told.value.code, told.value.message) == (INTERNAL_ERROR, "The disk is full.")


def test_a_bug_goes_on_to_where_bugs_are_logged() -> None:
    with pytest.raises(KeyError), failures_told():
        raise KeyError
