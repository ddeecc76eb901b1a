"""Loads what `sightline finetune` exported, in transformers and PEFT, and compares the adapter with the merged model.

python loads.py RUN BASE: RUN has model/ and lora/ (export ["safetensors", "lora"]), BASE is the checkpoint it started from.
"""
import json
import sys

import torch
from peft import PeftModel
from transformers import AutoModel

run, base = sys.argv[1:]
merged = AutoModel.from_pretrained(f"{run}/model").eval()
adapted = PeftModel.from_pretrained(AutoModel.from_pretrained(base, dtype=torch.float32), f"{run}/lora").eval()
torch.manual_seed(0)
side = merged.config.vision_config.image_size
pixels = torch.rand(2, 3, side, side) * 2 - 1
tokens = torch.randint(2, 1000, (2, merged.config.text_config.max_position_embeddings))
with torch.no_grad():
    a = merged(pixel_values=pixels, input_ids=tokens)
    b = adapted(pixel_values=pixels, input_ids=tokens)
difference = lambda x, y: float((x - y).abs().max())
print(json.dumps({
    "class": type(merged).__name__,
    "dtype": str(merged.dtype),
    "images": difference(a.image_embeds, b.image_embeds),  # PEFT 0.21.2 applies the out_proj adapter of the pooling head twice
    "texts": difference(a.text_embeds, b.text_embeds),
}))
