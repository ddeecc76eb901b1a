"""Small SigLIP 2 NaFlex models with seeded random weights, and what transformers computes with them on images of
different shapes. Also which grids its processor chooses."""

import json
import pathlib

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import Siglip2Config, Siglip2Model
from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil, get_image_size_for_max_num_patches
from transformers.models.siglip2.image_processing_siglip2 import Siglip2ImageProcessor

from towers import randomise

MODELS = {
    # Several heads; more patches than the 4x4 positions, so that they widen
    "siglip2-naflex": {
        "vision": {"hidden_size": 32, "intermediate_size": 44, "num_hidden_layers": 2, "num_attention_heads": 4, "patch_size": 8, "num_patches": 16},
        "text": {"vocab_size": 64, "hidden_size": 24, "intermediate_size": 36, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 16, "projection_size": 32},
        "max_patches": 40,
    },
    # So400m's head width (72), an MLP that is no multiple of 32, and fewer patches than positions, so that they shrink
    "siglip2-naflex-72": {
        "vision": {"hidden_size": 72, "intermediate_size": 50, "num_hidden_layers": 1, "num_attention_heads": 1, "patch_size": 4, "num_patches": 36},
        "text": {"vocab_size": 64, "hidden_size": 72, "intermediate_size": 50, "num_hidden_layers": 1, "num_attention_heads": 1, "max_position_embeddings": 8},
        "max_patches": 15,
    },
}

SIZES = [(224, 224), (207, 320), (72, 96), (110, 30), (1, 1), (1, 5000), (3000, 7), (480, 640), (3024, 4032), (100, 101), (65, 64), (17, 33), (8000, 6000)]
BUDGETS = [(16, 256), (16, 576), (16, 1024), (14, 729), (8, 40), (4, 15), (16, 1), (32, 7)]


def pictures(out: pathlib.Path) -> list[Image.Image]:
    photo = Image.open(out / "photo.jpg").convert("RGB")
    photo.crop((150, 60, 180, 170)).save(out / "photo-tall.png", optimize=True)
    return [photo, *(Image.open(out / name).convert("RGB") for name in ("photo-crop.png", "photo-tall.png"))]


def write_model(out: pathlib.Path, name: str, how: dict, seed: int) -> None:
    model = Siglip2Model(Siglip2Config(vision_config=how["vision"], text_config=how["text"]))
    randomise(model, seed)
    model = model.bfloat16().eval()
    directory = out / name
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.iterdir():
        old.unlink()
    model.save_pretrained(directory)
    model = model.float()
    model.set_attn_implementation("eager")

    settings = {"patch_size": how["vision"]["patch_size"], "max_num_patches": how["max_patches"]}
    processor = Siglip2ImageProcessorPil(**settings)
    processor.save_pretrained(directory)
    images = pictures(out)
    batch = processor(images=images, return_tensors="pt")
    torchvision = Siglip2ImageProcessor(**settings)(images=images, return_tensors="pt")
    levels = (batch["pixel_values"] - torchvision["pixel_values"]).abs().max().item() * 127.5
    print(f"{name}: grids {batch['spatial_shapes'].tolist()}; Pillow's and torchvision's pixels differ by up to {levels:.2f} of 255 levels")

    text = how["text"]
    ids = np.random.default_rng(seed).integers(3, text["vocab_size"], (2, text["max_position_embeddings"]))
    ids[1, 3:] = 0
    ids = torch.from_numpy(ids)
    with torch.no_grad():
        result = model(input_ids=ids, **batch)
    outputs = {
        "pixel_values": batch["pixel_values"],                         # float32[3, P, p*p*3]
        "spatial_shapes": batch["spatial_shapes"],                     # int64[3, 2], rows and columns
        "input_ids": ids,                                              # int64[2, T]
        "patch_tokens": result.vision_model_output.last_hidden_state,  # float32[3, P, D], padding too
        "image_pooled": result.vision_model_output.pooler_output,      # float32[3, D]
        "image_embeddings": result.image_embeds,                       # float32[3, D], unit length
        "text_embeddings": result.text_embeds,                         # float32[2, D], unit length
        "logits_per_image": result.logits_per_image,                   # float32[3, 2]
    }
    save_file({key: value.contiguous() for key, value in outputs.items()}, directory / "outputs.safetensors")
    for path in directory.iterdir():
        path.chmod(0o644)


def write_grids(out: pathlib.Path) -> None:
    generator = np.random.default_rng(3)
    sizes = SIZES + [tuple(map(int, generator.integers(1, 5000, 2))) for _ in range(60)]
    grids = []
    for patch, budget in BUDGETS:
        for height, width in sizes:
            resized = get_image_size_for_max_num_patches(height, width, patch, budget)
            grids.append([height, width, patch, budget, resized[0] // patch, resized[1] // patch])
    (out / "naflex-grids.json").write_text(json.dumps(grids) + "\n")


def write(out: pathlib.Path) -> None:
    for seed, (name, how) in enumerate(MODELS.items(), start=21):
        write_model(out, name, how, seed)
    write_grids(out)
