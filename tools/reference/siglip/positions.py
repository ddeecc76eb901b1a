"""What torch's F.interpolate makes of small tables of positions: `positions.json`, tables and results by [row][column][D]."""

import json
import pathlib

import torch
import torch.nn.functional as F

METHODS = {
    "bicubic": {"mode": "bicubic", "antialias": False, "align_corners": False},
    "bilinear-antialias": {"mode": "bilinear", "antialias": True, "align_corners": False},
    "bicubic-antialias": {"mode": "bicubic", "antialias": True, "align_corners": False},
    "bilinear-align-corners": {"mode": "bilinear", "antialias": False, "align_corners": True},
}
SHAPES = [((4, 4), (6, 6)), ((6, 6), (4, 4)), ((5, 5), (5, 5)), ((7, 7), (3, 10)), ((3, 4), (1, 9)), ((1, 3), (2, 2)), ((16, 16), (11, 23))]
WIDTH = 2


def rounded(tensor: torch.Tensor) -> list[float]:
    """Every digit that float32 has, and no more."""
    return [float(f"{value:.9g}") for value in tensor.flatten().tolist()]


def write(out: pathlib.Path) -> None:
    generator = torch.Generator().manual_seed(7)
    tables, cases = {}, []
    for shape, _ in SHAPES:
        tables["x".join(map(str, shape))] = torch.randn((*shape, WIDTH), generator=generator)

    def add(method: str, shape: tuple[int, int], to: tuple[int, int], scale: tuple[float, float] | None) -> None:
        table = tables["x".join(map(str, shape))].permute(2, 0, 1)[None]
        how = {"scale_factor": scale} if scale else {"size": to}
        result = F.interpolate(table, **how, **METHODS[method])
        assert result.shape[2:] == to
        cases.append({"method": method, "from": shape, "to": to, "scale": scale, "values": rounded(result[0].permute(1, 2, 0))})

    for method in METHODS:
        for shape, to in SHAPES:
            add(method, shape, to, None)
    # DINOv2's own code asks for (to + 0.1) / from, and the size follows from it.
    for method in ("bicubic", "bicubic-antialias"):
        add(method, (7, 7), (5, 9), (5.1 / 7, 9.1 / 7))
    golden = {"width": WIDTH, "tables": {name: rounded(table) for name, table in tables.items()}, "cases": cases}
    (out / "positions.json").write_text(json.dumps(golden) + "\n")
