"""Hypothesis strategies that draw malformed requests to a running app, whose functions are read from its /config."""

import json
import re
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from engine.recipe.recipe import SETTINGS, Recipe, to_dict
from ui.api import FIELDS
from ui.handlers.actions import ActionHandlers
from ui.settings.complaints import COMPLAINT_ADJUSTERS

# The names of the actions that the buttons of the stages panel send.
ACTIONS = tuple(name.removeprefix("do_") for name in dir(ActionHandlers) if name.startswith("do_"))
# The secret of the browser that owns the runs in the requests.
OWNER = "0f" * 16
# The paths to which anybody can post, below the prefix of Gradio's API. {name} stands for the name of an endpoint.
POST_PATHS = (
    "run/predict", "queue/join", "run/{name}", "api/{name}", "call/{name}", "call/v2/{name}", "upload",
    "cancel", "reset", "component_server", "stream/{name}", "process_recording",
)  # fmt: skip
# Values of the header Content-Type.
CONTENT_TYPES = (
    "application/json",
    "text/plain",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "",
)
# The first bytes of the kinds of files that the app reads or may take for one of these.
MAGIC_NUMBERS = (
    b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\x24\0\0\0WEBPVP8 ", b"GIF89a", b"II*\0\x08\0\0\0",
    b"MM\0*\0\0\0\x08", b"BM", b"\0\0\0\x20ftypavif", b"\0\0\0\x20ftypheic", b"%!PS-Adobe", b"{", b"[", b"",
)  # fmt: skip


@dataclass(frozen=True)
class Post:
    """A request that posts a body to a path below the prefix of Gradio's API."""

    # The path.
    path: str
    # The body.
    content: bytes
    # The header Content-Type.
    content_type: str = "application/json"
    # The session in the body; None if there is none that can be part of a URL.
    session: str | None = None
    # Whether the request says that it comes from the browser that owns the runs.
    is_owner: bool = False


@dataclass(frozen=True)
class Upload:
    """A file to upload, and then to be read by each function that takes uploads."""

    # The name of the file.
    name: str
    # The bytes of the file.
    content: bytes


def odd_texts(known: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Draw any text, lone surrogates and control characters among it, or one of the known texts."""
    anything = st.text(st.characters(exclude_categories=()), max_size=30)
    listed = st.sampled_from(
        (
            *known, "", "\0", "\ud800", "a" * 5000, "/etc/passwd", "../" * 9 + "etc/passwd", "file:///etc/passwd",
            "sha256:" + "5e" * 32, "0" * 32, "example", "<img src=x onerror=alert(1)>", "{x}", "%s", "nan", "1e999",
        )
    )  # fmt: skip
    return anything | listed


def odd_values(known: tuple[str, ...]) -> st.SearchStrategy[Any]:
    """Draw any value of JSON, and what Python's JSON reads besides: NaN, infinity and huge numbers."""
    texts = odd_texts(known)
    # Gradio refuses all files but uploads before a handler gets them.
    paths = mostly(st.just(known[1]), texts, one_in=4)
    files = st.builds(lambda path: {"path": path, "meta": {"_type": "gradio.FileData"}}, paths)
    listed = st.sampled_from(
        (None, True, False, [], {}, -1, 0, 10**400, -(10**400), 2**63, 1e308, -0.0, 5e-324)
    )
    leaves = listed | st.integers() | st.floats() | texts | files
    return leaves | st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=5)
            | st.dictionaries(texts | st.sampled_from(tuple(SETTINGS)), inner, max_size=4)
            | st.builds(_nest, inner, st.integers(1, 200))
        ),
        max_leaves=6,
    )


def mostly(
    usual: st.SearchStrategy[Any], odd: st.SearchStrategy[Any], one_in: int = 10
) -> st.SearchStrategy[Any]:
    """Draw an odd value once in so many times, and a usual one otherwise."""
    return st.sampled_from((usual,) * (one_in - 1) + (odd,)).flatmap(lambda chosen: chosen)


def _nest(value: Any, depth: int) -> Any:
    """Return a value within lists within lists."""
    for _ in range(depth):
        value = [value]
    return value


def malformed_requests(config: dict[str, Any], known: tuple[str, ...]) -> st.SearchStrategy[Post | Upload]:
    """Draw a malformed request to any function of the app.

    config: the app's /config.
    known: texts that mean something to the app; first the name of a run, then the path of an upload.
    """
    names = [function["api_name"] for function in config["dependencies"] if function["api_name"]]
    public = [each["api_name"] for each in config["dependencies"] if each["api_visibility"] == "public"]
    values, texts = odd_values(known), odd_texts(known)
    return st.one_of(
        *[_events(config, values, texts, known)] * 5,
        _calls(config, values),
        st.builds(
            lambda name, fields: Post(f"call/v2/{name}", _encode(fields)),
            st.sampled_from(public),
            st.dictionaries(mostly(st.sampled_from(tuple(SETTINGS)), texts), values, max_size=6),
        ),
        st.builds(
            lambda path, name, content, kind: Post(path.format(name=name), content, kind),
            st.sampled_from(POST_PATHS),
            st.sampled_from(names),
            _odd_bodies(values),
            st.sampled_from(CONTENT_TYPES),
        ),
        st.builds(
            lambda name, suffix, magic, content: Upload(name + suffix, magic + content),
            texts,
            st.sampled_from(("", ".png", ".json", ".svg", ".html", "/..", "\\..\\x.png")),
            st.sampled_from(MAGIC_NUMBERS),
            st.binary(max_size=200),
        ),
    )


