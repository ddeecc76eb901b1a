"""What transformers' processors cut pictures of many sizes into: sizes and texts only, no pixels.

Resizing is replaced by something that notes the size it was asked for; everything else is the processors' own code.
"""

import json
import pathlib
import re
import types

import numpy as np
import torch
from transformers.image_processing_utils import get_patch_output_size, select_best_resolution
from transformers.models.gemma3.image_processing_gemma3 import Gemma3ImageProcessor
from transformers.models.gemma3.processing_gemma3 import Gemma3Processor
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.idefics3.processing_idefics3 import Idefics3Processor
from transformers.image_processing_backends import PilBackend, TorchvisionBackend
from transformers.image_utils import SizeDict
from transformers.models.lfm2_vl.image_processing_lfm2_vl import Lfm2VlImageProcessor
from transformers.models.lfm2_vl.processing_lfm2_vl import Lfm2VlProcessor
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil
from transformers.models.llava_onevision.processing_llava_onevision import LlavaOnevisionProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize
from transformers.models.minicpmv4_6.image_processing_pil_minicpmv4_6 import MiniCPMV4_6ImageProcessorPil

EDGES = [1, 2, 13, 63, 64, 255, 256, 257, 300, 364, 365, 384, 448, 449, 512, 513, 640, 768, 896, 1000, 1024, 1456, 1920, 2048, 4000, 5000]


def picture_sizes() -> list[tuple[int, int]]:
    random = np.random.default_rng(4)
    sizes = [(side, side) for side in EDGES if side > 1]
    sizes += [(int(a), int(b)) for a, b in random.choice(EDGES, (60, 2)) if max(a, b) / min(a, b) <= 100]
    sizes += [(int(a), int(b)) for a, b in random.integers(20, 3000, (90, 2))]
    return list(dict.fromkeys(sizes))


def blank(width: int, height: int, batch: bool = False) -> torch.Tensor:
    """A picture that takes no memory."""
    return torch.zeros(1).expand(*([1] if batch else []), 3, height, width)


def gemma3(width: int, height: int) -> dict:
    crops = Gemma3ImageProcessor().pan_and_scan_batched(blank(width, height), 256, 4, 1.2)
    return {"crops": [[crop.shape[-1], crop.shape[-2]] for crop in crops]}


def gemma3_text(crops: int) -> str:
    processor = types.SimpleNamespace(full_image_sequence="\n\n<start_of_image>#<end_of_image>\n\n")
    return Gemma3Processor.replace_image_token(processor, {"num_crops": [crops]}, 0)


def idefics3(width: int, height: int, side: int, longest: int) -> dict:
    resizes = []

    def resize(self, image, size, resample=None, **kwargs):
        resizes.append([size.width, size.height])
        return np.broadcast_to(np.zeros(1, np.float32), (3, size.height, size.width))

    processor = Idefics3ImageProcessorPil(size={"longest_edge": longest}, max_image_size={"longest_edge": side})
    original, PilBackend.resize = PilBackend.resize, resize
    try:
        image = processor.resize(np.broadcast_to(np.zeros(1, np.float32), (3, height, width)), SizeDict(longest_edge=longest))
        image = processor.resize_for_vision_encoder(image, side)
        frames, rows, columns = processor.split_images(image, {"longest_edge": side})
    finally:
        PilBackend.resize = original
    assert all(frame.shape == (3, side, side) for frame in frames)
    return {"resizes": resizes, "rows": rows, "columns": columns}


def idefics3_text(rows: int, columns: int) -> str:
    processor = types.SimpleNamespace(fake_image_token="<fake_token_around_image>", global_image_tag="<global-img>", image_token="#", image_seq_len=1)
    return Idefics3Processor.replace_image_token(processor, {"rows": [[rows]], "cols": [[columns]]}, 0)


