"""ICC colour profiles, and what brings their colours to sRGB (ICC.1:2022; the work is LittleCMS's, by way of Pillow).

A profile is judged once by what it does, not by its name: many are called sRGB, and there are many of sRGB.
"""

import io
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from PIL.ImageCms import ImageCmsProfile, ImageCmsTransform

AS_SRGB = 2
"""A profile that moves no colour by more levels than this is sRGB's own, up to rounding."""
_STEPS = 17
_SPACES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""The kind of picture that a profile of each colour space is for."""
_ADOBE_RGB_1998 = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
"""Red, green and blue as XYZ under D50, and the gamma 2 51/256 (Adobe RGB (1998) Color Image Encoding, 2005-05)."""
_ADOBE_GAMMA = 0x0233
_D50 = (0.9642, 1.0, 0.8249)
_SRGB_POINTS = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
"""x and y of sRGB's white, red, green and blue (IEC 61966-2-1)."""
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
"""From XYZ to the cones' answers, for another white (ICC.1:2022, annex E)."""
SCREEN_GAMMA = 2.2
LIKE_SRGB = 0.05
"""A gamma that differs less from the screen's is sRGB's curve, as programs write it."""
NEAR = 0.005


@dataclass(frozen=True)
class ColourProfile:
    """What a profile means for pictures of one mode."""

    name: str
    fits: bool = True
    """False: it is damaged, or of another kind of picture."""
    mode: str = "RGB"
    """What the picture has to be."""
    transform: "ImageCmsTransform | None" = None
    """To sRGB; None: the colours are sRGB's, or nobody knows what they are."""

    def apply(self, picture: Image.Image) -> Image.Image:
        """A picture's colours in sRGB."""
        from PIL import ImageCms  # noqa: PLC0415 - as below

        if self.transform is None:
            raise AssertionError("only what has a transform is applied")
        same = picture if picture.mode == self.mode else picture.convert(self.mode)
        done = ImageCms.applyTransform(same, self.transform)
        if done is None:
            raise AssertionError("a new picture was asked for")
        return done


@lru_cache(maxsize=16)
def read_profile(data: bytes, mode: str) -> ColourProfile:
    """What a profile means for pictures of a mode (L, RGB, CMYK ...). The same bytes are looked at once."""
    from PIL import ImageCms  # noqa: PLC0415 - nearly no picture has another profile than sRGB's, and most have none

    unfit = ColourProfile("", fits=False)
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        space = _SPACES.get(profile.profile.xcolor_space.strip(), "")
        if space != mode and (space, mode) != ("RGB", "L"):  # a grey picture may well have the profile of coloured ones
            return unfit
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), space, "RGB")
        return ColourProfile(_name(profile), True, space, None if _is_srgb(transform, space) else transform)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return unfit


@lru_cache(maxsize=1)
def adobe_rgb() -> ColourProfile:
    """Adobe RGB (1998), for pictures that name it and don't bring it along."""
    return read_profile(matrix_profile("Adobe RGB (1998)", _ADOBE_RGB_1998, _ADOBE_GAMMA), "RGB")


@lru_cache(maxsize=16)
def png_colours(gamma: float, chromaticity: tuple[float, ...] | None) -> ColourProfile:
    """What a PNG's own words mean (PNG 1.2, gAMA and cHRM).

    Args:
        gamma: of the file; sRGB's, 1/2.2, where the levels are as everybody else's.
        chromaticity: x and y of white, red, green and blue; None: sRGB's.
    """
    points = chromaticity or _SRGB_POINTS
    is_srgb_points = np.allclose(points, _SRGB_POINTS, atol=NEAR)
    if is_srgb_points and abs(gamma * SCREEN_GAMMA - 1) <= LIKE_SRGB:
        return ColourProfile("sRGB")
    try:
        primaries = _under_d50(np.reshape(points, (4, 2)))
        return read_profile(matrix_profile(f"PNG of gamma {gamma:g}", primaries, round(256 / gamma)), "RGB")
    except (np.linalg.LinAlgError, struct.error, ZeroDivisionError, ValueError):
        return ColourProfile("", fits=False)


def _under_d50(points: NDArray[np.float64]) -> tuple[tuple[float, ...], ...]:
    """Red, green and blue as XYZ under D50, from the x and y of white and of them (4, 2); Bradford's adaptation."""
    xyz = np.column_stack([points[:, 0] / points[:, 1], np.ones(4), (1 - points.sum(axis=1)) / points[:, 1]])
    white, primaries = xyz[0], xyz[1:].T
    to_xyz = primaries * np.linalg.solve(primaries, white)
    adapted = np.linalg.inv(_BRADFORD) @ np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white)) @ _BRADFORD @ to_xyz
    if not np.isfinite(adapted).all():
        raise ValueError("no colours")
    return tuple(tuple(float(value) for value in column) for column in adapted.T)


def matrix_profile(name: str, primaries: tuple[tuple[float, ...], ...], gamma: int) -> bytes:
    """A version 2 display profile.

    Args:
        name: what it calls itself; ASCII.
        primaries: red, green and blue as XYZ under D50; none: a grey profile.
        gamma: of all channels, in 1/256.
    """
    said = name.encode("ascii") + b"\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(said)) + said + bytes(12 + 67),
        b"cprt": b"text\0\0\0\0public domain\0",
        b"wtpt": _xyz(_D50),
    }
    tags |= {key: _xyz(value) for key, value in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=False)}
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, gamma) + b"\0\0"
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC") if primaries else (b"kTRC",), curve)
    return _profile(b"RGB " if primaries else b"GRAY", tags)


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    begin = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for key, value in tags.items():
        table += struct.pack(">4sII", key, begin + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    header = struct.pack(">I4xI4s4s4s12x4s4x", begin + len(body), 0x02400000, b"mntr", space, b"XYZ ", b"acsp")
    return header + bytes(68 - len(header)) + _xyz(_D50)[8:] + bytes(48) + table + body


def _xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def _name(profile: "ImageCmsProfile") -> str:
    described = profile.profile.profile_description
    return " ".join((described or "an unnamed profile").split())


def _is_srgb(transform: "ImageCmsTransform", mode: str) -> bool:
    """Whether a transform to sRGB changes next to nothing, over the whole range."""
    from PIL import ImageCms  # noqa: PLC0415 - as above

    if mode == "CMYK":
        return False
    steps = np.linspace(0, 255, _STEPS).astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    before = Image.fromarray(grid) if mode == "RGB" else Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    after = ImageCms.applyTransform(before, transform)
    return bool(np.abs(np.asarray(before.convert("RGB"), int) - np.asarray(after, int)).max() <= AS_SRGB)
