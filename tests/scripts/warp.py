"""Cutting one location out of a 1080p picture: the bilinear warp that is used beside Pillow's bicubic one.

    python -m tests.scripts.warp

The same quadrilateral of the benchmarks' rack, the same coefficients, in turn, in one thread; each round gives a ratio.
"""

from PIL import Image

from kardus.inference.geometry import homography, rectangle
from tests.benchmarks.pairs import in_turn, median, ratio
from tests.benchmarks.rack import Bench

SIZE_PX, ROUNDS = 224, 200


def main() -> None:
    """Print milliseconds and the ratio."""
    bench = Bench(16)
    corners = bench.corners()[0]
    picture = Image.fromarray(bench.shelf().frame(0))
    matrix = homography(rectangle(0, 0, SIZE_PX, SIZE_PX), corners).reshape(9)[:8]
    coefficients = tuple(float(value) for value in matrix)

    def warp(resampling: Image.Resampling) -> None:
        picture.transform((SIZE_PX, SIZE_PX), Image.Transform.PERSPECTIVE, coefficients, resampling)

    times = in_turn(
        {
            "bilinear": lambda: warp(Image.Resampling.BILINEAR),
            "bicubic": lambda: warp(Image.Resampling.BICUBIC),
        },
        ROUNDS,
    )
    for name, seconds in times.items():
        print(f"{name}: {median([1000 * s for s in seconds]).value:.2f} ms (n = {ROUNDS})")
    found = ratio(times["bicubic"], times["bilinear"])
    print(f"bicubic / bilinear: {found.value:.2f} ({found.low:.2f} to {found.high:.2f}, n = {ROUNDS})")


if __name__ == "__main__":
    main()