def _events(
    config: dict[str, Any],
    values: st.SearchStrategy[Any],
    texts: st.SearchStrategy[str],
    known: tuple[str, ...],
) -> st.SearchStrategy[Post]:
    """Draw an event of the page for any handler, with some odd values of its inputs."""
    defaults = {each["id"]: each["props"].get("value") for each in config["components"]}
    states = {each["id"] for each in config["components"] if each["type"] == "browserstate"}
    state_keys = ("page", "active", "recipe", "run", "runs", "forgotten", "taken")
    stored = st.fixed_dictionaries(
        {}, optional=dict.fromkeys(state_keys, values | st.lists(texts, max_size=3))
    )
    functions = config["dependencies"]
    # Half of all events are actions of the stages panel, because these do most.
    acts = [each for each in functions for _, event in each["targets"] if event == "act"] * len(functions)

    @st.composite
    def event(draw: st.DrawFn) -> Post:
        function = draw(st.sampled_from([*functions, *acts]))
        inputs = function["inputs"]
        data = [
            draw(stored) if each in states and draw(st.booleans()) else defaults.get(each) for each in inputs
        ]
        for position in draw(st.lists(st.integers(0, len(inputs) - 1), max_size=4)) if inputs else ():
            data[position] = draw(values)
        data = draw(mostly(st.just(data), st.sampled_from((data[:-1], [*data, None], []))))
        session = draw(mostly(st.sampled_from(("a", "b")), st.none() | texts | values))
        body = {"fn_index": function["id"], "data": data, "session_hash": session}
        body["event_data"] = draw(mostly(_actions(values, known), values))
        path = draw(st.sampled_from(("run/predict", "run/predict", "queue/join")))
        return Post(
            path,
            _encode(body),
            session=_as_url_part(session),
            is_owner=draw(mostly(st.just(True), st.just(False), one_in=4)),
        )

    return event()


def _actions(values: st.SearchStrategy[Any], known: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw an action of the stages panel; most of its fields have a value of the right type."""
    fractions = st.sampled_from((0.0, 0.5, 1.0, float("nan"), float("inf"))) | st.floats()
    meaningful = {
        "run": st.sampled_from(known[:1]),
        "stage": st.integers(0, 3),
        "of": st.sampled_from(tuple(COMPLAINT_ADJUSTERS)),
        "fit": st.dictionaries(st.sampled_from(tuple(SETTINGS)), values, max_size=2),
        "place": st.lists(fractions, min_size=4, max_size=4),
    }
    fields = {name: mostly(usual, values, one_in=4) for name, usual in meaningful.items()}
    return st.fixed_dictionaries({"do": st.sampled_from(ACTIONS)} | fields)


def _calls(config: dict[str, Any], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Post]:
    """Draw a call of an endpoint or of a handler by its name, with some odd values of its inputs."""
    valid_recipe = to_dict(Recipe(prompt="a red house"))
    defaults = {each["id"]: each["props"].get("value") for each in config["components"]}

    @st.composite
    def call(draw: st.DrawFn) -> Post:
        # Most calls go to the public endpoints, which do more with their values.
        public = [each for each in config["dependencies"] if each["api_visibility"] == "public"]
        function = draw(st.sampled_from(public) | st.sampled_from(config["dependencies"]))
        data = [defaults.get(each) for each in function["inputs"]]
        if len(data) == len(FIELDS):  # The endpoints that take a recipe; most of its values are valid.
            data = [valid_recipe[name] for name in FIELDS]
        for position in draw(st.lists(st.integers(0, len(data) - 1), min_size=1, max_size=4)) if data else ():
            data[position] = draw(values)
        path = draw(st.sampled_from(("call/{name}", "run/{name}", "api/{name}")))
        return Post(path.format(name=function["api_name"]), _encode({"data": data}))

    return call()


def _odd_bodies(values: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """Draw a body that is no JSON, or JSON of the wrong form."""
    listed = (b"", b"{", b"\xff\xfe", b'{"data": [1e99999]}', b"--x\r\n\r\n")
    nested = st.builds(lambda depth: b'{"data":' + b"[" * depth, st.sampled_from((1, 900, 5000, 100_000)))
    return st.sampled_from(listed) | nested | st.binary(max_size=100) | values.map(_encode)


def _encode(value: Any) -> bytes:
    """Encode a value as Python's JSON, which has NaN, infinity and lone surrogates."""
    return json.dumps(value).encode()


def _as_url_part(session: Any) -> str | None:
    """Return the hash of a session if it can be part of a URL, and None otherwise."""
    return session if isinstance(session, str) and re.fullmatch(r"[ -~]+", session) else None
