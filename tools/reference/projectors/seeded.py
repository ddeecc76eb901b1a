"""Weights and pixels that both sides compute from a name: nothing but results has to be committed.

Value i of the tensor `name` is float32(((mix(fnv1a(name) + i) >> 8) / 2**24 - 0.5) * 2 * scale + offset), where mix is
the 32-bit finaliser of MurmurHash3. Float64 until the last rounding, so that JavaScript gets the same bits.
"""

import numpy as np


def fnv1a(name: str) -> int:
    value = 0x811C9DC5
    for byte in name.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def seeded(name: str, shape, scale: float = 1.0, offset: float = 0.0) -> np.ndarray:
    count = int(np.prod(shape))
    x = (np.arange(count, dtype=np.uint64) + fnv1a(name)) & 0xFFFFFFFF
    x ^= x >> 16
    x = (x * 0x85EBCA6B) & 0xFFFFFFFF
    x ^= x >> 13
    x = (x * 0xC2B2AE35) & 0xFFFFFFFF
    x ^= x >> 16
    unit = (x >> np.uint64(8)).astype(np.float64) / 2**24
    return ((unit - 0.5) * 2 * scale + offset).astype(np.float32).reshape(shape)


def pictures(name: str, views: int, side: int) -> np.ndarray:
    """float32[views, 3, side, side] of bytes 0 to 255, normalised with a mean and deviation of 0.5."""
    levels = np.floor((seeded(name, (views, 3, side, side)).astype(np.float64) + 1) * 128)
    return ((levels / 255 - 0.5) / 0.5).astype(np.float32)


def spread(name: str, shape) -> tuple[float, float]:
    """(scale, offset) that lets mistakes show: no bias is zero, no norm the identity, attention far from uniform."""
    leaf = name.rsplit(".", 1)[-1]
    if "norm" in name or "ln_" in name:
        plus_one = "soft_emb_norm" in name or leaf == "bias"
        return 0.4, 0.0 if plus_one else 1.0
    if leaf == "bias" or len(shape) == 1 or leaf.endswith("_bias"):
        return 0.3, 0.0
    if "position_embedding" in name or "query" in name:
        return 0.8, 0.0
    fan_in = int(np.prod(shape[1:]))
    if "q_proj" in name or "k_proj" in name:
        return round(float((12 / fan_in) ** 0.5), 4), 0.0
    return round(float((4 / fan_in) ** 0.5), 4), 0.0
