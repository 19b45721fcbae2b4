"""How the page is launched: theme, style, and what Gradio leaves out. One value for app.py and the tests."""

from typing import Any

import gradio as gr

from ui.panels.stages import STYLESHEET, WEB
from ui.session.services import House

LARGEST_UPLOAD = "40mb"
FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")


def theme() -> gr.themes.Base:
    """Plain and still; light and dark are the system's choice."""
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


def launch_arguments(house: House) -> dict[str, Any]:
    """Arguments of launch(). Beside the runs, which browsers fetch, lies what is none of their business."""
    return {
        "blocked_paths": [str(house.pace.folder)],
        "theme": theme(),
        "css_paths": [STYLESHEET, WEB / "page.css"],
        "head": f"<style>{(WEB / 'phone.css').read_text(encoding='utf-8')}</style>",
        "js": (WEB / "page.js").read_text(encoding="utf-8"),
        "max_file_size": LARGEST_UPLOAD,
        "footer_links": ["api"],
        "enable_monitoring": False,
        "run_history": False,
        "ssr_mode": False,
        "show_error": False,
    }
