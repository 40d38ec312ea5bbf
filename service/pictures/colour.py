"""Colours as browsers show them: a picture of any colour space becomes sRGB.

An ICC profile says the space; a PNG may name it by numbers instead (cICP, or gAMA and cHRM), an AVIF by its `nclx` box
(ITU-T H.273). The order in PNG is that of the specification, Third Edition, 4.3: cICP, iCCP, sRGB, gAMA. A profile that
is broken, or that is for other values than the picture has, counts for nothing: littleCMS draws everything black by a
profile that was cut, so one is used only where its own length, signature and tags fit its bytes, as browsers do.
"""

import io
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from math import exp
from typing import Final, TypeAlias

from PIL import Image, ImageChops, ImageCms

from service.pictures.containers import avif_properties, png_chunks

GAMMA_UNIT: Final = 100_000
SRGB_GAMMA: Final = 45_455
"""The gAMA value of programs that mean sRGB; browsers take it as that."""

FULL_RANGE, RGB_MATRIX = 1, 0

PIXELS_OF: Final[Mapping[str, frozenset[str]]] = {
    "RGB": frozenset({"RGB", "L"}),
    "GRAY": frozenset({"L"}),
    "CMYK": frozenset({"CMYK"}),
}
"""Colour space of a profile → modes of pictures that it can be for. A grey picture may have a profile of RGB."""


SAMPLES: Final = range(0, 256, 51)
SAME: Final = 3
"""Steps of 255 by which nobody sees two colours apart; profiles of sRGB differ by less in their rounding."""


def profile_of(data: bytes, media_type: str, image: Image.Image) -> bytes:
    """Return a sound ICC profile of the picture's colours; empty for sRGB, and where none is said."""
    match media_type:
        case "image/png":
            return _png_profile(data)
        case "image/gif":  # browsers do not read the one of a GIF
            return b""
        case _:
            profile: bytes = image.info.get("icc_profile") or b""
            named = _named_in_avif(data) if media_type == "image/avif" else b""
            return profile if is_sound(profile) else named


def to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """Return a picture of mode L, RGB, RGBA or CMYK as RGB or RGBA in sRGB."""
    if not profile and picture.mode in {"RGB", "RGBA"}:
        return picture
    if picture.mode == "RGBA":
        shown = to_srgb(picture.convert("RGB"), profile)
        shown.putalpha(picture.getchannel("A"))
        return shown
    space = colour_space(profile) if profile else ""
    if picture.mode not in PIXELS_OF.get(space, ()):
        return picture.convert("RGB")
    if space == "RGB":
        picture = picture.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return picture.convert("RGB")
    if converted is None:
        return picture.convert("RGB")
    converted.info.pop("icc_profile", None)  # littleCMS' own, with the date of today
    return converted


def changes_colours(profile: bytes) -> bool:
    """Tell whether values of a profile look otherwise when they are taken for sRGB. Many a profile is sRGB's own."""
    match colour_space(profile) if profile else "":
        case "RGB":
            values = [(red, green, blue) for red in SAMPLES for green in SAMPLES for blue in SAMPLES]
            sample = Image.frombytes("RGB", (len(values), 1), bytes(value for each in values for value in each))
        case "GRAY":
            sample = Image.frombytes("L", (len(SAMPLES), 1), bytes(SAMPLES))
        case space:
            return bool(space)
    difference = ImageChops.difference(sample.convert("RGB"), to_srgb(sample, profile))
    return max(difference.tobytes()) > SAME


def _png_profile(data: bytes) -> bytes:
    chunks: dict[bytes, bytes] = {}
    for chunk in png_chunks(data):
        if chunk.kind == b"IDAT":
            break
        chunks.setdefault(chunk.kind, bytes(chunk.payload))
    match chunks.get(b"cICP"):
        case bytes(numbers) if len(numbers) == 4 and numbers[2:] == bytes((RGB_MATRIX, FULL_RANGE)):
            if numbers[0] in PRIMARIES and numbers[1] in CURVES:
                return profile_by_numbers(numbers[0], numbers[1])
    profile = inflated_profile(chunks.get(b"iCCP", b""))
    if is_sound(profile):
        return profile
    if b"sRGB" in chunks or len(chunks.get(b"gAMA", b"")) != 4:
        return b""
    return _profile_by_gamma(int.from_bytes(chunks[b"gAMA"]), chunks.get(b"cHRM", b""))


