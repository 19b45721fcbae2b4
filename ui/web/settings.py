"""The settings of the middleware that stands in front of Gradio."""

from dataclasses import dataclass

# The sites that may show a Hugging Face Space in a frame.
SPACE_FRAMES = ("https://huggingface.co", "https://*.hf.space")


@dataclass(frozen=True)
class WebSettings:
    """What the operator of a public app may choose."""

    # The host names under which the app answers, such as "studio.example.org"; empty to answer under any name.
    hosts: tuple[str, ...] = ()
    # The sites that may show the app in a frame, besides the app's own.
    frames: tuple[str, ...] = ()
