"""What TensorBoard's own reader makes of the event files of packages/contrastive.

    node write-events.mjs FOLDER && python read_events.py FOLDER ../../../packages/contrastive/test/goldens/tensorboard.json
"""

import base64
import json
import sys
from pathlib import Path

from tensorboard.backend.event_processing import event_accumulator


def main(folder: Path, out: Path) -> None:
    files = sorted(folder.glob("events.out.tfevents.*"))
    events = event_accumulator.EventAccumulator(str(folder), size_guidance={event_accumulator.TENSORS: 0, event_accumulator.SCALARS: 0})
    events.Reload()
    scalars = {tag: [[event.step, event.value] for event in events.Scalars(tag)] for tag in sorted(events.Tags()["scalars"])}
    golden = {"files": [base64.b64encode(file.read_bytes()).decode() for file in files], "scalars": scalars}
    out.write_text(json.dumps(golden, indent=1) + "\n")


main(Path(sys.argv[1]), Path(sys.argv[2]))
