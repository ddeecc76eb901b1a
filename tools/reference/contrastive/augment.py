"""Pillow's brightness, contrast and saturation, and torchvision's hue on Pillow's HSV, of a small seeded picture.

python augment.py OUT.json
"""
import json
import sys

import numpy as np
from PIL import Image, ImageEnhance

rng = np.random.default_rng(5)
pixels = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
pixels[0, :3] = [[0, 0, 0], [255, 255, 255], [90, 90, 90]]
image = Image.fromarray(pixels)


def hue(share):
    h, s, v = image.convert("HSV").split()
    turned = (np.array(h, dtype=np.int16) + int(share * 255)) & 255
    return Image.merge("HSV", (Image.fromarray(turned.astype(np.uint8), "L"), s, v)).convert("RGB")


flat = lambda picture: np.asarray(picture).flatten().tolist()
json.dump(
    {
        "width": 8,
        "height": 6,
        "pixels": flat(image),
        "brightness": [{"factor": f, "pixels": flat(ImageEnhance.Brightness(image).enhance(f))} for f in (0.4, 1.3)],
        "contrast": [{"factor": f, "pixels": flat(ImageEnhance.Contrast(image).enhance(f))} for f in (0.4, 1.7)],
        "saturation": [{"factor": f, "pixels": flat(ImageEnhance.Color(image).enhance(f))} for f in (0.3, 1.6)],
        "hue": [{"factor": f, "pixels": flat(hue(f))} for f in (-0.3, 0.1, 0.5)],
    },
    open(sys.argv[1], "w"),
)
