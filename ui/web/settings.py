"""The settings of the middleware that stands in front of Gradio."""

from dataclasses import dataclass

# Bytes in a megabyte.
MB = 1024**2
# The sites that may show a Hugging Face Space in a frame.
SPACE_FRAMES = ("https://huggingface.co", "https://*.hf.space")

# The server that Gradio's page in a Space asks whether the Space is running.
SPACE_SERVERS = ("https://huggingface.co",)


@dataclass(frozen=True)
class WebSettings:
    """What the operator of a public app may choose."""

    # The bytes that one request with files may have. Gradio's limit for each file is a little lower, see ui/theme.py.
    max_upload_request_bytes: float = 45 * MB
    # The bytes of uploads that one client may send within an hour.
    max_client_bytes_per_hour: float = 500 * MB
    # The bytes of all uploads that are stored at the same time.
    max_upload_bytes: float = 2048 * MB
    # The host names under which the app answers, such as "studio.example.org"; a name that begins with "*." stands for
    # all names below. Empty to answer under any name.
    hosts: tuple[str, ...] = ()
    # Other sites that may show the app in a frame.
    frames: tuple[str, ...] = ()
    # Other servers to which the page may send requests.
    servers: tuple[str, ...] = ()
