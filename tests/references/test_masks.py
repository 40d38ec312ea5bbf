"""The argument `mask`, as models write it, and how a mask that was read is described."""

from dataclasses import replace

import pytest

from service.pictures.messages import ReadMask
from service.references.masks import MaskArgument, described

PAINTED = MaskArgument()


@pytest.mark.parametrize(
    ("value", "read"),
    [
        *((each, PAINTED) for each in ("paint", " Paint ", "PAINTED", "brush", "true", True)),
        *((each, None) for each in (None, "", "  ", "false", "off", False)),
        ("12", MaskArgument(history_id=12)),
        (12, MaskArgument(history_id=12)),
        ("12/2", MaskArgument(history_id=12, picture=2)),
        ("#12", MaskArgument(history_id=12)),
        ("history_id 12, picture 2", MaskArgument(history_id=12, picture=2)),
        ("history_id: 12", MaskArgument(history_id=12)),
        ("https://example.com/12", MaskArgument(url="https://example.com/12")),
        ("![a mask](https://example.com/m.png)", MaskArgument(url="https://example.com/m.png")),
        ('"/mcp-cache/a.png"', MaskArgument(url="/mcp-cache/a.png")),
        ("data:image/png;base64,AAAA", MaskArgument(url="data:image/png;base64,AAAA")),
        ("the sky", MaskArgument(url="the sky")),
    ],
)
def test_a_mask_is_read_as_models_write_it(value: object, read: MaskArgument | None) -> None:
    assert MaskArgument.read(value) == read
    assert read is None or read.is_painted is (read == PAINTED)
    assert read is None or read.is_named is bool(read.url and value != "the sky")


MASK = ReadMask(data=b"", width=64, height=32, by_transparency=False, fitted=True, per_mille=124)


@pytest.mark.parametrize(
    ("mask", "is_painted", "said"),
    [
        (MASK, False, "x (12 % of the picture changes, where it is white, fitted from 64×32)"),
        (
            replace(MASK, by_transparency=True, fitted=False),
            False,
            "x (12 % of the picture changes, where it is transparent)",
        ),
        (replace(MASK, per_mille=3), True, "x (less than 1 % of the picture changes)"),
        (replace(MASK, per_mille=995), True, "x (more than 99 % of the picture changes)"),
    ],
)
def test_a_mask_is_described_with_what_was_done_to_it(mask: ReadMask, is_painted: bool, said: str) -> None:
    assert described("x", mask, is_painted=is_painted) == said
