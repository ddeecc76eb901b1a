"""The one photo that the goldens use: a reduced JPEG, and a lossless crop for everything that must not depend on a JPEG decoder."""

import pathlib

from PIL import Image


def write_photo(original: pathlib.Path, out: pathlib.Path) -> None:
    photo = Image.open(original).convert("RGB").resize((320, 207), Image.Resampling.LANCZOS)
    photo.save(out / "photo.jpg", quality=85, subsampling="4:2:0")
    # Around the laptop's corner: edges, texture and flat colour in 96 x 72 pixels.
    photo.crop((96, 60, 192, 132)).save(out / "photo-crop.png", optimize=True)
