"""DemoFusion Studio: read the settings of this machine from environment variables and launch the page."""

import logging
import os
from pathlib import Path
from tempfile import gettempdir

from engine.errors import Fault
from engine.serving.models import has_gpu, select_models
from engine.serving.process_worker import open_models
from ui.session.services import MAX_UPLOADS_SHARE, open_services, start_cleanup
from ui.session.upload_folder import UploadFolder
from ui.studio import build_studio
from ui.theme import launch_arguments
from ui.web.hosts import accepted_hosts
from ui.web.open_files import raise_open_file_limit
from ui.web.settings import MB, SPACE_FRAMES, SPACE_SERVERS, WebSettings

# The folder of this file.
HERE = Path(__file__).parent
# Seconds in an hour, bytes in a gigabyte.
HOUR, GB = 3600, 10**9
# Variables that are set where a proxy, a tunnel or a Space passes on requests to other names than this machine's.
PROXY_SETTINGS = ("GRADIO_ROOT_PATH", "GRADIO_SHARE", "FORWARDED_ALLOW_IPS", "SPACE_ID")

# Returns the value of an environment variable; its second argument is the default.
setting = os.environ.get
log_level = setting("STUDIO_LOG_LEVEL", "INFO").upper()
if log_level not in logging.getLevelNamesMapping():
    raise SystemExit(f"STUDIO_LOG_LEVEL: there is no level {log_level!r}; INFO and WARNING are common ones")
logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
# Other packages keep the level WARNING.
for package in ("engine", "ui"):
    logging.getLogger(package).setLevel(log_level)
try:
    models = select_models(setting("STUDIO_MODELS", "").replace(",", " ").split(), has_gpu())
except Fault as fault:
    raise SystemExit(f"STUDIO_MODELS: {fault.sentence}") from fault
try:
    pool = open_models(
        models,
        setting("STUDIO_WORKERS", ""),
        setting("STUDIO_DEVICE", "auto"),
        setting("STUDIO_DTYPE", "auto"),
        {"on": True, "off": False}.get(setting("STUDIO_OFFLOAD", "auto")),
    )
except Fault as fault:
    raise SystemExit(f"STUDIO_WORKERS: {fault.sentence}") from fault
# Uploads get a folder of their own, because all apps on this machine share Gradio's default folder.
os.environ.setdefault("GRADIO_TEMP_DIR", str(Path(gettempdir()) / "demofusion-studio-uploads"))
max_bytes = float(setting("STUDIO_KEEP_GB", 20)) * GB
services = open_services(
    Path(setting("STUDIO_RUNS", HERE / "runs")),
    pool,
    max_age=float(setting("STUDIO_KEEP_HOURS", 24)) * HOUR,
    max_bytes=max_bytes,
    max_waiting=int(setting("STUDIO_LINE", 12)),
    max_per_client=int(setting("STUDIO_LINE_PER_CLIENT", 4)),
    example=HERE / "assets" / "example",
    other_examples=HERE / "assets" / "examples",
    space=setting("SPACE_ID"),
    upload_folder=UploadFolder(is_own=True),
)
web = WebSettings(
    max_upload_request_bytes=float(setting("STUDIO_UPLOAD_MB", 45)) * MB,
    max_client_bytes_per_hour=float(setting("STUDIO_UPLOAD_HOUR_MB", 500)) * MB,
    # Uploads count towards the bytes that are kept, and leave most of them to runs.
    max_upload_bytes=min(float(setting("STUDIO_UPLOAD_GB", 2)) * GB, max_bytes * MAX_UPLOADS_SHARE),
    hosts=accepted_hosts(
        setting("STUDIO_HOSTS", ""),
        setting("GRADIO_SERVER_NAME", ""),
        may_be_proxied=any(setting(name) for name in PROXY_SETTINGS),
    ),
    frames=tuple(setting("STUDIO_FRAMES", " ".join(SPACE_FRAMES) if services.space else "").split()),
    servers=SPACE_SERVERS if services.space else (),
)
start_cleanup(services)
demo = build_studio(services)

if __name__ == "__main__":
    raise_open_file_limit()
    demo.queue(max_size=200).launch(**launch_arguments(services, web))
