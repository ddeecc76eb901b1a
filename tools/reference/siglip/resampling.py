"""What Pillow's Image.resize gives, as hashes; for the photo crop's smaller sizes also as raw bytes, to debug by."""

import base64
import hashlib
import json
import pathlib

import numpy as np
from PIL import Image

FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def pattern(width: int, height: int) -> Image.Image:
    """Hard edges everywhere, so that overshoot is clamped; the test draws the same one from the same formula."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    values = (x * 31 + y * 17 + c * 101) ^ (x * y)
    return Image.fromarray(np.where((values & 64) != 0, values & 255, (values & 1) * 255).astype(np.uint8))


# source: a name of `photo` for the crop or `pattern`; (width, height) of the source, then of the output
CASES = [
    *[("photo", (96, 72), to) for to in [(224, 224), (48, 48), (31, 17), (1, 72), (96, 1), (1, 1), (200, 72), (96, 150), (95, 73), (7, 131), (96, 72)]],
    *[("pattern", (37, 23), to) for to in [(384, 384), (36, 24), (5, 3), (37, 46)]],
    ("pattern", (1, 1), (5, 7)),
    ("pattern", (1, 300), (16, 16)),
    ("pattern", (300, 1), (16, 16)),
    ("pattern", (20000, 1), (224, 224)),
    ("pattern", (1, 20000), (64, 64)),
    ("pattern", (640, 480), (384, 384)),
    ("pattern", (1501, 997), (224, 224)),
    # Of which pass comes first: on both sides of the limit, a 9:16 photo, and one that widens
    *[("pattern", size, to) for size, to in [((100, 200), (50, 100)), ((100, 201), (50, 100)), ((216, 384), (64, 64)), ((40, 90), (90, 20))]],
]


def write(out: pathlib.Path) -> None:
    crop = Image.open(out / "photo-crop.png").convert("RGB")
    rows = []
    for source, size, to in CASES:
        image = crop if source == "photo" else pattern(*size)
        assert image.size == size
        for name, resample in FILTERS.items():
            data = image.resize(to, resample).tobytes()
            row = {"source": source, "from": size, "to": to, "filter": name, "sha256": hashlib.sha256(data).hexdigest()}
            if len(data) <= 2000:
                row["rgb"] = base64.b64encode(data).decode()
            rows.append(row)
    (out / "resample.json").write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
