"""The arguments with which app.py and the tests launch the page: theme, styles, scripts and limits."""

from typing import Any

import gradio as gr

from ui.panels.stages import STYLESHEET, WEB
from ui.session.services import Services

LARGEST_UPLOAD = "40mb"
# Scripts that run once when the page is opened; each holds one function.
PAGE_SCRIPTS = ("ordered_requests.js", "page.js")
FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")


def theme() -> gr.themes.Base:
    """Return a plain theme without shadows and borders; the browser chooses between light and dark."""
    return gr.themes.Base(
        primary_hue="indigo",
        neutral_hue="stone",
        spacing_size="sm",
        radius_size="md",
        text_size="md",
        font=FONT,
    ).set(
        body_text_color_subdued="*neutral_600",  # The base theme's is too faint to read on white.
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
    """Return the scripts that run when the page is opened, as one function.

    Requests are put in order first, as everything else sends requests.
    """
    scripts = [(WEB / name).read_text(encoding="utf-8") for name in PAGE_SCRIPTS]
    calls = "\n".join(f"({script})();" for script in scripts)
    return f"() => {{\n{calls}\n}}"


def launch_arguments(services: Services) -> dict[str, Any]:
    """Return the arguments of Gradio's launch(). Browsers may fetch runs, but not the measured speeds."""
    return {
        "blocked_paths": [str(services.pace.folder)],
        "theme": theme(),
        "css_paths": [STYLESHEET, WEB / "page.css"],
        "head": f"<style>{(WEB / 'phone.css').read_text(encoding='utf-8')}</style>",
        "js": _page_script(),
        "max_file_size": LARGEST_UPLOAD,
        "footer_links": ["api"],
        "enable_monitoring": False,
        "run_history": False,
        "ssr_mode": False,
        "show_error": False,
    }
