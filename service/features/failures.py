"""Work that fails where no tool result can say so: while a resource is read, a prompt filled in, a word completed."""

from collections.abc import Iterator
from contextlib import contextmanager

from service.images import WorkError
from service.protocol.errors import INTERNAL_ERROR, RpcError


@contextmanager
def failures_told() -> Iterator[None]:
    """Turn failed work into a JSON-RPC error with its own words, which say who has to look at what."""
    try:
        yield
    except WorkError as error:
        raise RpcError(INTERNAL_ERROR, str(error)) from error
