"""One training step of SigLIP B/16-224 in PyTorch on this CPU, beside `npm run -s bench -- finetune`.

python step_speed.py [batch] [steps] -> {"batch", "msPerStep", "pairsPerSecond"}; best of the steps after the first.
Forward, sigmoid loss (Zhai et al. 2023), backward and AdamW (fused), float32, random weights, text of 64 tokens.
"""
import json
import sys
import time

import torch
from transformers import SiglipConfig, SiglipModel

batch = int(sys.argv[1]) if len(sys.argv) > 1 else 8
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 3
torch.manual_seed(0)
encoder = dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)
config = SiglipConfig(
    vision_config=dict(**encoder, image_size=224, patch_size=16),
    text_config=dict(**encoder, vocab_size=32000, max_position_embeddings=64, bos_token_id=0, eos_token_id=1, pad_token_id=1),
)
model = SiglipModel(config).train()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, betas=(0.9, 0.95), fused=True)
pixels = torch.rand(batch, 3, 224, 224) * 2 - 1
tokens = torch.randint(2, 32000, (batch, 64))
signs = 2 * torch.eye(batch) - 1
times = []
for step in range(steps + 1):
    started = time.perf_counter()
    out = model(pixel_values=pixels, input_ids=tokens)
    loss = -torch.nn.functional.logsigmoid(signs * out.logits_per_image).sum() / batch
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    times.append(time.perf_counter() - started)
best = min(times[1:])
print(json.dumps({"batch": batch, "threads": torch.get_num_threads(), "torch": torch.__version__, "msPerStep": round(best * 1000), "pairsPerSecond": round(batch / best, 3)}))