def onevision(width: int, height: int) -> dict:
    processor = LlavaOnevisionImageProcessorPil()
    best = select_best_resolution((height, width), processor.image_grid_pinpoints)
    size = get_patch_output_size(np.broadcast_to(np.zeros(1), (3, height, width)), best, "channels_first")
    (top, _), (left, _) = processor._get_padding_size(size, best)
    counter = types.SimpleNamespace(image_processor=processor, num_image_tokens=729, vision_aspect_ratio="anyres_max_9")
    counter._get_unpadded_features = types.MethodType(LlavaOnevisionProcessor._get_unpadded_features, counter)
    tokens = LlavaOnevisionProcessor._get_number_of_features(counter, height, width, 384, 384)
    return {"best": [best[1], best[0]], "size": [size[1], size[0]], "left": left, "top": top, "tokens": tokens}


def lfm2(width: int, height: int) -> dict:
    processor = Lfm2VlImageProcessor()
    resizes = []

    def resize(self, image, size, resample=None, **kwargs):
        resizes.append([size.width, size.height])
        return blank(size.width, size.height, batch=True)

    original, TorchvisionBackend.resize = TorchvisionBackend.resize, resize
    try:
        _, rows, columns, sizes = processor.resize_and_split(blank(width, height, batch=True), downsample_factor=2, min_tiles=2, max_tiles=10, use_thumbnail=True, min_image_tokens=64, max_image_tokens=256, encoder_patch_size=16, tile_size=512, max_pixels_tolerance=2.0, resample=None)
    finally:
        TorchvisionBackend.resize = original
    return {"resizes": resizes, "rows": rows[0], "columns": columns[0]}


def lfm2_text(rows: int, columns: int) -> str:
    processor = types.SimpleNamespace(image_start_token="<|image_start|>", image_end_token="<|image_end|>", image_thumbnail_token="<|img_thumbnail|>", image_token="#")
    return Lfm2VlProcessor._build_image_tokens(processor, rows, columns, 1, 1, True, True)


def minicpm(width: int, height: int) -> dict:
    # MiniCPM-V 2.6's own code is not part of transformers; 4.6 slices alike but for its merge of 4 x 4 patches, which a
    # patch of 14 / 4 undoes.
    processor = MiniCPMV4_6ImageProcessorPil()
    grid = processor.get_sliced_grid((height, width), 9, 448)
    overview = processor.find_best_resize((height, width), 448, 14 / 4, "16x", allow_upscale=grid is None)
    refined = grid and processor.get_refine_size((height, width), grid, 448, 14 / 4, "16x", allow_upscale=True)
    return {"overview": [int(overview[1]), int(overview[0])], "refined": refined and [int(refined[1]), int(refined[0])], "grid": grid}


def qwen3vl(width: int, height: int) -> list[int] | None:
    """None where transformers refuses; the limits are those of the published checkpoints."""
    try:
        high, wide = smart_resize(height, width, 32, 256**2, 4096**2)
    except ValueError:
        return None
    return [wide, high]


if __name__ == "__main__":
    import sys
    sizes = picture_sizes()
    result = {
        "sizes": sizes,
        "gemma3": [gemma3(*size) for size in sizes],
        "idefics3-364": [idefics3(*size, 364, 1456) for size in sizes],
        "idefics3-512": [idefics3(*size, 512, 2048) for size in sizes],
        # Beyond what any picture becomes, 4096
        "idefics3-384": [idefics3(*size, 384, 4224) for size in sizes],
        "onevision": [onevision(*size) for size in sizes],
        "lfm2": [lfm2(*size) for size in sizes],
        "minicpm": [minicpm(*size) for size in sizes if max(size) / min(size) <= 20],
        "qwen3vl": [qwen3vl(*size) for size in sizes],
        "texts": {
            "gemma3": [gemma3_text(crops) for crops in (0, 2, 4)],
            "idefics3": [[rows, columns, idefics3_text(rows, columns)] for rows, columns in ((0, 0), (1, 2), (3, 1), (2, 3))],
            "lfm2": [[rows, columns, lfm2_text(rows, columns)] for rows, columns in ((1, 1), (1, 2), (3, 2))],
        },
    }
    text = json.dumps(result)
    pathlib.Path(sys.argv[1]).write_text(re.sub(r'(\], |\}, )(?=[\[{])', lambda match: match.group(1), text) + "\n")
