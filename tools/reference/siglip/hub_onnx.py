"""Small SigLIP and CLIP models in the ONNX layout of the hub (transformers.js), as its converters make them: exported by
PyTorch, named as optimum names inputs and outputs, and then narrowed by ONNX Runtime's tools. No safetensors.
"""

import pathlib
import shutil
import warnings

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from onnxruntime.transformers.float16 import convert_float_to_float16
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from towers import TEXT, inputs, randomise

VISION = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28, "patch_size": 7}
SMALL_TEXT = {**TEXT, "hidden_size": 32, "intermediate_size": 48}


class Vision(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixel_values):
        out = self.model.vision_model(pixel_values=pixel_values)
        if isinstance(self.model, CLIPModel):
            return self.model.visual_projection(out.pooler_output)
        return out.last_hidden_state, out.pooler_output


class Text(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids):
        out = self.model.text_model(input_ids=input_ids)
        if isinstance(self.model, CLIPModel):
            return self.model.text_projection(out.pooler_output)
        return out.last_hidden_state, out.pooler_output


class Joint(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, pixel_values):
        out = self.model(input_ids=input_ids, pixel_values=pixel_values)
        return out.logits_per_image, out.logits_per_text, out.text_embeds, out.image_embeds


def export(module: torch.nn.Module, arguments: tuple, file: pathlib.Path, names: tuple[list[str], list[str]], axes: dict) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, arguments, str(file), input_names=names[0], output_names=names[1], dynamic_axes=axes, opset_version=17, do_constant_folding=True, dynamo=False)


@torch.no_grad()
def write_model(out: pathlib.Path, name: str, model: torch.nn.Module, processor, seed: int) -> None:
    randomise(model, seed)
    clip = isinstance(model, CLIPModel)
    model = model.eval()
    model.set_attn_implementation("eager")
    directory = out / name
    shutil.rmtree(directory, ignore_errors=True)
    folder = directory / "onnx"
    folder.mkdir(parents=True)
    model.config.save_pretrained(directory)
    processor.save_pretrained(directory)

    pixels, ids = inputs(out, processor, seed)
    if clip:
        ids[:, 10] = model.config.text_config.eos_token_id
    batch = {0: "batch_size"}
    vision_outputs = ["image_embeds"] if clip else ["last_hidden_state", "pooler_output"]
    text_outputs = ["text_embeds"] if clip else ["last_hidden_state", "pooler_output"]
    export(Vision(model), (pixels,), folder / "vision_model.onnx", (["pixel_values"], vision_outputs), {key: batch for key in ["pixel_values", *vision_outputs]})
    export(Text(model), (ids,), folder / "text_model.onnx", (["input_ids"], text_outputs), {"input_ids": {0: "batch_size", 1: "sequence_length"}, **{key: batch for key in text_outputs}})
    joint_outputs = ["logits_per_image", "logits_per_text", "text_embeds", "image_embeds"]
    export(Joint(model), (ids, pixels), folder / "model.onnx", (["input_ids", "pixel_values"], joint_outputs), {
        "input_ids": {0: "text_batch_size", 1: "sequence_length"}, "pixel_values": {0: "image_batch_size"},
        "logits_per_image": {0: "image_batch_size", 1: "text_batch_size"}, "logits_per_text": {0: "text_batch_size", 1: "image_batch_size"},
        "text_embeds": {0: "text_batch_size"}, "image_embeds": {0: "image_batch_size"},
    })
    if not clip:
        narrow(folder)

    result = model(input_ids=ids, pixel_values=pixels)
    outputs = {
        "pixel_values": pixels,
        "input_ids": ids,
        "image_pooled": result.image_embeds if clip else result.vision_model_output.pooler_output,
        "text_pooled": result.text_embeds if clip else result.text_model_output.pooler_output,
        "image_embeddings": result.image_embeds,
        "text_embeddings": result.text_embeds,
        "logits_per_image": result.logits_per_image,
    }
    if not clip:
        outputs["patch_tokens"] = result.vision_model_output.last_hidden_state
    save_file({key: value.clone().contiguous() for key, value in outputs.items()}, directory / "outputs.safetensors")
    for path in directory.rglob("*"):
        if path.is_file():
            path.chmod(0o644)


def narrow(folder: pathlib.Path) -> None:
    """The variants of transformers.js, each once: float16 with float16 inputs and outputs, and with weights in a file of their own; int8; 4 bits."""
    vision = onnx.load(folder / "vision_model.onnx")
    onnx.save(convert_float_to_float16(vision, keep_io_types=False), folder / "vision_model_fp16.onnx")
    text = convert_float_to_float16(onnx.load(folder / "text_model.onnx"), keep_io_types=True)
    onnx.save(text, folder / "text_model_fp16.onnx", save_as_external_data=True, location="text_model_fp16.onnx_data", size_threshold=100)
    for name in ("vision_model", "text_model"):
        quantize_dynamic(folder / f"{name}.onnx", folder / f"{name}_quantized.onnx", weight_type=QuantType.QInt8, per_channel=False)
    four = MatMulNBitsQuantizer(onnx.load(folder / "vision_model.onnx"), block_size=32, is_symmetric=True)
    four.process()
    onnx.save(four.model.model, folder / "vision_model_q4.onnx")


def write(out: pathlib.Path) -> None:
    torch.set_num_threads(2)
    siglip = SiglipModel(SiglipConfig(vision_config=VISION, text_config=SMALL_TEXT))
    side = VISION["image_size"]
    write_model(out, "hub-siglip", siglip, SiglipImageProcessorPil(size={"height": side, "width": side}, resample=3), 21)
    text = {**SMALL_TEXT, "bos_token_id": 0, "eos_token_id": 199, "pad_token_id": 1, "hidden_act": "quick_gelu"}
    clip = CLIPModel(CLIPConfig(vision_config={**VISION, "hidden_act": "quick_gelu"}, text_config=text, projection_dim=24))
    write_model(out, "hub-clip", clip, CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side}), 22)


if __name__ == "__main__":
    import sys
    write(pathlib.Path(sys.argv[1]))
