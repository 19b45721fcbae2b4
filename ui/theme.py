"""The arguments with which app.py and the tests launch the page: theme, styles, scripts, routes and limits."""

from typing import Any

from gradio.themes import Base, Color
from starlette.middleware import Middleware

from ui.panels.modules import modules_route
from ui.panels.stages import STYLESHEET, WEB_FOLDER
from ui.session.services import Services
from ui.web.calls import CheckCalls
from ui.web.closed_routes import ClosedRoutes
from ui.web.headers import SecurityHeaders
from ui.web.hosts import CheckHost
from ui.web.served_files import ServedFiles
from ui.web.settings import WebSettings
from ui.web.upload_limits import LimitUploads
from ui.web.upload_origin import RefuseForeignUploads
from ui.web.watch_streams import WatchStreams

# Gradio refuses a file larger than this. The limit of a whole request is in ui/web/settings.py.
MAX_UPLOAD_SIZE = "40mb"
# The sessions for which Gradio keeps what it has sent, about half a megabyte each. Beyond, the oldest are forgotten.
MAX_GRADIO_SESSIONS = 1000
# Scripts that run once when the page is opened, in this order; each file holds one JavaScript function.
PAGE_SCRIPTS = ("owner.js", "ordered_requests.js", "page.js", "sliders.js")
# The page's fonts; the browser takes the first one that is installed.
FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
# Greys without a tint, so that the pictures' colours look right beside them.
GREY = Color(
    name="grey",
    c50="#f6f6f7",
    c100="#eeeef0",
    c200="#dedfe3",
    c300="#c6c8ce",
    c400="#9c9fa8",
    c500="#747882",
    c600="#585c66",
    c700="#3e424a",
    c800="#2b2e35",
    c900="#1e2126",
    c950="#16181b",
)


def theme() -> Base:
    """Return the page's theme, without shadows and borders; the browser chooses between light and dark."""
    return Base(
        primary_hue="indigo",
        neutral_hue=GREY,
        spacing_size="sm",
        radius_size="md",
        text_size="md",
        font=FONT,
    ).set(
        body_background_fill="*neutral_50",
        body_text_color_subdued="*neutral_600",  # The base theme's is too faint to read on white.
        body_text_color_subdued_dark="*neutral_300",
        panel_background_fill="white",
        panel_background_fill_dark="*neutral_900",
        input_background_fill="white",
        input_background_fill_dark="*neutral_800",
        button_secondary_background_fill="*neutral_200",
        button_secondary_background_fill_dark="*neutral_700",
        checkbox_background_color_dark="*neutral_800",
        block_shadow="none",
        block_border_width="0px",
        block_label_background_fill="none",
        block_label_background_fill_dark="none",
        block_background_fill="none",
        block_background_fill_dark="none",
        block_border_width_dark="0px",
        block_title_text_weight="550",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_text_color="white",
        slider_color="*primary_600",
        input_border_width="1px",
    )


def _page_script() -> str:
    """Return the text of a JavaScript function that calls the functions of PAGE_SCRIPTS in order.

    The scripts that change requests come first, because the others cause requests.
    """
    scripts = [(WEB_FOLDER / name).read_text(encoding="utf-8") for name in PAGE_SCRIPTS]
    calls = "\n".join(f"({script})();" for script in scripts)
    return f"() => {{\n{calls}\n}}"


def launch_arguments(services: Services, web: WebSettings | None = None) -> dict[str, Any]:
    """Return the keyword arguments of Gradio's launch().

    web: what the operator has chosen; None for the defaults.
    """
    web = web or WebSettings()
    return {
        "app_kwargs": {
            "routes": [modules_route()],
            "middleware": [
                Middleware(SecurityHeaders, frames=web.frames, servers=web.servers),
                Middleware(CheckHost, hosts=web.hosts),
                Middleware(ClosedRoutes),
                Middleware(ServedFiles, services=services),
                Middleware(RefuseForeignUploads),
                Middleware(LimitUploads, services=services, settings=web),
                Middleware(CheckCalls),
                Middleware(WatchStreams, services=services),
            ],
        },
        "theme": theme(),
        "css_paths": [STYLESHEET, WEB_FOLDER / "page.css"],
        "head": f"<style>{(WEB_FOLDER / 'phone.css').read_text(encoding='utf-8')}</style>",
        "js": _page_script(),
        "max_file_size": MAX_UPLOAD_SIZE,
        "footer_links": ["api"],
        "enable_monitoring": False,
        "run_history": False,
        "ssr_mode": False,
        "show_error": False,
        # Gradio's workers would answer on ports of their own, which the middleware does not protect.
        "num_workers": 0,
        "state_session_capacity": MAX_GRADIO_SESSIONS,
    }
