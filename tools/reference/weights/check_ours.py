"""Reads what write-ours.mjs wrote with gguf's and safetensors' own readers and compares every value."""
import pathlib
import sys

import gguf
import numpy as np
from safetensors import safe_open

METADATA = {
    "general.architecture": "llama",
    "general.alignment": 64,
    "t.uint8": 255,
    "t.int8": -128,
    "t.uint16": 65535,
    "t.int16": -32768,
    "t.uint32": 4294967295,
    "t.int32": -2147483648,
    "t.uint64": 2**64 - 1,
    "t.int64": -(2**63),
    "t.float32": 1.5,
    "t.float64": 0.1,
    "t.bool": True,
    "t.words": ["a", "bé", "", "\ufeffmark", "🙂"],
    "t.numbers": [1, -2, 3],
}
VALUES = ((np.arange(96) - 48) / 2).astype(np.float32).reshape(3, 32)
BYTES = [0, 1, 127, -128, -1]


def check(what: str, got: object, expected: object) -> None:
    if got != expected:
        raise SystemExit(f"{what}: expected {expected}, got {got}")


def check_gguf(path: pathlib.Path) -> None:
    reader = gguf.GGUFReader(str(path))
    for key, expected in METADATA.items():
        check(key, reader.get_field(key).contents(), expected)
    check("alignment", reader.alignment, 64)
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    check("tensors", list(tensors), ["F32", "F16", "BF16", "Q8_0", "I8"])
    for name in ["F32", "F16", "BF16", "Q8_0"]:
        tensor = tensors[name]
        check(f"{name}'s type", tensor.tensor_type.name, name)
        check(f"{name}'s ne", tensor.shape.tolist(), [32, 3])
        check(f"{name}'s offset", tensor.data_offset % 64, 0)
        if name == "Q8_0":
            check(name, tensor.data.tobytes(), gguf.quants.quantize(VALUES, gguf.GGMLQuantizationType.Q8_0).tobytes())
        else:
            check(name, gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32).reshape(3, 32).tolist(), VALUES.tolist())
    check("I8", tensors["I8"].data.tolist(), BYTES)


def check_safetensors(path: pathlib.Path) -> None:
    with safe_open(path, framework="numpy") as file:
        check("metadata", file.metadata(), {"made": "by sightline"})
        check("tensors", sorted(file.keys()), ["F16", "F32", "I8"])
        for name in ["F16", "F32"]:
            check(f"{name}'s dtype", file.get_tensor(name).dtype.name, {"F16": "float16", "F32": "float32"}[name])
            check(name, file.get_tensor(name).astype(np.float32).tolist(), VALUES.tolist())
        check("I8", file.get_tensor("I8").tolist(), BYTES)


folder = pathlib.Path(sys.argv[1])
check_gguf(folder / "ours.gguf")
check_safetensors(folder / "ours.safetensors")
print("gguf and safetensors read what @sightline/weights wrote, every value as expected")
