"""What llama.cpp's own converters make of small seeded checkpoints: goldens.py LLAMA.CPP OUT [CASE...]

LLAMA.CPP is a checkout of the release that the decoder is pinned to. Written for each case and type: metadata with types,
and for each tensor its type, shape and the SHA-256 of its bytes.
"""

import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

import gguf
import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "projectors"))
from seeded import seeded  # noqa: E402

MODELS = HERE.parents[2] / "packages/projector/test/goldens"

# The model of packages/projector/test/goldens, its architecture, how the hub's files name its tensors, its processor's file,
# how values are stored, and the types that are asked for.
CASES = {
    "gemma3": ("gemma3", "Gemma3ForConditionalGeneration", [("vision_tower.", "vision_tower.vision_model.")], {"image_seq_length": 16}, torch.float32, ["f32", "f16", "q8_0"]),
    "gemma3-bf16": ("gemma3", "Gemma3ForConditionalGeneration", [("vision_tower.", "vision_tower.vision_model.")], {"image_seq_length": 16}, torch.bfloat16, ["f16"]),
    "idefics3": ("idefics3", "Idefics3ForConditionalGeneration", [("vision_model.", "model.vision_model."), ("connector.", "model.connector.")], {"size": {"longest_edge": 256}}, torch.float32, ["f32", "f16", "q8_0"]),
}
PIXELS = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}


def tensors_of(model: str) -> dict:
    tensors = {}
    for entry in json.loads((MODELS / model / "case.json").read_text())["tensors"]:
        tensors[entry["name"]] = torch.from_numpy(seeded(entry["name"], entry["shape"], entry["scale"], entry["offset"]))
    return tensors


def renamed(name: str, renames: list) -> str:
    return next((after + name[len(before):] for before, after in renames if name.startswith(before)), name)


def described(file: pathlib.Path) -> dict:
    reader = gguf.GGUFReader(file)
    metadata = {}
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key in ("general.name", "general.size_label"):
            continue
        metadata[key] = [[kind.name for kind in field.types], field.contents()]
    tensors = {tensor.name: [tensor.tensor_type.name, [int(side) for side in reversed(tensor.shape)], hashlib.sha256(tensor.data.tobytes()).hexdigest()] for tensor in reader.tensors}
    return {"metadata": metadata, "tensors": tensors}


def convert(llama: pathlib.Path, case: str) -> dict:
    model, architecture, renames, processor, dtype, types = CASES[case]
    config = json.loads((MODELS / model / "case.json").read_text())["config"]
    config["architectures"] = [architecture]
    with tempfile.TemporaryDirectory() as folder:
        directory = pathlib.Path(folder) / "model"
        directory.mkdir()
        (directory / "config.json").write_text(json.dumps(config))
        (directory / "preprocessor_config.json").write_text(json.dumps({**PIXELS, **processor}))
        save_file({renamed(name, renames): values.to(dtype).contiguous() for name, values in tensors_of(model).items()}, directory / "model.safetensors")
        results = {}
        for kind in types:
            out = pathlib.Path(folder) / f"{kind}.gguf"
            subprocess.run([sys.executable, str(llama / "convert_hf_to_gguf.py"), str(directory), "--mmproj", "--outtype", kind, "--outfile", str(out)], check=True, capture_output=True)
            results[kind] = described(next(pathlib.Path(folder).glob("*.gguf")))
            for file in pathlib.Path(folder).glob("*.gguf"):
                file.unlink()
    return results


def convert_llava(llama: pathlib.Path) -> dict:
    """LLaVA with SigLIP, which only the older script knows: it takes tower and projector apart."""
    config = json.loads((MODELS / "llava" / "case.json").read_text())["config"]
    with tempfile.TemporaryDirectory() as folder:
        directory = pathlib.Path(folder) / "model"
        directory.mkdir()
        (directory / "config.json").write_text(json.dumps({"model_type": "siglip", "vision_config": config["vision_config"], "text_config": {}, "vision_feature_layer": config["vision_feature_layer"]}))
        tensors = tensors_of("llava")
        save_file({name.replace("vision_tower.", "vision_model.", 1): values for name, values in tensors.items() if name.startswith("vision_tower.")}, directory / "model.safetensors", {"format": "pt"})
        torch.save({name: values for name, values in tensors.items() if not name.startswith("vision_tower.")}, directory / "llava.projector")
        script = llama / "tools/mtmd/legacy-models/convert_image_encoder_to_gguf.py"
        subprocess.run([sys.executable, str(script), "-m", str(directory), "--clip-model-is-siglip", "--llava-projector", str(directory / "llava.projector"), "--image-mean", "0.5", "0.5", "0.5", "--image-std", "0.5", "0.5", "0.5"], check=True, capture_output=True)
        return {"f16": described(directory / "mmproj-model-f16.gguf")}


if __name__ == "__main__":
    llama, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    for case in sys.argv[3:] or [*CASES, "llava"]:
        results = convert_llava(llama) if case == "llava" else convert(llama, case)
        lines = ",\n".join(f"{json.dumps(kind)}: {json.dumps(result)}" for kind, result in results.items())
        (out / f"{case}.json").write_text(f"{{{lines}}}\n")
        print(case)
