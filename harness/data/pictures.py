"""One picture file as pixels, as Pillow's `convert("RGB")` gives them, and what is peculiar about it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from harness.data.images import DataError, Images

# By ending a file is taken for a picture; by content it is decoded, whatever its ending says.
ENDINGS = (
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".bmp",
    ".tif",
    ".tiff",
    ".gif",
    ".ppm",
    ".pgm",
    ".pbm",
    ".pnm",
    ".jpe",
    ".jfif",
    ".apng",
    ".avif",
    ".dib",
    ".jp2",
    ".j2k",
    ".tga",
)
# Others stay closed, whatever a file is called: PostScript, for one, would be run by another program.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "PPM", "JPEG2000", "TGA", "AVIF")
_ORIENTATION = 0x0112
_SHOWN = 10  # unreadable files named in one sentence

TRANSPARENT = "with transparency (stored colour kept)"
SIXTEEN_BITS = "of 16 bits (upper 8 kept)"
FLOATS = "of floating point (cut to 0 to 255)"
FRAMES = "with several frames (first taken)"
TURNED = {True: "with an EXIF rotation (turned upright)", False: "with an EXIF rotation (not applied)"}


@dataclass(frozen=True)
class Picture:
    """Pixels uint8 (h, w, c), c 1 or 3, and what is peculiar, each a phrase that follows a number of pictures."""

    pixels: Images
    notes: tuple[str, ...] = ()


def read(path: Path, *, upright: bool) -> Picture:
    """The first frame of a picture file, the colour of transparent pixels as stored, 16 bits scaled to 8.

    `upright` turns it by its EXIF note; published scores of images ignore that note. Raises DataError naming the file.
    """
    try:
        with warnings.catch_warnings(action="ignore"), _opened(path) as picture:  # of notes that bear on no pixel
            picture.load()
            turned = _orientation(picture) > 1
            notes = [*_notes(picture), *([TURNED[upright]] if turned else [])]
            pixels = _pixels(ImageOps.exif_transpose(picture) if turned and upright else picture)
            return Picture(pixels, (*notes, *([FRAMES] if _frames(picture) else [])))
    except Exception as error:  # whatever a damaged file makes a parser raise
        raise _fault(path, error) from error


def size(path: Path) -> tuple[int, int]:
    """Stored height and width from a picture's first bytes; raises DataError naming the file."""
    try:
        with warnings.catch_warnings(action="ignore"), _opened(path) as picture:
            return picture.height, picture.width
    except Exception as error:  # whatever a damaged file makes a parser raise
        raise _fault(path, error) from error


def refusal(faults: Iterable[str]) -> DataError:
    """One error that names all `faults`, each one file with its reason, up to ten and then their number."""
    sentences = list(faults)
    more = f"; and {len(sentences) - _SHOWN} more" if len(sentences) > _SHOWN else ""
    return DataError("; ".join(sentences[:_SHOWN]) + more + "; fix or remove what is named")


def _opened(path: Path) -> Image.Image:
    Image.init()
    return Image.open(path, formats=[each for each in _FORMATS if each in Image.OPEN])


def _fault(path: Path, error: Exception) -> DataError:
    if isinstance(error, FileNotFoundError) and path.is_symlink():
        reason = "a link that leads nowhere"
    elif isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    elif isinstance(error, UnidentifiedImageError):
        reason = "empty" if path.stat().st_size == 0 else "no picture that Pillow knows"
    else:
        reason = " ".join(f"{type(error).__name__} {error}".split())[:80].strip()
    return DataError(f"{path}: cannot be read as an image ({reason})")


def _orientation(picture: Image.Image) -> int:
    """1 is upright, 2 to 8 are turned or mirrored; a damaged note counts as none."""
    try:
        orientation = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # whatever a damaged note makes a parser raise
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _notes(picture: Image.Image) -> list[str]:
    notes = []
    if picture.has_transparency_data and picture.convert("RGBA").getchannel("A").getextrema()[0] != 255:
        notes.append(TRANSPARENT)
    if picture.mode.startswith("I"):
        notes.append(SIXTEEN_BITS)
    if picture.mode == "F":
        notes.append(FLOATS)
    return notes


def _pixels(picture: Image.Image) -> Images:
    if picture.mode.startswith("I"):  # Pillow's `convert` would cut at 255, which leaves white
        return (np.asarray(picture, dtype=np.int64) // 257).clip(0, 255).astype(np.uint8)[..., None]
    grey = picture.mode in ("1", "L", "LA")
    pixels = np.asarray(picture.convert("L" if grey else "RGB"))
    return pixels[..., None] if grey else pixels


def _frames(picture: Image.Image) -> bool:
    try:
        return bool(getattr(picture, "is_animated", False))
    except Exception:  # a damaged frame after the first, which is the one that counts
        return True
