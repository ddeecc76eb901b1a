"""Small CLIP, DINOv2 and EVA-02-CLIP models with seeded random weights, and what their references compute with them.

transformers is the reference for its own directories; open_clip and timm for directories with an open_clip_config.json.
Weights are drawn as in towers.py: no bias is zero, no norm is the identity, attention is far from uniform.
"""

import json
import pathlib
import shutil

import numpy as np
import open_clip
import timm
import torch
import torchvision
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers, Regex
from transformers import (
    CLIPConfig, CLIPModel, CLIPTokenizer, CLIPVisionConfig, CLIPVisionModel, Dinov2Config, Dinov2Model,
    Dinov2WithRegistersConfig, Dinov2WithRegistersModel,
)
from transformers.image_transforms import center_crop
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from tokenization import CORPUS, TEXTS

PHOTOS = ("photo.jpg", "photo-crop.png", "photo-tall.png")
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
PROJECTION = 20


def clip_tokenizer(pad: str) -> CLIPTokenizer:
    """CLIP's kind of BPE: lower case, "</w>" at the end of a word, and the two marks as the last ids."""
    begin, end = "<|startoftext|>", "<|endoftext|>"
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trained = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    trained.normalizer = normalizers.Lowercase()
    words = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    trained.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(words), behavior="removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    trainer = trainers.BpeTrainer(vocab_size=420, end_of_word_suffix="</w>", initial_alphabet=alphabet, show_progress=False)
    trained.train_from_iterator(CORPUS, trainer)
    merges = [tuple(merge) for merge in json.loads(trained.to_str())["model"]["merges"]]
    tokens = alphabet + [letter + "</w>" for letter in alphabet]
    tokens += [token for token in ("".join(merge) for merge in merges) if token not in tokens]
    tokens = [*dict.fromkeys(tokens), begin, end]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, bos_token=begin, eos_token=end, unk_token=end, pad_token=pad, model_max_length=77)


def token_ids(tokenizer: CLIPTokenizer) -> torch.Tensor:
    return tokenizer(TEXTS, padding="max_length", max_length=77, truncation=True, return_tensors="pt")["input_ids"]


@torch.no_grad()
def randomise(model: torch.nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)

    def normal(parameter: torch.Tensor, std: float, mean: float = 0.0) -> None:
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * std + mean)

    for name, parameter in model.named_parameters():
        is_norm = any(part in name for part in ("norm", "ln_", "layrnorm"))
        if name == "logit_scale":
            parameter.fill_(2.9)
        elif is_norm or "lambda" in name:
            normal(parameter, 0.3, 0.0 if name.endswith("bias") else 1.0)
        elif name.endswith("bias"):
            normal(parameter, 0.2)
        elif any(part in name for part in ("token", "position", "pos_embed", "class_embedding")):
            normal(parameter, 0.7)
        elif any(part in name for part in ("q_proj", "k_proj", "query", "key", "in_proj")):
            normal(parameter, 1.5 * parameter.shape[-1] ** -0.5)
        elif name.endswith("projection") or name.endswith("visual.proj"):
            normal(parameter, parameter.shape[0] ** -0.5)
        else:
            normal(parameter, parameter[0].numel() ** -0.5)


def emptied(directory: pathlib.Path) -> pathlib.Path:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def save_outputs(directory: pathlib.Path, outputs: dict[str, torch.Tensor], name: str = "outputs") -> None:
    save_file({key: value.detach().contiguous() for key, value in outputs.items()}, directory / f"{name}.safetensors")


def done(directory: pathlib.Path) -> None:
    for path in directory.iterdir():
        path.chmod(0o644)


def photos(out: pathlib.Path) -> list[Image.Image]:
    return [Image.open(out / name).convert("RGB") for name in PHOTOS]


def saved(model: torch.nn.Module, directory: pathlib.Path, dtype: torch.dtype) -> torch.nn.Module:
    """Stored narrow, computed in float32: the reference sees exactly the weights that are in the file."""
    model = model.to(dtype).eval()
    model.save_pretrained(directory)
    model = model.float()
    model.set_attn_implementation("eager")
    return model


