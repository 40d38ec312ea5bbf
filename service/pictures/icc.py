"""ICC colour profiles: reading them with care, and making one for colours that a file names by numbers.

littleCMS draws everything black by a profile that was cut, so a profile is used only where its own length, signature
and tags fit its bytes, as browsers do.
"""

import struct
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

HEADER_BYTES: Final = 128
ENTRY_BYTES: Final = 12
SIGNATURE: Final = b"acsp"
LARGEST_PROFILE: Final = 16_000_000
"""Bytes of an inflated profile. Those of scanners and printers have up to some millions."""

CURVE_POINTS: Final = 1024
D50: Final = (0.9642, 1.0, 0.8249)
"""The white of the profile connection space (ICC.1:2022, 7.2.16)."""

BRADFORD: Final = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
"""Cone responses, by which one white is adapted to another (ICC.1:2022, annex E)."""

Point: TypeAlias = tuple[float, float]
Vector: TypeAlias = Sequence[float]
Matrix: TypeAlias = Sequence[Vector]
Curve: TypeAlias = Callable[[float], float]


def is_sound(profile: bytes) -> bool:
    """Tell whether a profile is whole by its header and its table of tags (ICC.1:2022, 7.2 and 7.3)."""
    length = int.from_bytes(profile[:4])
    if not HEADER_BYTES + 4 <= length <= len(profile) or profile[36:40] != SIGNATURE:
        return False
    count = int.from_bytes(profile[HEADER_BYTES : HEADER_BYTES + 4])
    table = profile[HEADER_BYTES + 4 : HEADER_BYTES + 4 + ENTRY_BYTES * count]
    if not 0 < len(table) == ENTRY_BYTES * count:
        return False
    return all(offset + size <= length for _, offset, size in struct.iter_unpack(">4sII", table))


def colour_space(profile: bytes) -> str:
    """Return the colour space of the values that a profile is for, such as RGB, GRAY or CMYK."""
    return profile[16:20].decode("latin-1").strip()


def inflated_profile(payload: bytes) -> bytes:
    """Return the profile in the payload of an iCCP chunk (PNG Third Edition, 11.3.2.3); empty for a broken one."""
    _, _, rest = payload.partition(b"\x00")
    inflater = zlib.decompressobj()
    try:
        profile = inflater.decompress(rest[1:], LARGEST_PROFILE)
    except zlib.error:
        return b""
    return profile if rest[:1] == b"\x00" and not inflater.unconsumed_tail else b""


@lru_cache(maxsize=32)
def made_profile(primaries: tuple[Point, Point, Point], white: Point, curve: Curve) -> bytes:
    """Return the profile of an RGB space: its primaries and white as CIE x and y, its curve from value to light."""
    columns = list(zip(*_to_d50(primaries, white), strict=True))
    points = [round(max(0.0, min(1.0, curve(step / (CURVE_POINTS - 1)))) * 65535) for step in range(CURVE_POINTS)]
    trc = struct.pack(f">4sII{CURVE_POINTS}H", b"curv", 0, CURVE_POINTS, *points)
    tags = {b"wtpt": _xyz(D50)}
    tags |= {name: _xyz(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), trc)
    table, body, start = b"", b"", HEADER_BYTES + 4 + ENTRY_BYTES * len(tags)
    for name, tag in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(tag))
        body += tag
    header = struct.pack(
        ">I4x4s4s4s4s12x4s28x12s48x", start + len(body), b"\x02\x10\x00\x00", b"mntr", b"RGB ", b"XYZ ", SIGNATURE,
        _xyz(D50)[8:],
    )  # fmt: skip
    return header + struct.pack(">I", len(tags)) + table + body


def _to_d50(primaries: tuple[Point, Point, Point], white: Point) -> Matrix:
    """Return the matrix from linear RGB to XYZ, adapted to D50 (ICC.1:2022, annex E and F.3)."""
    unscaled = list(zip(*map(_light, primaries), strict=True))
    scale = _times(_inverse(unscaled), _light(white))
    to_xyz = [[value * factor for value, factor in zip(row, scale, strict=True)] for row in unscaled]
    here, there = _times(BRADFORD, _light(white)), _times(BRADFORD, D50)
    adapted = [[there[row] / here[row] * value for value in BRADFORD[row]] for row in range(3)]
    return _product(_product(_inverse(BRADFORD), adapted), to_xyz)


def _light(point: Point) -> Vector:
    x, y = point
    return (x / y, 1.0, (1 - x - y) / y)


def _xyz(values: Vector) -> bytes:
    return struct.pack(">4s4x3i", b"XYZ ", *(round(value * 65536) for value in values))


def _times(matrix: Matrix, vector: Vector) -> Vector:
    return [sum(value * each for value, each in zip(row, vector, strict=True)) for row in matrix]


def _product(left: Matrix, right: Matrix) -> Matrix:
    columns = list(zip(*right, strict=True))
    return [[sum(a * b for a, b in zip(row, column, strict=True)) for column in columns] for row in left]


def _inverse(matrix: Matrix) -> Matrix:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    minors = ((e * i - f * h, c * h - b * i, b * f - c * e), (f * g - d * i, a * i - c * g, c * d - a * f),
              (d * h - e * g, b * g - a * h, a * e - b * d))  # fmt: skip
    determinant = a * minors[0][0] + b * minors[1][0] + c * minors[2][0]
    return [[value / determinant for value in row] for row in minors]
