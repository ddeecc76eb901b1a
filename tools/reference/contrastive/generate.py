"""Writes what torch.optim, its schedules and autograd compute, for the tests of packages/contrastive."""

import argparse
import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F


def optimizer() -> dict:
    """AdamW with two rates, decay on the matrix alone, clipping and an average, for eight steps."""
    torch.manual_seed(1)
    weight = torch.nn.Parameter(torch.randn(3, 4))
    bias = torch.nn.Parameter(torch.randn(4))
    start = {"weight": weight.detach().flatten().tolist(), "bias": bias.detach().tolist()}
    adamw = torch.optim.AdamW(
        [{"params": [weight], "lr": 0.02, "weight_decay": 0.1}, {"params": [bias], "lr": 0.002, "weight_decay": 0.0}],
        betas=(0.9, 0.95),
        eps=1e-8,
    )
    average = torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    averages = [weight.detach().clone(), bias.detach().clone()]
    steps = []
    for _ in range(8):
        weight.grad, bias.grad = torch.randn(3, 4), torch.randn(4)
        raw = {"weight": weight.grad.flatten().tolist(), "bias": bias.grad.tolist()}
        norm = torch.nn.utils.clip_grad_norm_([weight, bias], 3.0).item()
        adamw.step()
        with torch.no_grad():
            average(averages, [weight.detach(), bias.detach()], None)
        steps.append({"gradients": raw, "norm": norm, "weight": weight.detach().flatten().tolist(), "bias": bias.detach().tolist()})
    return {"start": start, "steps": steps, "average": [value.flatten().tolist() for value in averages]}


def schedule() -> dict:
    """Ten steps of linear warm-up, then half a cosine to a tenth of the peak at step 50."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    sgd = torch.optim.SGD([parameter], lr=0.001)
    warm = torch.optim.lr_scheduler.LinearLR(sgd, start_factor=0.1, end_factor=1.0, total_iters=9)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(sgd, T_max=40, eta_min=0.0001)
    both = torch.optim.lr_scheduler.SequentialLR(sgd, [warm, cosine], milestones=[10])
    rates = []
    for _ in range(51):
        rates.append(sgd.param_groups[0]["lr"])
        sgd.step()
        both.step()
    return {"peak": 0.001, "warmupSteps": 10, "totalSteps": 50, "floor": 0.1, "rates": rates}


def losses() -> dict:
    """Zhai et al. 2023, algorithm 1, and Radford et al. 2021, figure 3, by autograd."""
    torch.manual_seed(2)
    images = torch.randn(6, 5, requires_grad=True)
    texts = torch.randn(6, 5, requires_grad=True)
    log_t = torch.tensor(math.log(10.0), requires_grad=True)
    bias = torch.tensor(-3.0, requires_grad=True)

    def result(loss: torch.Tensor) -> dict:
        gradients = torch.autograd.grad(loss, [images, texts, log_t, bias], allow_unused=True, retain_graph=True)
        flat = [[0.0] if gradient is None else gradient.flatten().tolist() for gradient in gradients]
        return {"loss": loss.item(), "images": flat[0], "texts": flat[1], "logitScale": flat[2][0], "logitBias": flat[3][0]}

    cosines = F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).T
    signs = 2 * torch.eye(6) - 1
    sigmoid = -F.logsigmoid(signs * (cosines * log_t.exp() + bias)).sum() / 6
    logits = cosines * log_t.exp()
    target = torch.arange(6)
    softmax = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
    inputs = {"images": images.detach().flatten().tolist(), "texts": texts.detach().flatten().tolist(), "logitScale": log_t.item(), "logitBias": bias.item()}
    return {"inputs": inputs, "sigmoid": result(sigmoid), "softmax": result(softmax)}


def rounded(value):
    """Nine digits tell float32 apart."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--out", type=Path, required=True)
out = parser.parse_args().out
for name, make in {"optimizer": optimizer, "schedule": schedule, "losses": losses}.items():
    (out / f"{name}.json").write_text(json.dumps(rounded(make())) + "\n")
