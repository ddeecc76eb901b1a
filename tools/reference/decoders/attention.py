"""What transformers' decoders say after pictures: prefix-LM (PaliGemma 1 and 2), pictures whose rows see each other
(Gemma 3), positions of three axes with deepstack (Qwen3-VL). Weights and rows are seeded, so that only token ids and
log probabilities are written: packages/decoder/test/goldens/attention.json.

    python attention.py OUT.json
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
from transformers import Gemma2Config, Gemma3Config, GemmaConfig, PaliGemmaConfig, Qwen3VLConfig
from transformers import Gemma3ForConditionalGeneration, PaliGemmaForConditionalGeneration, Qwen3VLForConditionalGeneration

sys.path.insert(0, str(Path(__file__).parent.parent / "projectors"))
from seeded import seeded  # noqa: E402

WIDTH, HEADS, HEAD, LAYERS, FEED, VOCAB, PAD, IMAGE = 64, 2, 32, 3, 96, 961, 958, 957
STEPS = 24
TEXT = dict(hidden_size=WIDTH, num_attention_heads=HEADS, num_key_value_heads=1, head_dim=HEAD, num_hidden_layers=LAYERS, intermediate_size=FEED,
            vocab_size=VOCAB, max_position_embeddings=512, rms_norm_eps=1e-6, pad_token_id=PAD, attn_implementation="eager")
VISION = dict(hidden_size=16, num_attention_heads=2, num_hidden_layers=1, intermediate_size=16, image_size=32, patch_size=8)


def spread(name, shape):
    if "norm" in name:
        return (0.3, 1.0) if "qwen" in name else (0.3, 0.0)
    if "embed_tokens" in name:
        # Gemma 1 and 2 say words by the same table; a small one does not mostly say again what it just heard.
        return (0.25 if "gemma3" in name or "qwen" in name else 0.1), 0.0
    return 2.0 * float(shape[-1]) ** -0.5, 0.0


def fill(model, case):
    for name, parameter in model.model.language_model.named_parameters():
        scale, offset = spread(f"{case} {name}", tuple(parameter.shape))
        parameter.data = torch.from_numpy(seeded(f"{case} {name}", tuple(parameter.shape), scale, offset))
    if model.config.tie_word_embeddings:
        model.lm_head.weight = model.model.language_model.embed_tokens.weight
    else:
        model.lm_head.weight.data = torch.from_numpy(seeded(f"{case} lm_head", (VOCAB, WIDTH), 0.5))
    model.eval()


def rows(case, count, width=WIDTH):
    return torch.from_numpy(seeded(f"{case} rows", (count, width), 1.0))


def greedy(model, before, count, after, extra):
    """Ids, and log probability and the gap to the next best at each step, everything computed anew for each."""
    said, steps = [], []
    for _ in range(STEPS):
        ids = torch.tensor([before + [IMAGE] * count + after + said])
        with torch.no_grad():
            logits = model(input_ids=ids, pixel_values=torch.zeros(1, 3, 32, 32), use_cache=False, **extra(ids, len(before) + count + len(after))).logits[0, -1]
        top = torch.log_softmax(logits.double(), -1).topk(2)
        said.append(int(top.indices[0]))
        steps.append([round(float(top.values[0]), 5), round(float(top.values[0] - top.values[1]), 5)])
    return {"before": before, "after": after, "tokens": said, "steps": steps}


def paligemma(case, text):
    config = PaliGemmaConfig(vision_config=dict(model_type="siglip_vision_model", projection_dim=WIDTH, **VISION), text_config=text.to_dict(), image_token_index=IMAGE, tie_word_embeddings=True, projection_dim=WIDTH, hidden_size=WIDTH)
    config._attn_implementation = "eager"
    model = PaliGemmaForConditionalGeneration(config).float()
    model.set_attn_implementation("eager")
    fill(model, case)
    features = rows(case, 16)
    model.model.get_image_features = lambda *_, **__: SimpleNamespace(pooler_output=features[None])
    types = lambda ids, prefix: {"token_type_ids": (torch.arange(ids.shape[1]) >= prefix).long()[None]}
    return {"rows": 16, **greedy(model, [], 16, [958, 104, 101, 108, 108, 111, 32, 119, 10], types)}


def gemma3(case):
    text = dict(model_type="gemma3_text", sliding_window=24, layer_types=["sliding_attention", "full_attention", "sliding_attention"], query_pre_attn_scalar=HEAD,
                rope_parameters={"full_attention": {"rope_type": "default", "rope_theta": 1e6}, "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}, **TEXT)
    text.pop("attn_implementation")
    config = Gemma3Config(vision_config=dict(model_type="siglip_vision_model", **VISION), text_config=text, image_token_index=IMAGE, tie_word_embeddings=False, mm_tokens_per_image=16)
    model = Gemma3ForConditionalGeneration(config).float()
    model.set_attn_implementation("eager")
    fill(model, case)
    features = rows(case, 16)
    model.model.get_image_features = lambda *_, **__: SimpleNamespace(pooler_output=features[None])
    types = lambda ids, _: {"token_type_ids": (ids == IMAGE).long()}
    before = [958] + list(b"look at this picture now: ")
    return {"rows": 16, **greedy(model, before, 16, list(b" what is it, and where? "), types)}


def qwen3vl(case, height, width):
    text = dict(model_type="qwen3_vl_text", rope_parameters={"rope_type": "default", "rope_theta": 5e6, "mrope_section": [6, 5, 5], "mrope_interleaved": True}, **TEXT)
    text.pop("attn_implementation")
    vision = dict(depth=3, hidden_size=16, num_heads=2, intermediate_size=16, patch_size=16, spatial_merge_size=2, out_hidden_size=WIDTH, num_position_embeddings=16, deepstack_visual_indexes=[0, 1])
    config = Qwen3VLConfig(vision_config=vision, text_config=text, image_token_id=IMAGE, tie_word_embeddings=False, video_token_id=956, vision_start_token_id=955, vision_end_token_id=954)
    model = Qwen3VLForConditionalGeneration(config).float()
    model.set_attn_implementation("eager")
    fill(model, f"{case} qwen")
    count = height * width
    features = rows(case, count, WIDTH * 3)
    parts = [features[:, i * WIDTH:(i + 1) * WIDTH].contiguous() for i in range(3)]
    model.model.get_image_features = lambda *_, **__: SimpleNamespace(pooler_output=(parts[0],), deepstack_features=[(parts[1],), (parts[2],)])
    grid = torch.tensor([[1, 2 * height, 2 * width]])
    extra = lambda ids, _: {"image_grid_thw": grid, "mm_token_type_ids": (ids == IMAGE).int()}
    return {"rows": count, "grid": [height, width], **greedy(model, list(b"see ") + [955], count, [954] + list(b" what is it? "), extra)}


def main():
    torch.manual_seed(0)
    gemma = GemmaConfig(rope_parameters={"rope_type": "default", "rope_theta": 10000.0}, **TEXT)
    gemma2 = Gemma2Config(sliding_window=40, layer_types=["sliding_attention", "full_attention", "sliding_attention"], query_pre_attn_scalar=HEAD, attn_logit_softcapping=50.0, final_logit_softcapping=30.0,
                          rope_parameters={"rope_type": "default", "rope_theta": 10000.0}, **TEXT)
    goldens = {
        "gemma": paligemma("gemma", gemma),
        "gemma2": paligemma("gemma2", gemma2),
        "gemma3": gemma3("gemma3"),
        "qwen3vl": qwen3vl("qwen3vl", 3, 5),
        "qwen3vl-tall": qwen3vl("qwen3vl-tall", 5, 2),
    }
    Path(sys.argv[1]).write_text(json.dumps(goldens, separators=(",", ":")) + "\n")
    for name, golden in goldens.items():
        print(name, golden["tokens"], "smallest gap", min(gap for _, gap in golden["steps"]))


main()
