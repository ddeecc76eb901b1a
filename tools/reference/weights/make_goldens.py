"""Goldens for packages/weights: quantised blocks with their float32 values, and small files in both formats."""
import json
import pathlib
import sys

import gguf
import numpy as np
from safetensors.numpy import save_file

SCALE_OFFSETS = {"Q4_0": [0], "Q5_0": [0], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}


def random_blocks(name: str, rng: np.random.Generator) -> np.ndarray:
    """Random bytes are valid blocks but for the half-precision scales, which must be finite: usual, subnormal and large ones."""
    _, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    scales = np.concatenate([rng.uniform(-0.1, 0.1, 4), [6e-8, 900.0]])
    data = rng.integers(0, 256, (len(scales), size), dtype=np.uint8)
    for offset in SCALE_OFFSETS[name]:
        data[:, offset : offset + 2] = rng.permutation(scales).astype(np.float16).view(np.uint8).reshape(-1, 2)
    return data


def write_dequantised(out: pathlib.Path, rng: np.random.Generator) -> None:
    for name in SCALE_OFFSETS:
        blocks = random_blocks(name, rng)
        values = gguf.quants.dequantize(blocks.reshape(-1), gguf.GGMLQuantizationType[name]).astype(np.float32)
        (out / f"{name}.blocks").write_bytes(blocks.tobytes())
        (out / f"{name}.float32").write_bytes(values.tobytes())


def write_narrowed(out: pathlib.Path, rng: np.random.Generator) -> None:
    borders = [0.0, -0.0, 65504, 65519.9, 65520, 6e-8, 2.98e-8, 2.99e-8, 1.0009766, 1.00048828125, 1.00146484375, np.inf, -np.inf]
    floats = np.concatenate([rng.normal(0, 1, 500), rng.normal(0, 1e-6, 250), rng.normal(0, 1e4, 250), borders]).astype(np.float32)
    (out / "floats.float32").write_bytes(floats.tobytes())
    with np.errstate(over="ignore"):
        (out / "floats.float16").write_bytes(floats.astype(np.float16).tobytes())
    (out / "floats.bfloat16").write_bytes(gguf.quants.quantize(floats, gguf.GGMLQuantizationType.BF16).tobytes())


def write_q8(out: pathlib.Path, rng: np.random.Generator) -> None:
    """Blocks of many magnitudes, one of zeros, one whose half-precision scale is 0, and elements about halfway between two
    quants, where the result depends on every rounding of the scale and its inverse."""
    rows = rng.normal(0, 1, (190, 32)) * 10.0 ** rng.uniform(-6, 4, (190, 1))
    halfway = np.append(np.arange(31) * 4 + 0.5, 127.0) * rng.choice([-1, 1], (64, 32))
    scales = np.append([1.0], 10.0 ** rng.uniform(-3, 3, 63)).reshape(64, 1)
    values = np.vstack([rows, np.zeros((1, 32)), np.full((1, 32), 1e-9), halfway * scales]).astype(np.float32)
    (out / "q8.float32").write_bytes(values.tobytes())
    (out / "q8.Q8_0").write_bytes(gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0).tobytes())


def write_files(out: pathlib.Path) -> None:
    writer = gguf.GGUFWriter(str(out / "reference.gguf"), "llama")
    writer.add_uint32("test.number", 42)
    writer.add_array("test.words", ["a", "bé", ""])
    writer.add_array("test.nested", [[1, 2], [3]])
    writer.add_bool("test.flag", True)
    writer.add_float32("test.real", 1.5)
    writer.add_uint64("test.large", 2**40)
    writer.add_tensor("matrix", np.arange(12, dtype=np.float32).reshape(3, 4))
    writer.add_tensor("half", np.arange(6, dtype=np.float16).reshape(2, 3))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    arrays = {"matrix": np.arange(12, dtype=np.float32).reshape(3, 4), "bytes": np.arange(5, dtype=np.int8)}
    (out / "reference.safetensors").unlink(missing_ok=True)
    save_file(arrays, out / "reference.safetensors", metadata={"made": "by safetensors"})


def main() -> None:
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    write_dequantised(out, rng)
    write_narrowed(out, rng)
    write_q8(out, rng)
    write_files(out)
    sizes = {kind.name: [int(kind), *gguf.GGML_QUANT_SIZES[kind]] for kind in gguf.GGMLQuantizationType}
    (out / "ggml-types.json").write_text(json.dumps(sizes, indent=1) + "\n")


main()
