"""Small files of every kind that a decoder trips over, and the pixels that should come out, from Pillow."""

import base64
import hashlib
import io
import json
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms, ImageOps

WIDTH, HEIGHT = 24, 16


def scene() -> np.ndarray:
    """uint8[16, 24, 3] without symmetry: every flip and rotation is another picture."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    picture = np.stack([x * 10, y * 15, np.full_like(x, 60)], -1).astype(np.uint8)
    picture[1:6, 2:8] = [255, 40, 20]
    picture[9:14, 15:22] = [20, 60, 240]
    return picture


def srgb_profile() -> bytes:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # The date of creation would make every run another file.
    struct.pack_into(">6H", profile, 24, 2026, 1, 1, 0, 0, 0)
    return bytes(profile)


def swapped_profile() -> bytes:
    """sRGB whose red and blue primaries have changed places: what it converts is easy to see and to compute."""
    profile = bytearray(srgb_profile())
    for i in range(struct.unpack_from(">I", profile, 128)[0]):
        at = 132 + 12 * i
        tag = bytes(profile[at : at + 4])
        profile[at : at + 4] = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}.get(tag, tag)
    return bytes(profile)


def png16(samples: np.ndarray, colour_type: int, profile: bytes | None = None) -> bytes:
    """Pillow cannot write 16-bit RGB. `samples` is uint16[H, W, C]."""
    height, width = samples.shape[:2]

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    return b"".join([
        b"\x89PNG\r\n\x1a\n",
        chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)),
        chunk(b"iCCP", b"profile\0\0" + zlib.compress(profile)) if profile else b"",
        chunk(b"IDAT", zlib.compress(rows, 9)),
        chunk(b"IEND", b""),
    ])


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def on_white(rgba: Image.Image) -> np.ndarray:
    white = Image.new("RGBA", rgba.size, "white")
    return np.asarray(Image.alpha_composite(white, rgba).convert("RGB"))


def reference(data: bytes) -> np.ndarray:
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))


def write(out: pathlib.Path, photo: pathlib.Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    rgb = scene()
    image = Image.fromarray(rgb)
    grey = np.asarray(image.convert("L"))
    grey_rgb = np.repeat(grey[:, :, None], 3, 2)
    alpha = np.linspace(0, 255, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH).round().astype(np.uint8)
    rgba = Image.fromarray(np.dstack([rgb, alpha]))
    wide = rgb.astype(np.uint16) * 257
    expected = {}

    def case(name: str, data: bytes, pixels: np.ndarray, tolerance: int, note: str) -> None:
        (out / name).write_bytes(data)
        height, width = pixels.shape[:2]
        expected[name] = {"width": width, "height": height, "tolerance": tolerance, "note": note,
                          "rgb": base64.b64encode(np.ascontiguousarray(pixels, np.uint8).tobytes()).decode()}

    case("rgb.png", encoded(image, "PNG"), rgb, 0, "8-bit RGB")
    case("grey.png", encoded(image.convert("L"), "PNG"), grey_rgb, 0, "8-bit grey is expanded")
    case("one-bit.png", encoded(image.convert("1"), "PNG"), np.asarray(image.convert("1").convert("RGB")), 0, "1 bit")
    palette = image.quantize(16)
    case("palette.png", encoded(palette, "PNG"), np.asarray(palette.convert("RGB")), 0, "palette")
    case("rgba.png", encoded(rgba, "PNG"), on_white(rgba), 1, "alpha over white")
    grey_alpha = Image.merge("LA", [image.convert("L"), Image.fromarray(alpha)])
    case("grey-alpha.png", encoded(grey_alpha, "PNG"), on_white(grey_alpha.convert("RGBA")), 1, "grey with alpha over white")
    case("rgb16.png", png16(wide, 2), rgb, 0, "16-bit RGB")
    case("grey16.png", png16(grey[:, :, None].astype(np.uint16) * 257, 0), grey_rgb, 0, "16-bit grey: Pillow itself would clamp it to white")
    wide_alpha = np.dstack([wide, alpha.astype(np.uint16) * 257])
    case("rgba16.png", png16(wide_alpha, 6), on_white(rgba), 1, "16-bit alpha over white")
    case("rgb16-profile.png", png16(wide, 2, srgb_profile()), rgb, 1, "16-bit with an sRGB profile stays as it is, and does not become Display P3")
    case("rgb16-swapped-profile.png", png16(wide, 2, swapped_profile()), rgb[:, :, ::-1], 3, "16-bit through its profile")
    case("swapped-profile.png", encoded(image, "PNG", icc_profile=swapped_profile()), rgb[:, :, ::-1], 3, "8-bit through its profile")
    tiff16 = encoded(Image.fromarray(grey.astype(np.uint16) * 257), "TIFF")
    case("grey16.tiff", tiff16, grey_rgb, 0, "16-bit grey TIFF")
    case("rgb.tiff", encoded(image, "TIFF", compression="tiff_deflate"), rgb, 0, "TIFF")
    case("rgb.webp", encoded(image, "WEBP", lossless=True), rgb, 0, "WebP without loss")
    case("rgba.webp", encoded(rgba, "WEBP", lossless=True, exact=True), on_white(rgba), 1, "WebP with alpha")
    avif = encoded(image, "AVIF", quality=95, subsampling="4:4:4")
    case("rgb.avif", avif, reference(avif), 2, "AVIF")

    frames = [image, ImageOps.invert(image), ImageOps.mirror(image)]
    gif = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=40)
    case("animated.gif", gif, reference(gif), 0, "the first of three frames")
    webp = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], duration=40, lossless=True)
    case("animated.webp", webp, rgb, 0, "the first of three frames")

    jpeg = {"quality": 95, "subsampling": "4:4:4"}
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = encoded(image, "JPEG", exif=exif, **jpeg)
        case(f"orientation-{orientation}.jpg", data, reference(data), 0, f"EXIF orientation {orientation}")
    exif = Image.Exif()
    exif[0x0112] = 6
    case("orientation-6.png", encoded(image, "PNG", exif=exif), np.rot90(rgb, -1), 0, "EXIF in a PNG")
    progressive = encoded(image, "JPEG", quality=80, progressive=True, subsampling="4:2:0")
    case("progressive.jpg", progressive, reference(progressive), 0, "progressive, chroma halved")
    grey_jpeg = encoded(image.convert("L"), "JPEG", quality=90)
    case("grey.jpg", grey_jpeg, reference(grey_jpeg), 0, "grey JPEG")

    # CMYK has no agreed RGB: only what every profile agrees on is stored, paper white and a lot of ink.
    cmyk = Image.new("CMYK", (WIDTH, HEIGHT), (0, 0, 0, 0))
    cmyk.paste((255, 255, 255, 255), (12, 0, 24, 16))
    case("cmyk.jpg", encoded(cmyk, "JPEG", quality=100), np.asarray(cmyk.convert("RGB")), 3, "CMYK: paper is white, all inks are black")
    floats = Image.fromarray(np.linspace(0, 1, WIDTH * HEIGHT, dtype=np.float32).reshape(HEIGHT, WIDTH))
    (out / "float32.tiff").write_bytes(encoded(floats, "TIFF"))

    pixels = np.asarray(Image.open(photo).convert("RGB"))
    expected["../photo.jpg"] = {"width": pixels.shape[1], "height": pixels.shape[0], "note": "baseline, chroma halved",
                                "sha256": hashlib.sha256(pixels.tobytes()).hexdigest()}
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in expected.items())
    (out / "expected.json").write_text("{\n" + rows + "\n}\n")