@torch.no_grad()
def write_clip(out: pathlib.Path, name: str, act: str, legacy: bool, dtype: torch.dtype, seed: int) -> None:
    tokenizer = clip_tokenizer("<|endoftext|>" if legacy else "!")
    eos = tokenizer.eos_token_id
    config = CLIPConfig(
        projection_dim=PROJECTION,
        vision_config={"hidden_size": 32, "intermediate_size": 52, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 8, "hidden_act": act},
        # Published files have the wrong marks 0, 1 and 2, or the right ones.
        text_config={"vocab_size": len(tokenizer), "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 2, "hidden_act": act,
                     "bos_token_id": 0 if legacy else tokenizer.bos_token_id, "eos_token_id": 2 if legacy else eos, "pad_token_id": 1},
    )
    model = CLIPModel(config)
    randomise(model, seed)
    directory = emptied(out / name)
    model = saved(model, directory, dtype)
    tokenizer.save_pretrained(directory)
    processor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor.save_pretrained(directory)
    pixels = processor(images=photos(out), return_tensors="pt")["pixel_values"]
    ids = token_ids(tokenizer)
    result = model(input_ids=ids, pixel_values=pixels)
    save_outputs(directory, {
        "pixel_values": pixels,                                                             # float32[3, 3, H, W]
        "input_ids": ids,                                                                   # int64[10, 77]
        "patch_tokens": result.vision_model_output.last_hidden_state[:, 1:],                # float32[3, P, D], before post_layernorm
        # Projected, not normalised; the model's own image_embeds and text_embeds are of unit length.
        "image_pooled": model.get_image_features(pixel_values=pixels).pooler_output,        # float32[3, 20]
        "text_pooled": model.get_text_features(input_ids=ids).pooler_output,                # float32[10, 20]
        "logits_per_image": result.logits_per_image,                                        # float32[3, 10]
    })
    if not legacy:
        larger = CLIPImageProcessorPil(size={"shortest_edge": 48}, crop_size={"height": 48, "width": 48})
        pixels = larger(images=photos(out), return_tensors="pt")["pixel_values"]
        vision = model.vision_model(pixel_values=pixels, interpolate_pos_encoding=True)
        save_outputs(directory, {"patch_tokens": vision.last_hidden_state[:, 1:], "image_pooled": model.visual_projection(vision.pooler_output)}, "outputs-48")
    done(directory)


@torch.no_grad()
def write_clip_vision(out: pathlib.Path, name: str, seed: int) -> None:
    model = CLIPVisionModel(CLIPVisionConfig(hidden_size=32, intermediate_size=40, num_hidden_layers=1, num_attention_heads=4, image_size=24, patch_size=8))
    randomise(model, seed)
    directory = emptied(out / name)
    model = saved(model, directory, torch.float16)
    # Squashed and not cropped, which some fine-tunes do.
    processor = CLIPImageProcessorPil(size={"height": 24, "width": 24}, do_center_crop=False)
    processor.save_pretrained(directory)
    pixels = processor(images=photos(out), return_tensors="pt")["pixel_values"]
    result = model(pixel_values=pixels)
    save_outputs(directory, {"pixel_values": pixels, "patch_tokens": result.last_hidden_state[:, 1:], "image_pooled": result.pooler_output})
    done(directory)


@torch.no_grad()
def write_dinov2(out: pathlib.Path, name: str, how: dict, crop: int, seed: int, dtype: torch.dtype) -> None:
    registers = how.get("num_register_tokens", 0)
    common = {"num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 35, "patch_size": 7, **how}
    model = Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**common)) if registers else Dinov2Model(Dinov2Config(**common))
    randomise(model, seed)
    directory = emptied(out / name)
    model = saved(model, directory, dtype)
    processor = BitImageProcessorPil(size={"shortest_edge": crop + 5}, crop_size={"height": crop, "width": crop}, **IMAGENET)
    processor.save_pretrained(directory)
    pixels = processor(images=photos(out), return_tensors="pt")["pixel_values"]
    result = model(pixel_values=pixels)
    save_outputs(directory, {
        "pixel_values": pixels,
        "patch_tokens": result.last_hidden_state[:, 1 + registers:],    # after the last norm
        "image_pooled": result.pooler_output,                           # the class token
    })
    done(directory)