def _profile_by_gamma(gamma: int, chromaticities: bytes) -> bytes:
    """Return the profile of a gAMA chunk, with the primaries of a cHRM chunk (PNG Third Edition, 11.3.2)."""
    primaries, white = SRGB_PRIMARIES, D65
    if len(chromaticities) == 32:
        values = [value / GAMMA_UNIT for value in struct.unpack(">8I", chromaticities)]
        white, *given = zip(values[::2], values[1::2], strict=True)
        if all(y > 0 for _, y in (white, *given)):
            primaries = (given[0], given[1], given[2])
    elif gamma == SRGB_GAMMA:
        return b""
    if not gamma:
        return b""
    try:
        return made_profile(primaries, white, partial(power, GAMMA_UNIT / gamma))
    except (ZeroDivisionError, OverflowError, struct.error):  # points that span no colours
        return b""


def _named_in_avif(data: bytes) -> bytes:
    """Return the profile of an `nclx` box."""
    for colour in avif_properties(data, b"colr"):
        if bytes(colour[:4]) == b"nclx" and len(colour) >= 8:
            primaries, curve = struct.unpack_from(">HH", colour, 4)
            return profile_by_numbers(primaries, SRGB_CURVE if curve in BT709_CURVES else curve)
    return b""


# Profiles: read with care, and made

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


# Colours that a file names by numbers

D65: Final = (0.3127, 0.3290)
DCI_WHITE: Final = (0.314, 0.351)
SRGB_PRIMARIES: Final = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
PRIMARIES: Final[Mapping[int, tuple[tuple[Point, Point, Point], Point]]] = {
    1: (SRGB_PRIMARIES, D65),
    4: (((0.67, 0.33), (0.21, 0.71), (0.14, 0.08)), (0.310, 0.316)),
    5: (((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)), D65),
    6: (((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)), D65),
    7: (((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)), D65),
    9: (((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)), D65),
    11: (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), DCI_WHITE),
    12: (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), D65),
}
"""ColourPrimaries → red, green, blue and white (ITU-T H.273, table 2)."""

PAPER_WHITE_CD: Final = 203.0
"""Light of white paper in HDR pictures, in candela per square metre (ITU-R BT.2408); brighter is shown as white."""

HLG_SCALE: Final = 1.6
"""Scene light to light relative to paper, as Chromium shows middle tones on a screen without HDR."""

SRGB_CURVE: Final = 13
BT709_CURVES: Final = frozenset({1, 6, 14, 15})


def profile_by_numbers(primaries: int, curve: int) -> bytes:
    """Return the profile of ColourPrimaries and TransferCharacteristics; empty for sRGB and for unknown numbers."""
    if primaries not in PRIMARIES or curve not in CURVES or (primaries, curve) == (1, SRGB_CURVE):
        return b""
    return made_profile(*PRIMARIES[primaries], CURVES[curve])


def power(exponent: float, value: float) -> float:
    """Return the light of a value by a plain power."""
    return float(value**exponent)


def _srgb(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _pq(value: float) -> float:
    """Return light relative to paper by SMPTE ST 2084, of which 1 is 10,000 candela per square metre."""
    root = value ** (1 / 78.84375)
    light = (max(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
    return float(min(1.0, light * 10_000 / PAPER_WHITE_CD))


def _hlg(value: float) -> float:
    """Return light relative to paper by hybrid log-gamma (ITU-R BT.2100, table 5), its scene light scaled."""
    scene = value**2 / 3 if value <= 0.5 else (exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return float(min(1.0, scene * HLG_SCALE))


CURVES: Final[Mapping[int, Curve]] = {
    **dict.fromkeys(BT709_CURVES, partial(power, 2.4)),  # BT.1886, the curve of screens for such video
    4: partial(power, 2.2),
    5: partial(power, 2.8),
    8: partial(power, 1.0),
    SRGB_CURVE: _srgb,
    16: _pq,
    18: _hlg,
}
"""TransferCharacteristics → light by value, both from 0 to 1 (ITU-T H.273, table 3)."""
