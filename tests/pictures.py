"""Makes pictures as they come from phones, cameras and other people's programs, and colour profiles to go with them."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageFilter

from kardus.inference.colour_profiles import matrix_profile

P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
"""Display P3's red, green and blue as XYZ under D50."""
PROPHOTO = ((0.79767, 0.28804, 0.0), (0.13519, 0.71187, 0.0), (0.03134, 0.00009, 0.82491))
GAMMA_22 = 0x0233
DISPLAY_P3 = matrix_profile("Display P3", P3, GAMMA_22)
PRO_PHOTO = matrix_profile("ProPhoto RGB", PROPHOTO, 0x01CD)
GREY_18 = matrix_profile("Gray Gamma 1.8", (), 0x01CD)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SCENE = Image.fromarray(
    np.stack([*np.mgrid[0:240:10, 0:224:7].astype(np.uint8), np.full((24, 32), 90, np.uint8)], axis=-1)
)
"""24 x 32 pixels of many colours, RGB."""


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The picture as a file of a kind that Pillow writes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def by_littlecms(image: Image.Image, profile: bytes) -> Image.Image:
    """The picture's colours in sRGB, by the library itself."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    done = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert done is not None
    return done


def cmyk_profile() -> bytes:
    """A printer's profile: four inks on white paper, as a table of their 16 overprints in Lab (ICC.1, lut8Type)."""
    inks = np.array([[60, -40, -45], [50, 75, 0], [90, -5, 90], [15, 0, 0]], float)
    cells = []
    for number in range(16):
        own = [ink for place, ink in enumerate(inks) if number >> (3 - place) & 1]
        light = 100 * np.prod([ink[0] / 100 for ink in own])
        a, b = (sum(ink[axis] for ink in own) * light / 100 for axis in (1, 2))
        cells.append((round(light * 2.55), int(np.clip(a + 128, 0, 255)), int(np.clip(b + 128, 0, 255))))
    ramp = bytes(range(256))
    unit = struct.pack(">9i", *(65536 * (place % 4 == 0) for place in range(9)))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + unit + ramp * 4 + bytes(np.array(cells, np.uint8)) + ramp * 3
    said = b"Four inks\0"
    described = b"desc\0\0\0\0" + struct.pack(">I", len(said)) + said + bytes(79)
    described += bytes(-len(described) % 4)
    begin = 128 + 4 + 24
    tags = struct.pack(">I", 2) + struct.pack(">4sII", b"desc", begin, len(described))
    tags += struct.pack(">4sII", b"A2B0", begin + len(described), len(table))
    body = tags + described + table
    header = struct.pack(">I4xI4s4s4s12x4s4x", 128 + len(body), 0x02400000, b"prtr", b"CMYK", b"Lab ", b"acsp")
    return header + bytes(68 - len(header)) + struct.pack(">3i", 63190, 65536, 54061) + bytes(48) + body


def png_chunk(name: bytes, body: bytes) -> bytes:
    """A chunk of a PNG, with its length and checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def seen_through(image: Image.Image, rng: np.random.Generator, blur_px: float, noise: float = 3.0) -> Image.Image:
    """A picture after a lens (Gaussian blur of this deviation, in pixels) and a sensor."""
    blurred = np.asarray(image.filter(ImageFilter.GaussianBlur(blur_px)), dtype=np.float32)
    return Image.fromarray((blurred + rng.normal(0.0, noise, blurred.shape)).clip(0, 255).astype(np.uint8))
