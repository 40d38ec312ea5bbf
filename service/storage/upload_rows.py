"""The form of uploads in a row, and the making of a new one: the same in every database."""

import json
import math
from collections.abc import Iterable
from typing import Any, Final

from service.storage.upload_records import OPEN_S, IdOf, Upload, UploadRequest

COLUMNS: Final = """
    uploads.id, uploads.owner, uploads.request, uploads.prompt, uploads.picture, uploads.paints, uploads.created_at,
    uploads.expires_at, uploads.names, uploads.used_at
"""


def read(row: Iterable[Any]) -> Upload:
    """Return the upload of a row with `COLUMNS`."""
    id_, owner, key, prompt, picture, paints, created_at, expires_at, names, used_at = row
    return Upload(
        id=id_,
        owner=owner,
        request=UploadRequest(key=key, prompt=prompt, picture=picture, paints=bool(paints)),
        created_at=created_at,
        expires_at=expires_at,
        names=tuple(json.loads(names)) if names else (),
        used_at=used_at,
    )


def text_of(names: Iterable[str]) -> str:
    """Return the names of files as a row has them."""
    return json.dumps(list(names))


def new_upload(owner: str, request: UploadRequest, now: float, newest: float, id_of: IdOf) -> Upload:
    """Return a new upload, at a time after that of the owner's newest one."""
    created_at = max(now, math.nextafter(newest, math.inf))
    return Upload(
        id=id_of(owner, created_at),
        owner=owner,
        request=request,
        created_at=created_at,
        expires_at=created_at + OPEN_S,
    )


def values_of(upload: Upload) -> tuple[object, ...]:
    """Return id, owner, request, prompt, picture, paints, and the times of a new upload."""
    request = upload.request
    asked = (request.key, request.prompt, request.picture, request.paints)
    return (upload.id, upload.owner, *asked, upload.created_at, upload.expires_at)
