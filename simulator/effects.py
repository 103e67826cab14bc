"""What a warehouse and a camera do to the picture of a carton. Every effect draws from the generator it is given."""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def worn(carton: Image.Image, rng: np.random.Generator, amount: float = 1.0) -> Image.Image:
    """Tape, scuffs and something in front of an edge: what happens to the carton itself.

    `amount` scales how often each occurs (1 for training photos; a shelf uses less).
    """
    image = carton.copy()
    if rng.uniform() < 0.35 * amount:
        _tape(image, rng)
    if rng.uniform() < 0.5 * amount:
        _scuffs(image, rng)
    if rng.uniform() < 0.3 * amount:
        _cover(image, rng)
    return image


def photographed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Uneven light, colour temperature, blur, sensor noise and JPEG: what the camera adds, in this order."""
    lit = np.asarray(image, dtype=np.float32) * light_gain((image.height, image.width), rng)
    shown = Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))
    blurred = shown.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.0, 1.1))))
    noise = rng.normal(0.0, rng.uniform(1.0, 7.0), (image.height, image.width, 3))
    noisy = np.clip(np.asarray(blurred, dtype=np.float32) + noise, 0, 255).astype(np.uint8)
    return compressed(Image.fromarray(noisy), quality=int(rng.integers(45, 95)))


def light_gain(shape: tuple[int, int], rng: np.random.Generator, amount: float = 1.0) -> np.ndarray:
    """A gain for every pixel and channel, shape (height, width, 3), around 1: brightness, gradient, temperature."""
    height, width = shape
    angle = rng.uniform(0, 2 * np.pi)
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :] * np.float32(np.cos(angle))
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * np.float32(np.sin(angle))
    slope = np.float32(rng.uniform(0.0, 0.3) * amount)
    brightness = np.float32(np.exp(rng.normal(0.0, 0.16 * amount)))
    warmth = np.float32(np.clip(rng.normal(0.0, 0.05 * amount), -0.12, 0.12))
    temperature = np.array([1 + warmth, 1.0, 1 - warmth], dtype=np.float32)
    gain: np.ndarray = (brightness * (1 + slope * (across + down)))[:, :, None] * temperature
    return gain


def compressed(image: Image.Image, quality: int) -> Image.Image:
    """The image after one round of JPEG at the given quality (1 to 95)."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def _tape(image: Image.Image, rng: np.random.Generator) -> None:
    width, height = image.size
    band = int(rng.uniform(0.05, 0.1) * width)
    position = int(rng.uniform(0.1, 0.9) * width)
    vertical = bool(rng.integers(2))
    box = (position, 0, position + band, height) if vertical else (0, position, width, position + band)
    overlay = Image.new("RGBA", image.size, (0, 0, 0, 0))
    ImageDraw.Draw(overlay).rectangle(box, fill=(222, 200, 150, int(rng.integers(60, 120))))
    image.paste(overlay, (0, 0), overlay)


def _scuffs(image: Image.Image, rng: np.random.Generator) -> None:
    draw = ImageDraw.Draw(image)
    width, height = image.size
    for _ in range(int(rng.integers(1, 6))):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        length, tilt = rng.uniform(8, 50), rng.uniform(0, 2 * np.pi)
        shade = int(rng.integers(120, 235))
        end = (x + length * np.cos(tilt), y + length * np.sin(tilt))
        draw.line((x, y, *end), fill=(shade, shade - 12, shade - 30), width=int(rng.integers(1, 4)))


def _cover(image: Image.Image, rng: np.random.Generator) -> None:
    """A strap, a hanging label or a neighbour's flap over up to 14 % of one edge."""
    width, height = image.size
    depth = rng.uniform(0.04, 0.14)
    start, end = sorted(rng.uniform(0, 1, size=2))
    boxes = (
        (0, start * height, depth * width, end * height),
        ((1 - depth) * width, start * height, width, end * height),
        (start * width, (1 - depth) * height, end * width, height),
    )
    shade = tuple(int(value) for value in rng.integers(40, 220, size=3))
    ImageDraw.Draw(image).rectangle(boxes[int(rng.integers(len(boxes)))], fill=shade)
