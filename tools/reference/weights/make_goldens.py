"""Goldens for packages/weights: quantised blocks with their float32 values, and small files in both formats."""
import json
import pathlib
import sys

import gguf
import numpy as np
from safetensors.numpy import load_file, save_file

TYPES = ["Q4_0", "Q5_0", "Q8_0", "Q4_K", "Q5_K", "Q6_K"]


def random_blocks(kind: gguf.GGMLQuantizationType, blocks: int, rng: np.random.Generator) -> np.ndarray:
    """Random bytes are valid blocks but for the half-precision scales, which are made finite and small."""
    _, size = gguf.GGML_QUANT_SIZES[kind]
    data = rng.integers(0, 256, (blocks, size), dtype=np.uint8)
    offsets = {"Q4_0": [0], "Q5_0": [0], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}[kind.name]
    for offset in offsets:
        scales = rng.uniform(-0.1, 0.1, blocks).astype(np.float16)
        data[:, offset : offset + 2] = scales.view(np.uint8).reshape(blocks, 2)
    return data


def main() -> None:
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    for name in TYPES:
        kind = gguf.GGMLQuantizationType[name]
        blocks = random_blocks(kind, 3, rng)
        values = gguf.quants.dequantize(blocks.reshape(-1), kind).astype(np.float32)
        (out / f"{name}.blocks").write_bytes(blocks.tobytes())
        (out / f"{name}.float32").write_bytes(values.tobytes())

    floats = np.concatenate([rng.normal(0, 1, 500), rng.normal(0, 1e-6, 250), rng.normal(0, 1e4, 250), [0.0, -0.0, 65504, 65519.9, 65520, 6e-8, 2.98e-8, 2.99e-8, 1.0009766, 1.00048828125]]).astype(np.float32)
    (out / "floats.float32").write_bytes(floats.tobytes())
    with np.errstate(over="ignore"):
        (out / "floats.float16").write_bytes(floats.astype(np.float16).tobytes())
    (out / "floats.bfloat16").write_bytes(gguf.quants.quantize(floats, gguf.GGMLQuantizationType.BF16).tobytes())
    padded = np.resize(floats, (32, 32)).astype(np.float32)
    padded = np.where(np.abs(padded) > 1000, 1.0, padded).astype(np.float32)
    (out / "q8.float32").write_bytes(padded.tobytes())
    (out / "q8.Q8_0").write_bytes(gguf.quants.quantize(padded, gguf.GGMLQuantizationType.Q8_0).tobytes())

    writer = gguf.GGUFWriter(str(out / "reference.gguf"), "llama")
    writer.add_uint32("test.number", 42)
    writer.add_array("test.words", ["a", "bé", ""])
    writer.add_bool("test.flag", True)
    writer.add_float32("test.real", 1.5)
    writer.add_uint64("test.large", 2**40)
    writer.add_tensor("matrix", np.arange(12, dtype=np.float32).reshape(3, 4))
    writer.add_tensor("half", np.arange(6, dtype=np.float16).reshape(2, 3))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file({"matrix": np.arange(12, dtype=np.float32).reshape(3, 4), "bytes": np.arange(5, dtype=np.int8)}, out / "reference.safetensors", metadata={"made": "by safetensors"})

    if len(sys.argv) > 2:
        ours = pathlib.Path(sys.argv[2])
        reader = gguf.GGUFReader(str(ours / "ours.gguf"))
        tensors = {tensor.name: tensor for tensor in reader.tensors}
        assert tensors["matrix"].data.tolist() == np.arange(12, dtype=np.float32).reshape(3, 4).tolist()
        assert reader.get_field("test.number").contents() == 42
        assert load_file(ours / "ours.safetensors")["matrix"].tolist() == np.arange(12, dtype=np.float32).reshape(3, 4).tolist()
        print(json.dumps({"ours": "read by gguf and safetensors"}))


main()
