"""Runs llama-plans over the sizes of tiling.py and writes what it prints, by family: llama_tiling.py PROGRAM OUT.json"""

import json
import pathlib
import re
import subprocess
import sys

from tiling import picture_sizes

sizes = [size for size in picture_sizes() if max(size) / min(size) <= 20]
lines = subprocess.run([sys.argv[1]], input="\n".join(f"{width} {height}" for width, height in sizes), capture_output=True, text=True, check=True).stdout
result: dict[str, list] = {}
for line in lines.splitlines():
    plan = json.loads(line)
    result.setdefault(plan.pop("family"), []).append(plan)
pathlib.Path(sys.argv[2]).write_text(json.dumps(result) + "\n")
