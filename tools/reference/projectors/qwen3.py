"""A small Qwen3-VL vision model with seeded weights, and the rows that transformers makes of pixels: qwen3.py OUT"""

import json
import pathlib
import sys

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import Qwen3VLVisionConfig, Qwen3VLVisionModel
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from seeded import seeded, spread

CONFIG = {"depth": 3, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "patch_size": 8, "out_hidden_size": 20, "num_position_embeddings": 64, "deepstack_visual_indexes": [0, 1]}
# The grid of the stored positions, a wide one, a high one, and one block.
GRIDS = [[8, 8], [4, 14], [10, 2], [2, 2]]


def spread_of(name: str, shape: list[int]) -> tuple[float, float]:
    if "pos_embed" in name:
        return 0.8, 0.0
    return (round(float((12 / shape[1]) ** 0.5), 4), 0.0) if "qkv.weight" in name else spread(name, shape)


def write(out: pathlib.Path) -> None:
    model = Qwen3VLVisionModel(Qwen3VLVisionConfig(**CONFIG)).eval()
    model.set_attn_implementation("eager")
    tensors, outputs = [], {}
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            # As the Hub's files call them.
            name, shape = f"model.visual.{key}", list(parameter.shape)
            scale, offset = spread_of(key, shape)
            parameter.copy_(torch.from_numpy(seeded(name, tuple(shape), scale, offset)))
            tensors.append({"name": name, "shape": shape, "scale": scale, "offset": offset})
        for rows, columns in GRIDS:
            pixels = seeded(f"pixels {rows}x{columns}", (3, 8 * rows, 8 * columns))
            patches, high, wide = Qwen2VLImageProcessorPil.patchify(None, pixels, patch_size=8, merge_size=2, temporal_patch_size=2)
            assert [high, wide] == [rows, columns]
            result = model(torch.from_numpy(np.ascontiguousarray(patches)), grid_thw=torch.tensor([[1, rows, columns]]))
            outputs[f"rows {rows}x{columns}"] = torch.cat([result.pooler_output, *result.deepstack_features], -1).contiguous()
    out.mkdir(parents=True, exist_ok=True)
    save_file(outputs, out / "outputs.safetensors")
    config = {"model_type": "qwen3_vl", "vision_config": {"model_type": "qwen3_vl", **CONFIG}}
    (out / "case.json").write_text(json.dumps({"config": config, "tensors": tensors, "grids": GRIDS}) + "\n")
    for path in out.iterdir():
        path.chmod(0o644)


if __name__ == "__main__":
    write(pathlib.Path(sys.argv[1]))
