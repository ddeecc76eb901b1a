"""Small mmproj GGUFs with seeded weights, and the rows that llama.cpp's mtmd makes of pictures: llama_rows.py PROGRAM OUT [CASE...]"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

import gguf
import numpy as np
from safetensors.numpy import save_file

from seeded import seeded, spread

WIDTH, MLP, LAYERS, HEADS, OUT = 32, 48, 3, 2, 20
BOTH = lambda name, rows, columns: {f"{name}.weight": [rows, columns], f"{name}.bias": [rows]}
NORM = lambda name, width=WIDTH: {f"{name}.weight": [width], f"{name}.bias": [width]}


def tower(family: str, side: int, patch: int, positions: int) -> tuple[dict, dict]:
    """(tensors by name and shape, keys)"""
    tensors = {"v.patch_embd.weight": [WIDTH, 3, patch, patch], "v.patch_embd.bias": [WIDTH], "v.position_embd.weight": [positions, WIDTH], **NORM("v.post_ln")}
    qwen = family == "qwen3vl_merger"
    if qwen:
        tensors |= {"v.patch_embd.weight.1": [WIDTH, 3, patch, patch]}
    for layer in range(LAYERS):
        block = f"v.blk.{layer}"
        tensors |= {**NORM(f"{block}.ln1"), **NORM(f"{block}.ln2"), **BOTH(f"{block}.ffn_up", MLP, WIDTH), **BOTH(f"{block}.ffn_down", WIDTH, MLP)}
        for part in ("attn_out",) if qwen else ("attn_q", "attn_k", "attn_v", "attn_out"):
            tensors |= BOTH(f"{block}.{part}", WIDTH, WIDTH)
        if qwen:
            tensors |= BOTH(f"{block}.attn_qkv", 3 * WIDTH, WIDTH)
    keys = {"image_size": side, "patch_size": patch, "embedding_length": WIDTH, "feed_forward_length": MLP, "block_count": LAYERS, "attention.head_count": HEADS, "projection_dim": OUT}
    return tensors, keys


def projector(family: str) -> tuple[dict, dict]:
    if family == "gemma3":
        return {"mm.soft_emb_norm.weight": [WIDTH], "mm.input_projection.weight": [WIDTH, OUT]}, {"projector.scale_factor": 2}
    if family == "idefics3":
        return {"mm.model.fc.weight": [OUT, 4 * WIDTH]}, {"projector.scale_factor": 2}
    if family == "mlp":
        return {"mm.0.weight": [24, WIDTH], "mm.0.bias": [24], "mm.2.weight": [OUT, 24], "mm.2.bias": [OUT]}, {}
    if family == "lfm2":
        return {"mm.input_norm.weight": [4 * WIDTH], "mm.input_norm.bias": [4 * WIDTH], "mm.1.weight": [28, 4 * WIDTH], "mm.1.bias": [28], "mm.2.weight": [OUT, 28], "mm.2.bias": [OUT]}, {"projector.scale_factor": 2}
    if family == "qwen3vl_merger":
        tensors = {**BOTH("mm.0", 4 * WIDTH, 4 * WIDTH), **BOTH("mm.2", OUT, 4 * WIDTH)}
        for layer in (0, 1):
            deep = f"v.deepstack.{layer}"
            tensors |= {**NORM(f"{deep}.norm", 4 * WIDTH), **BOTH(f"{deep}.fc1", 4 * WIDTH, 4 * WIDTH), **BOTH(f"{deep}.fc2", OUT, 4 * WIDTH)}
        return tensors, {"spatial_merge_size": 2}
    wide = 256  # two heads of 128
    tensors = {"resampler.query": [6, wide], "resampler.proj.weight": [wide, wide], "resampler.kv.weight": [wide, WIDTH], "resampler.pos_embed_k": [4, wide]}
    for part in ("q", "k", "v", "out"):
        tensors |= {f"resampler.attn.{part}.weight": [wide, wide], f"resampler.attn.{part}.bias": [wide]}
    for part in ("q", "kv", "post"):
        tensors |= {f"resampler.ln_{part}.weight": [wide], f"resampler.ln_{part}.bias": [wide]}
    return tensors, {}


# Width and height of the picture, side that positions are stored for, patch.
CASES = {
    "gemma3": (64, 64, 64, 8), "idefics3": (64, 64, 64, 8), "mlp": (64, 64, 64, 8),
    # Positions as they are stored, and resized to another grid
    "lfm2": (64, 64, 64, 8), "lfm2-wide": (96, 48, 64, 8),
    "resampler": (112, 56, 560, 8), "resampler-tall": (24, 200, 560, 8),
    "qwen3vl_merger": (64, 64, 64, 8), "qwen3vl_merger-wide": (96, 48, 64, 8),
}


def spread_of(name: str, shape: list) -> tuple[float, float]:
    """`spread` for a GGUF's names, where norms are stored with their 1."""
    if re.search(r"ln|norm", name):
        return 0.4, 1.0 if name.endswith("weight") else 0.0
    if re.search(r"attn_(q|k|qkv)\.weight|attn\.[qk]\.weight", name):
        return round(float((12 / shape[1]) ** 0.5), 4), 0.0
    return (0.8, 0.0) if "position" in name else spread(name, shape)


def write_case(program: str, out: pathlib.Path, name: str) -> None:
    width, height, side, patch = CASES[name]
    family = name.split("-")[0]
    shapes, keys = tower(family, side if family != "resampler" else 64, patch, (side // patch) ** 2)
    more, more_keys = projector(family)
    tensors = []
    for key, shape in {**shapes, **more}.items():
        scale, offset = spread_of(key, shape)
        tensors.append({"name": key, "shape": shape, "scale": scale, "offset": offset})
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        writer = gguf.GGUFWriter(path / "mmproj.gguf", "clip")
        writer.add_bool("clip.has_vision_encoder", True)
        writer.add_string("clip.projector_type", family)
        writer.add_bool("clip.use_gelu", True)
        writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-6)
        writer.add_array("clip.vision.image_mean", [0.5] * 3)
        writer.add_array("clip.vision.image_std", [0.5] * 3)
        for key, value in {**keys, **more_keys}.items():
            writer.add_uint32(f"clip.vision.{key}", value)
        if family == "resampler":
            writer.add_int32("clip.minicpmv_version", 3)
            writer.add_uint32("clip.minicpmv_query_num", 6)
        for tensor in tensors:
            writer.add_tensor(tensor["name"], seeded(tensor["name"], tensor["shape"], tensor["scale"], tensor["offset"]))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        levels = np.floor((seeded("picture", (height, width, 3)).astype(np.float64) + 1) * 128).astype(np.uint8)
        levels.tofile(path / "picture")
        subprocess.run([program, str(path / "mmproj.gguf"), str(width), str(height), str(path / "picture"), str(path / "rows")], check=True, capture_output=True)
        rows = np.fromfile(path / "rows", np.float32)
    directory = out / name
    directory.mkdir(parents=True, exist_ok=True)
    output = {"resampler": 256, "qwen3vl_merger": 3 * OUT}.get(family, OUT)
    save_file({"rows": rows.reshape(-1, output)}, directory / "outputs.safetensors")
    (directory / "case.json").write_text(json.dumps({"type": family, "width": width, "height": height, "keys": {**keys, **more_keys}, "tensors": tensors}) + "\n")


if __name__ == "__main__":
    for case in sys.argv[3:] or CASES:
        write_case(sys.argv[1], pathlib.Path(sys.argv[2]), case)
        print(case)
