"""What makes two requests the same, so that the second is not paid for again.

Owner, image service, model, prompt, every parameter, and the contents of the references in their order. A reference
that we keep is known by its name, which its bytes decide; one that the service reads itself by its URL.
"""

import asyncio
import hashlib

import orjson

from service.images import ImageRequest, Reference


async def fingerprint_of(owner: str, upstream: str, request: ImageRequest) -> str:
    """64 hexadecimal digits. Bytes that have no name are hashed in a thread."""
    references = [each.name or each.url or await asyncio.to_thread(_hashed, each) for each in request.references]
    parameters = {name: value for name, value in request.parameters.items() if name != "references"}
    said = [owner, upstream, request.model, request.prompt, parameters, references]
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _hashed(reference: Reference) -> str:
    return hashlib.sha256(reference.data).hexdigest()
