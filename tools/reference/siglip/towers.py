"""Small SigLIP models with seeded random weights in Hugging Face directories, and what transformers computes with them.

Weights are drawn so that mistakes show: no bias is zero, no layer norm is the identity, attention is far from uniform.
"""

import json
import pathlib

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import SiglipConfig, SiglipModel
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

TEXT = {"vocab_size": 200, "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 16, "bos_token_id": None, "eos_token_id": 1}

MODELS = {
    # So400m's head width (72), and patches of 14
    "siglip-bfloat16": {
        "vision": {"hidden_size": 144, "intermediate_size": 300, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 70, "patch_size": 14},
        "text": {**TEXT, "projection_size": 144},
        "dtype": torch.bfloat16, "shard": None, "resample": 3,
    },
    # Shards; the text tower is as wide as the vision tower, so its projection_size is left out
    "siglip-sharded": {
        "vision": {"hidden_size": 96, "intermediate_size": 112, "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": 64, "patch_size": 16},
        "text": {**TEXT, "hidden_size": 96, "num_attention_heads": 3},
        "dtype": torch.float32, "shard": "450KB", "resample": 2,
    },
    # 100 pixels hold 7 patches of 14 and 2 pixels that the convolution drops
    "siglip-float16": {
        "vision": {"hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 3, "num_attention_heads": 4, "image_size": 100, "patch_size": 14},
        "text": {**TEXT, "num_hidden_layers": 2, "projection_size": 64},
        "dtype": torch.float16, "shard": None, "resample": 3,
    },
    # A text tower narrower than the vision tower, each with its own MLP width, as giant-opt
    "siglip-giant": {
        "vision": {"hidden_size": 64, "intermediate_size": 80, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32, "patch_size": 16},
        "text": {**TEXT, "hidden_size": 40, "intermediate_size": 56, "projection_size": 64},
        "dtype": torch.bfloat16, "shard": None, "resample": 2,
    },
    # The i18n checkpoints were trained without a text head; their files hold one that changes nothing
    "siglip-i18n": {
        "vision": {"hidden_size": 32, "intermediate_size": 44, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32, "patch_size": 16},
        "text": {**TEXT, "hidden_size": 32, "intermediate_size": 44},
        "dtype": torch.bfloat16, "shard": None, "resample": 3, "identity_head": True,
    },
}

# Other sizes that models are asked for: larger, smaller, and one that holds 9 patches of 14 and 5 pixels that are dropped
RESIZED = {"siglip-sharded": (96, 48), "siglip-float16": (131,)}


@torch.no_grad()
def randomise(model: SiglipModel, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)

    def normal(parameter: torch.Tensor, std: float, mean: float = 0.0) -> None:
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * std + mean)

    for name, parameter in model.named_parameters():
        if name == "logit_scale":
            parameter.fill_(4.7215)
        elif name == "logit_bias":
            parameter.fill_(-16.5)
        elif "norm" in name:
            normal(parameter, 0.3, 1.0 if name.endswith("weight") else 0.0)
        elif name.endswith("bias"):
            normal(parameter, 0.2)
        elif "embedding" in name and "patch" not in name:
            normal(parameter, 0.7)
        elif "q_proj" in name or "k_proj" in name or "in_proj" in name or name.endswith("probe"):
            normal(parameter, 1.5 * parameter.shape[-1] ** -0.5 if parameter.ndim == 2 else 1.0)
        else:
            normal(parameter, parameter[0].numel() ** -0.5)


def inputs(out: pathlib.Path, processor: SiglipImageProcessorPil, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    photo = Image.open(out / "photo.jpg").convert("RGB")
    crop = Image.open(out / "photo-crop.png").convert("RGB")
    pixels = processor(images=[photo, crop], return_tensors="pt")["pixel_values"]
    ids = np.random.default_rng(seed).integers(3, 200, (3, 16))
    ids[1, 5:] = 1
    ids[2, 0:] = 1
    return pixels, torch.from_numpy(ids)


def write_model(out: pathlib.Path, name: str, how: dict, seed: int) -> None:
    config = SiglipConfig(vision_config=how["vision"], text_config=how["text"])
    model = SiglipModel(config)
    randomise(model, seed)
    if how.get("identity_head"):
        with torch.no_grad():
            torch.nn.init.eye_(model.text_model.head.weight)
            torch.nn.init.zeros_(model.text_model.head.bias)
    # Stored narrow, computed in float32: the reference sees exactly the weights that are in the file.
    model = model.to(how["dtype"]).eval()
    directory = out / name
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.iterdir():
        old.unlink()
    model.save_pretrained(directory, **({"max_shard_size": how["shard"]} if how["shard"] else {}))
    model = model.float()
    model.set_attn_implementation("eager")

    side = how["vision"]["image_size"]
    processor = SiglipImageProcessorPil(size={"height": side, "width": side}, resample=how["resample"])
    processor.save_pretrained(directory)
    pixels, ids = inputs(out, processor, seed)
    with torch.no_grad():
        result = model(input_ids=ids, pixel_values=pixels)
    vision, text = result.vision_model_output, result.text_model_output
    outputs = {
        "pixel_values": pixels,                                # float32[2, 3, H, W]
        "input_ids": ids,                                      # int64[3, 16]
        "patch_tokens": vision.last_hidden_state,              # float32[2, P, D], after post_layernorm
        "image_pooled": vision.pooler_output,                  # float32[2, D]
        "text_pooled": text.pooler_output,                     # float32[3, D]
        "image_embeddings": result.image_embeds,               # float32[2, D], unit length
        "text_embeddings": result.text_embeds,                 # float32[3, D], unit length
        "logits_per_image": result.logits_per_image,           # float32[2, 3]
    }
    save_file({key: value.contiguous() for key, value in outputs.items()}, directory / "outputs.safetensors")
    for size in RESIZED.get(name, ()):
        write_resized(model, out, directory, how, size)
    for path in directory.iterdir():
        path.chmod(0o644)
    check_post_layer_norm(model, pixels, vision.last_hidden_state)


@torch.no_grad()
def write_resized(model: SiglipModel, out: pathlib.Path, directory: pathlib.Path, how: dict, size: int) -> None:
    """The same photos at another size, on interpolated positions."""
    processor = SiglipImageProcessorPil(size={"height": size, "width": size}, resample=how["resample"])
    pixels, _ = inputs(out, processor, 0)
    result = model.vision_model(pixel_values=pixels, interpolate_pos_encoding=True)
    outputs = {
        "patch_tokens": result.last_hidden_state,
        "image_pooled": result.pooler_output,
        "image_embeddings": torch.nn.functional.normalize(result.pooler_output),
    }
    save_file({key: value.contiguous() for key, value in outputs.items()}, directory / f"outputs-{size}.safetensors")


@torch.no_grad()
def check_post_layer_norm(model: SiglipModel, pixels: torch.Tensor, last_hidden_state: torch.Tensor) -> None:
    """transformers' last_hidden_state is what comes after post_layernorm; a release that changed this would break the goldens' names."""
    vision = model.vision_model
    before = vision.encoder(inputs_embeds=vision.embeddings(pixels)).last_hidden_state
    torch.testing.assert_close(vision.post_layernorm(before), last_hidden_state)


def drop_defaults(directory: pathlib.Path) -> None:
    """Published SigLIP configs leave out what equals the defaults, and so should one golden."""
    path = directory / "config.json"
    config = json.loads(path.read_text())
    from transformers import SiglipTextConfig, SiglipVisionConfig
    for key, defaults in (("vision_config", SiglipVisionConfig()), ("text_config", SiglipTextConfig())):
        config[key] = {k: v for k, v in config[key].items() if k == "model_type" or v != getattr(defaults, k, object())}
    if config["text_config"].get("projection_size") == config["text_config"].get("hidden_size"):
        config["text_config"].pop("projection_size", None)
    path.write_text(json.dumps(config, indent=2) + "\n")


def write(out: pathlib.Path) -> None:
    torch.set_num_threads(2)
    for seed, (name, how) in enumerate(MODELS.items(), start=1):
        write_model(out, name, how, seed)
    drop_defaults(out / "siglip-sharded")
