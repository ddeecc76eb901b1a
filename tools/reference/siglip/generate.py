"""Writes the goldens of packages/vision-tower: `python generate.py --photo PHOTO.jpg --out DIR`. See README.md."""

import argparse
import pathlib

import decoding
import hub_onnx
import naflex
import positions
import relatives
import resampling
import tokenization
import towers
from photo import write_photo


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photo", type=pathlib.Path, help="the original of test/goldens/photo.jpg; left out: the committed one is used")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    out: pathlib.Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)

    if arguments.photo:
        write_photo(arguments.photo, out)
    resampling.write(out)
    decoding.write(out / "decode", out / "photo.jpg")
    tokenization.write(out / "tokenizers")
    towers.write(out)
    naflex.write(out)
    hub_onnx.write(out)
    positions.write(out)
    relatives.write(out)


if __name__ == "__main__":
    main()
