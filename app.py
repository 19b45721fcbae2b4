"""DemoFusion Studio: settings of this machine, the engine's house, the page, launch."""

import os
from pathlib import Path

from engine.errors import Fault
from engine.serving.model_pool import Lender, has_gpu, on_offer
from ui.session.services import keep_tidy, open_house
from ui.studio import build_studio
from ui.theme import launch_arguments

HERE = Path(__file__).parent
HOUR, GB = 3600, 1024**3

setting = os.environ.get
try:
    offered = on_offer(setting("STUDIO_MODELS", "").replace(",", " ").split(), has_gpu())
except Fault as fault:
    raise SystemExit(f"STUDIO_MODELS: {fault.sentence}") from fault
house = open_house(
    Path(setting("STUDIO_RUNS", HERE / "runs")),
    Lender(
        offered,
        setting("STUDIO_DEVICE", "auto"),
        setting("STUDIO_DTYPE", "auto"),
        {"on": True, "off": False}.get(setting("STUDIO_OFFLOAD", "auto")),
    ),
    age=float(setting("STUDIO_KEEP_HOURS", 24)) * HOUR,
    size=float(setting("STUDIO_KEEP_GB", 20)) * GB,
    most=int(setting("STUDIO_LINE", 12)),
    example=HERE / "assets" / "example",
    space=setting("SPACE_ID"),
)
keep_tidy(house)
demo = build_studio(house)

if __name__ == "__main__":
    demo.queue(max_size=200).launch(**launch_arguments(house))
