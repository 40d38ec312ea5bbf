"""Colours that a file names by numbers: the primaries and curves of ITU-T H.273, as ICC profiles."""

from collections.abc import Mapping
from functools import partial
from math import exp
from typing import Final

from service.pictures.icc import Curve, Point, made_profile

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
