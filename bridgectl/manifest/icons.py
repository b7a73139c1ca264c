"""Rules of the icons, after Microsoft's page "Teams app package"."""

from __future__ import annotations

from bridgectl.doctor.report import Report
from bridgectl.manifest.png import Picture, Pixel, read

COLOR, OUTLINE = 192, 32
"""Pixels, in both directions."""
PADDING = 48
"""Pixels around the symbol of the colour icon, which Teams crops to a rounded square or a hexagon."""


def look_at_color(report: Report, name: str, data: bytes) -> None:
    """Look at the icon of the store and of messages: full square, with a symbol within its middle."""
    pixels = _pixels(report, name, data, COLOR)
    if pixels is None:
        return
    if any(alpha < 255 for *_, alpha in pixels):
        report.problem(name, "is transparent in places", "Fill the whole square, and do not round its corners.")
    elif len({pixel for at, pixel in enumerate(pixels) if _outside(at)}) > 1:
        todo = f"Leave {PADDING} pixels of one colour around the symbol: Teams crops the icon."
        report.warning(name, "the symbol reaches into its border", todo)
    else:
        report.ok(name, f"{COLOR}×{COLOR}, full")


def look_at_outline(report: Report, name: str, data: bytes) -> None:
    """Look at the icon of the app bar: white on nothing, up to its border."""
    pixels = _pixels(report, name, data, OUTLINE)
    if pixels is None:
        return
    drawn = [at for at, (*_, alpha) in enumerate(pixels) if alpha]
    if any(pixels[at][:3] != (255, 255, 255) for at in drawn):
        report.problem(name, "has other colours than white", "Draw it in #FFFFFF, on a transparent background.")
    elif not drawn or len(drawn) == len(pixels):
        report.problem(name, "shows nothing", "Draw the symbol white, and leave the rest transparent.")
    elif any(0 < alpha < 255 for *_, alpha in pixels):
        report.warning(name, "has soft edges", "Make each pixel white, or transparent, without anti-aliasing.")
    elif max(_span([at // OUTLINE for at in drawn]), _span([at % OUTLINE for at in drawn])) < OUTLINE - 2:
        report.warning(name, "has a border around its symbol", "Let the symbol fill the square.")
    else:
        report.ok(name, f"{OUTLINE}×{OUTLINE}, white and transparent")


def _pixels(report: Report, name: str, data: bytes, size: int) -> list[Pixel] | None:
    """Read an icon of this size; None if it is not one."""
    try:
        picture = read(data)
        if _fits(report, name, picture, size):
            return picture.pixels()
    except ValueError as error:
        report.problem(name, str(error), f"Save it as a plain PNG of {size}×{size} pixels, eight bits per channel.")
    return None


def _fits(report: Report, name: str, picture: Picture, size: int) -> bool:
    if (picture.width, picture.height) == (size, size):
        return True
    report.problem(name, f"{picture.width}×{picture.height} pixels", f"Draw it with {size}×{size} pixels.")
    return False


def _outside(at: int) -> bool:
    row, column = divmod(at, COLOR)
    return not (PADDING <= row < COLOR - PADDING and PADDING <= column < COLOR - PADDING)


def _span(places: list[int]) -> int:
    return max(places) - min(places) + 1
