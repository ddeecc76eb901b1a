"""Small vision-language models of each family with seeded weights, and the rows that transformers makes of pixels."""

import json
import pathlib
import tempfile

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import (
    Gemma3Config, Gemma3Model, Idefics3Config, Idefics3Model, Lfm2VlConfig, Lfm2VlModel,
    LlavaConfig, LlavaModel, LlavaOnevisionConfig, LlavaOnevisionModel, PaliGemmaConfig, PaliGemmaModel,
)
from transformers.models.llava_onevision.modeling_llava_onevision import image_size_to_num_patches

from seeded import pictures, seeded, spread

VISION = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 64, "patch_size": 8}
SIGLIP = {**VISION, "model_type": "siglip_vision_model", "vision_use_head": False}
TEXT = {"hidden_size": 20, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1, "vocab_size": 40, "head_dim": 20}
PINPOINTS = [[64 * rows, 64 * columns] for rows in (1, 2, 3, 4) for columns in (1, 2, 3, 4)]

# What goes in is pictures("pixels", views, 64).
CASES = {
    "gemma3": (Gemma3Model, lambda: Gemma3Config(vision_config=SIGLIP, text_config={**TEXT, "model_type": "gemma3_text"}, mm_tokens_per_image=16)),
    "paligemma": (PaliGemmaModel, lambda: PaliGemmaConfig(vision_config={**SIGLIP, "projection_dim": 20}, text_config={**TEXT, "model_type": "gemma"}, projection_dim=20, image_token_index=30)),
    "llava": (LlavaModel, lambda: LlavaConfig(vision_config=SIGLIP, text_config={**TEXT, "model_type": "llama"}, vision_feature_layer=-2, vision_feature_select_strategy="full", image_token_index=30)),
    "llava-onevision": (LlavaOnevisionModel, lambda: LlavaOnevisionConfig(vision_config=SIGLIP, text_config={**TEXT, "model_type": "qwen2"}, vision_feature_layer=-1, vision_feature_select_strategy="full", vision_aspect_ratio="anyres_max_3", image_grid_pinpoints=PINPOINTS, image_token_index=30)),
    "idefics3": (Idefics3Model, lambda: Idefics3Config(vision_config={**VISION, "model_type": "idefics3_vision"}, text_config={**TEXT, "model_type": "llama"}, scale_factor=2, image_token_id=30, pad_token_id=0)),
    "lfm2_vl": (Lfm2VlModel, lambda: Lfm2VlConfig(vision_config={"model_type": "siglip2_vision_model", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": 8, "num_patches": 64, "vision_use_head": False}, text_config={**TEXT, "model_type": "lfm2"}, projector_hidden_size=28, downsample_factor=2, image_token_id=30)),
}
# The second has no norm in its projector.
CASES["lfm2_vl-no-norm"] = (Lfm2VlModel, lambda: Lfm2VlConfig(vision_config=CASES["lfm2_vl"][1]().vision_config.to_dict(), text_config={**TEXT, "model_type": "lfm2"}, projector_hidden_size=28, downsample_factor=2, image_token_id=30, projector_use_layernorm=False))

# OneVision: sizes (height, width) whose grids differ in shape, in what is cut off and in whether they shrink.
ONEVISION_SIZES = [(64, 64), (100, 150), (60, 250), (250, 70), (256, 256), (190, 130), (37, 251)]


def is_vision(name: str) -> bool:
    return not any(part in name for part in ("language_model", "text_model.", "lm_head", "model.layers", "embed_tokens", "text_model"))


def write_case(out: pathlib.Path, name: str) -> None:
    model_class, make_config = CASES[name]
    model = model_class(make_config()).eval()
    model.set_attn_implementation("eager")
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(seeded(key, tuple(parameter.shape), *spread(key, tuple(parameter.shape)))))
        directory = out / name
        directory.mkdir(parents=True, exist_ok=True)
        # The names that a file has on disk are the parameters' own in this release; older files put more before them.
        with tempfile.TemporaryDirectory() as saved:
            model.save_pretrained(saved)
            config = json.loads((pathlib.Path(saved) / "config.json").read_text())
            with safe_open(pathlib.Path(saved) / "model.safetensors", "pt") as file:
                stored = {key: file.get_tensor(key) for key in file.keys()}
        tensors = []
        for key in sorted(filter(is_vision, stored)):
            shape = list(stored[key].shape)
            scale, offset = spread(key, shape)
            assert np.array_equal(stored[key].numpy(), seeded(key, shape, scale, offset)), key
            tensors.append({"name": key, "shape": shape, "scale": scale, "offset": offset})
        config["text_config"] = {key: config["text_config"][key] for key in ("hidden_size", "model_type")}
        outputs, extra = run(name, model)
    save_file({key: value.contiguous() for key, value in outputs.items()}, directory / "outputs.safetensors")
    (directory / "case.json").write_text(json.dumps({"config": config, "tensors": tensors, **extra}) + "\n")
    for path in directory.iterdir():
        path.chmod(0o644)


def run(name: str, model) -> tuple[dict, dict]:
    if name == "llava-onevision":
        return run_onevision(model)
    if name.startswith("lfm2_vl"):
        return run_lfm2(model)
    pixels = torch.from_numpy(pictures("pixels", 2, 64))
    if name == "idefics3":
        patch_tokens = model.vision_model(pixel_values=pixels).last_hidden_state
        rows = model.connector(patch_tokens)
        whole = model.get_image_features(pixel_values=pixels[:, None]).pooler_output
        assert torch.equal(torch.stack(list(whole)) if isinstance(whole, (list, tuple)) else whole, rows)
    else:
        outputs = model.get_image_features(pixel_values=pixels, output_hidden_states=True)
        rows = outputs.pooler_output
        rows = torch.stack(list(rows)) if not isinstance(rows, torch.Tensor) else rows
        patch_tokens = outputs.hidden_states[-2] if name == "llava" else outputs.last_hidden_state
    if name == "paligemma":
        # What the decoder adds up: Gemma multiplies embeddings by sqrt(width) in llama.cpp, images too; in
        # transformers 5 it multiplies its token table alone, so its image rows are those times sqrt(width).
        rows = rows / model.config.text_config.hidden_size ** 0.5
    return {"patch_tokens": patch_tokens, "rows": rows}, {}


def run_onevision(model) -> tuple[dict, dict]:
    outputs, cases = {}, []
    for height, width in ONEVISION_SIZES:
        views = image_size_to_num_patches((height, width), PINPOINTS, 64)
        pixels = torch.from_numpy(pictures(f"pixels {height}x{width}", views, 64))
        features = model.get_image_features(pixel_values=pixels[None], image_sizes=torch.tensor([[height, width]]), output_hidden_states=True)
        rows = features.pooler_output[0]
        key = f"{height}x{width}"
        outputs[f"rows {key}"] = rows[:, ::4]  # every fourth channel tells a row as well
        cases.append({"height": height, "width": width, "views": views, "rows": rows.shape[0]})
    return outputs, {"images": cases}


def run_lfm2(model) -> tuple[dict, dict]:
    outputs, grids = {}, [[8, 8], [4, 6], [2, 10]]
    for rows, columns in grids:
        patches = rows * columns
        values = torch.from_numpy(seeded(f"patches {rows}x{columns}", (1, patches, 192)))
        features = model.get_image_features(pixel_values=values, spatial_shapes=torch.tensor([[rows, columns]]), pixel_attention_mask=torch.ones(1, patches, dtype=torch.int64))
        outputs[f"patch_tokens {rows}x{columns}"] = features.last_hidden_state
        outputs[f"rows {rows}x{columns}"] = features.pooler_output[0][None]
    return outputs, {"grids": grids}


if __name__ == "__main__":
    import sys
    for case in sys.argv[2:] or CASES:
        write_case(pathlib.Path(sys.argv[1]), case)
        print(case)