def open_clip_directory(out: pathlib.Path, name: str, model: torch.nn.Module, model_cfg: dict, preprocess: dict) -> tuple[pathlib.Path, torch.nn.Module, CLIPTokenizer]:
    directory = emptied(out / name)
    # Parameters only: timm's table of rotations is a buffer that is computed, and stays in float32.
    for parameter in model.parameters():
        parameter.copy_(parameter.half().float())
    model.eval()
    save_file({key: value.half().contiguous() for key, value in model.state_dict().items()}, directory / "open_clip_model.safetensors")
    config = {"model_cfg": model_cfg, "preprocess_cfg": preprocess}
    (directory / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")
    tokenizer = clip_tokenizer("<|endoftext|>")
    tokenizer.save_pretrained(directory)
    return directory, model, tokenizer


def open_clip_outputs(out: pathlib.Path, model: torch.nn.Module, tokenizer: CLIPTokenizer, size: int, preprocess: dict) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    transform = image_transform_v2(PreprocessCfg(size=size, **preprocess), is_train=False)
    pixels = torch.stack([transform(photo) for photo in photos(out)])
    ids = token_ids(tokenizer)
    image, text = model.encode_image(pixels), model.encode_text(ids)
    cosines = torch.nn.functional.normalize(image) @ torch.nn.functional.normalize(text).T
    return pixels, ids, {"pixel_values": pixels, "input_ids": ids, "image_pooled": image, "text_pooled": text, "logits_per_image": model.logit_scale.exp() * cosines}


@torch.no_grad()
def write_eva02(out: pathlib.Path, name: str, seed: int) -> None:
    tokenizer = clip_tokenizer("<|endoftext|>")
    # timm's own way to have a named model in another size: the `model_args` of its config.json.
    arguments = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}
    architecture = "eva02_base_patch16_clip_224"
    text_cfg = {"context_length": 77, "vocab_size": len(tokenizer), "width": 16, "heads": 2, "layers": 2}
    vision_cfg = {"image_size": 32, "timm_model_name": architecture, "timm_model_pretrained": False, "timm_pool": "token", "timm_proj": None}
    model_cfg = {"embed_dim": PROJECTION, "vision_cfg": vision_cfg, "text_cfg": text_cfg, "custom_text": True}
    create = timm.create_model
    timm.create_model = lambda model_name, **given: create(model_name, **given, **arguments)
    try:
        model = open_clip.model.CustomTextCLIP(PROJECTION, vision_cfg, text_cfg)
    finally:
        timm.create_model = create
    randomise(model, seed)
    preprocess = {"mean": list(open_clip.OPENAI_DATASET_MEAN), "std": list(open_clip.OPENAI_DATASET_STD), "interpolation": "bicubic", "resize_mode": "shortest"}
    directory, model, tokenizer = open_clip_directory(out, name, model, model_cfg, preprocess)
    (directory / "config.json").write_text(json.dumps({"architecture": architecture, "num_classes": PROJECTION, "global_pool": "token", "model_args": arguments}, indent=2) + "\n")
    pixels, _, outputs = open_clip_outputs(out, model, tokenizer, 32, preprocess)
    save_outputs(directory, {**outputs, "patch_tokens": model.visual.trunk.forward_features(pixels)[:, 1:]})
    model.visual.trunk.set_input_size((48, 48))
    pixels, _, outputs = open_clip_outputs(out, model, tokenizer, 48, preprocess)
    save_outputs(directory, {"patch_tokens": model.visual.trunk.forward_features(pixels)[:, 1:], "image_pooled": outputs["image_pooled"]}, "outputs-48")
    done(directory)


@torch.no_grad()
def write_open_clip(out: pathlib.Path, name: str, quick_gelu: bool, seed: int) -> None:
    tokenizer = clip_tokenizer("<|endoftext|>")
    vision_cfg = {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8}
    text_cfg = {"context_length": 77, "vocab_size": len(tokenizer), "width": 16, "heads": 2, "layers": 2}
    model_cfg = {"embed_dim": PROJECTION, "quick_gelu": quick_gelu, "vision_cfg": vision_cfg, "text_cfg": text_cfg}
    model = open_clip.CLIP(PROJECTION, vision_cfg, text_cfg, quick_gelu=quick_gelu)
    randomise(model, seed)
    preprocess = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bilinear", "resize_mode": "squash"}
    directory, model, tokenizer = open_clip_directory(out, name, model, model_cfg, preprocess)
    pixels, _, outputs = open_clip_outputs(out, model, tokenizer, 32, preprocess)
    last = model.visual.forward_intermediates(pixels, indices=1, output_fmt="NLC")["image_intermediates"][-1]
    save_outputs(directory, {**outputs, "patch_tokens": last})   # before ln_post
    done(directory)


def write_crops(out: pathlib.Path) -> None:
    """Where each reference cuts: of every output row and column, the one of the image that it shows, counted from 1; 0 is black."""
    cases = []
    for width, height, side in [(8, 7, 5), (7, 8, 4), (10, 5, 5), (11, 9, 4), (13, 6, 3), (4, 9, 6), (3, 3, 6), (9, 4, 7)]:
        image = np.zeros((height, width, 3), np.uint8)
        image[..., 0], image[..., 1] = np.arange(1, height + 1)[:, None], np.arange(1, width + 1)[None]
        cropped = {"down": center_crop(image, (side, side), input_data_format="channels_last"), "even": np.asarray(torchvision.transforms.CenterCrop(side)(Image.fromarray(image)))}
        for half_pixel, pixels in cropped.items():
            cases.append({"width": width, "height": height, "side": side, "halfPixel": half_pixel, "rows": pixels[..., 0].max(1).tolist(), "columns": pixels[..., 1].max(0).tolist()})
    (out / "crops.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


def write(out: pathlib.Path) -> None:
    torch.set_num_threads(2)
    write_crops(out)
    write_clip(out, "clip-openai", "quick_gelu", True, torch.float16, 31)
    write_clip(out, "clip-laion", "gelu", False, torch.bfloat16, 32)
    write_clip_vision(out, "clip-vision", 33)
    write_dinov2(out, "dinov2", {"hidden_size": 32}, 28, 34, torch.float32)
    write_dinov2(out, "dinov2-registers", {"hidden_size": 32, "num_register_tokens": 4, "mlp_ratio": 3}, 21, 35, torch.float16)
    write_dinov2(out, "dinov2-giant", {"hidden_size": 20, "use_swiglu_ffn": True}, 35, 36, torch.float16)
    write_eva02(out, "eva02-clip", 37)
    write_open_clip(out, "open-clip", True, 38)
