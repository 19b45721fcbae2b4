"""DemoFusion Studio: settings of this machine, the engine's house, the page, launch."""

import os
from pathlib import Path

from engine.catalogue import entries
from engine.lender import Lender
from ui.house import open_house
from ui.studio import studio
from ui.theme import launching

HERE = Path(__file__).parent
HOUR, GB = 3600, 1024**3

setting = os.environ.get
offered = setting("STUDIO_MODELS", "").replace(",", " ").split()
listed = [entry for entry in entries() if not offered or entry.name in offered]
if not listed:
    raise SystemExit(f"STUDIO_MODELS names none of {', '.join(entry.name for entry in entries())}.")
house = open_house(
    Path(setting("STUDIO_RUNS", HERE / "runs")),
    Lender(listed),
    age=float(setting("STUDIO_KEEP_HOURS", 24)) * HOUR,
    size=float(setting("STUDIO_KEEP_GB", 20)) * GB,
    most=int(setting("STUDIO_LINE", 12)),
    example=HERE / "assets" / "example",
    space=setting("SPACE_ID"),
)
demo = studio(house)

if __name__ == "__main__":
    demo.queue(max_size=200).launch(**launching())
