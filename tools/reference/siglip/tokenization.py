"""Small tokenizers of the three kinds that are loaded, and the ids they should give.

- sentencepiece: as SigLIP 1 has it; ids from transformers' SiglipTokenizer, which runs the SentencePiece library itself.
- gemma: as SigLIP 2 has it; ids from transformers' Siglip2Tokenizer, ended and padded as big_vision trained them.
- byte-level: as the embedded model has it; ids from the tokenizers library.
"""

import io
import json
import pathlib
import re
import string
import tempfile

import sentencepiece
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import Siglip2Tokenizer, SiglipTokenizer

CORPUS = """
a photo of a cat sleeping on a red sofa
two dogs are running along the beach next to the water
a green apple, a yellow banana and three oranges in a wooden bowl
the man in the blue jacket is riding a bicycle down the street
a black-and-white picture of an old train station
there is a bowl of soup on the table, with a spoon beside it
a close up of a pizza with cheese, tomatoes and olives
an airplane flies over the mountains at sunset
a small bird sits on a branch of the tall tree
children are playing football in the park
a laptop, a cup of coffee and a pair of glasses on a desk
the bus is parked in front of the big white building
a horse stands in a field of yellow flowers
someone is holding an umbrella in the rain
a clock on the tower shows ten past four
what is to the left of the rocket? nothing is there
how many strawberries are in the picture? there are three
a drawing of a smiling face with sunglasses, a star and a heart
a blue fish swims above a pink octopus on a dark background
the kitchen has a stove, a sink and two windows
""".strip().splitlines()

TEXTS = [
    "a photo of a cat",
    "A Photo of a CAT!",
    "two dogs,  running\talong\nthe beach",
    "  spaces around  ",
    "black-and-white it's a_test (really?) 100%",
    "",
    "...",
    "naïve café über ÉTOILE",
    "日本 xyz 🚀 rocket",
    " ".join(["the big white building on the left"] * 20),
]


def padded(ids: list[int], eos: int, pad: int, length: int) -> list[int]:
    """big_vision's `eos="sticky"`: cut to make room for eos, eos once, then pad on the right."""
    kept = ids[: length - 1] + [eos]
    return kept + [pad] * (length - len(kept))


def save(directory: pathlib.Path, tokenizer: Tokenizer, config: dict, ids: list[list[int]]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(directory / "tokenizer.json"), pretty=False)
    (directory / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    cases = [{"text": text, "ids": row} for text, row in zip(TEXTS, ids, strict=True)]
    rows = ",\n".join(json.dumps(case) for case in cases)
    (directory / "expected.json").write_text("[\n" + rows + "\n]\n")


def sentencepiece_like(directory: pathlib.Path) -> None:
    model = io.BytesIO()
    corpus = [re.sub(r"[^a-z ]", "", line) for line in CORPUS]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus), model_writer=model, model_type="unigram", vocab_size=140,
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, normalization_rule_name="identity", num_threads=1, minloglevel=2,
    )
    with tempfile.TemporaryDirectory() as temporary:
        path = pathlib.Path(temporary) / "spiece.model"
        path.write_bytes(model.getvalue())
        reference = SiglipTokenizer(str(path), model_max_length=64)
        # Stripped first: SiglipTokenizer puts its "▁" before white space at the start of a text and keeps both, where
        # the SentencePiece library itself, which the checkpoints were trained with, drops the white space.
        ids = [reference(text.strip(), padding="max_length", truncation=True)["input_ids"] for text in TEXTS]
        pieces = sentencepiece.SentencePieceProcessor(model_file=str(path))

    vocabulary = [(pieces.id_to_piece(i), pieces.get_score(i)) for i in range(pieces.get_piece_size())]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=2, byte_fallback=False))
    punctuation = Regex("[" + re.escape(string.punctuation) + "]")
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Lowercase(), normalizers.Replace(punctuation, ""), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip(),
    ])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    config = {
        "do_lower_case": True, "eos_token": "</s>", "model_max_length": 64, "pad_token": "</s>",
        "tokenizer_class": "SiglipTokenizer", "unk_token": "<unk>",
    }
    save(directory, tokenizer, config, ids)


def gemma_like(directory: pathlib.Path) -> None:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=special + [f"<0x{byte:02X}>" for byte in range(256)], show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)

    # The byte tokens were special only to be given ids; as such they would be found in texts.
    parts = json.loads(tokenizer.to_str())
    parts["added_tokens"] = parts["added_tokens"][: len(special)]
    tokenizer = Tokenizer.from_str(json.dumps(parts))
    # What a file may ask for and what must not be done: a BOS here, and below padding on the left.
    tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])

    merges = [tuple(merge) for merge in parts["model"]["merges"]]
    reference = Siglip2Tokenizer(vocab=parts["model"]["vocab"], merges=merges)
    ids = [padded(reference(text, add_special_tokens=False)["input_ids"], 1, 0, 64) for text in TEXTS]
    tokenizer.enable_padding(direction="left", length=64)
    config = {
        "add_bos_token": False, "add_eos_token": True, "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>",
        "model_max_length": 1000000000000000019884624838656, "padding_side": "left", "tokenizer_class": "Siglip2Tokenizer",
    }
    save(directory, tokenizer, config, ids)


def byte_level(directory: pathlib.Path) -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<|end|>", "<|pad|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    ids = [padded(tokenizer.encode(text.lower()).ids, 0, 1, 16) for text in TEXTS]
    config = {
        "do_lower_case": True, "eos_token": {"content": "<|end|>", "special": True}, "model_max_length": 16, "pad_token": "<|pad|>",
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    save(directory, tokenizer, config, ids)


def write(out: pathlib.Path) -> None:
    sentencepiece_like(out / "sentencepiece")
    gemma_like(out / "gemma")
    byte_level(out / "byte-level")
