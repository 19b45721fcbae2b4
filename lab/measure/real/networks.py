"""The networks of `python -m lab.measure real`: torch-fidelity's Inception, and CLIP, from files that the user names.

Nothing is fetched, and nothing but tensors is read from a pickle.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from engine.catalogue.weights import file_digest, force_weights_only
from engine.errors import Fault, first_line
from lab.world.paint import Array

NOT_INSTALLED = "torch-fidelity is not installed. Install it with: pip install -r requirements-extra.txt"
# The side in px of the pictures that Inception sees.
INCEPTION_SIDE = 299


@dataclass(frozen=True)
class Features:
    """What Inception computes of pictures."""

    # (pictures, dimensions), for distances.
    vectors: Array
    # (pictures, classes), for the Inception score.
    logits: Array


def join(parts: Sequence[Features]) -> Features:
    """Return the features of all parts, one after the other."""
    return Features(np.concatenate([p.vectors for p in parts]), np.concatenate([p.logits for p in parts]))


@dataclass(frozen=True)
class Inception:
    """torch-fidelity's InceptionV3, which resizes pictures to 299 px as TensorFlow 1 did."""

    # An instance of torch_fidelity.FeatureExtractorBase.
    network: Any
    device: torch.device
    # The SHA-256 of the file.
    digest: str
    # Whole pictures with a longer side than this are first shrunk by area, to this side; 0: never.
    shrink_above: int = 0

    def __call__(self, pictures: Sequence[Array]) -> Features:
        """Return the features of pictures in bytes (rows, cols, 3), all of one size."""
        pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).to(self.device)
        with torch.inference_mode():
            vectors, logits = self.network(pixels)
        return Features(vectors.double().cpu().numpy(), logits.double().cpu().numpy())

    def of_whole(self, picture: Array) -> Features:
        """Return the features of a picture of any size."""
        return self([shrunk(picture, self.shrink_above)])


def shrunk(picture: Array, side: int) -> Array:
    """Return a picture shrunk by area so that its longer side is `side`; the picture itself if it is no longer."""
    height, width = picture.shape[:2]
    if not side or max(height, width) <= side:
        return picture
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a .safetensors or .pth file by name; a .pth file may contain nothing else."""
    if not file.is_file():
        raise Fault(f"There is no file {file}.")
    try:
        if file.suffix.lower() == ".safetensors":
            return load_file(file)
        with force_weights_only():
            tensors = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as fault:
        raise Fault(
            f"{file} is not read: it is broken, or contains more than tensors, whose code would have to run."
        ) from fault
    if not isinstance(tensors, dict) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise Fault(f"{file} contains something else than named tensors.")
    return tensors


def load_inception(file: Path, device: torch.device, shrink_above: int = 0) -> Inception:
    """Load torch-fidelity's Inception from its checkpoint, as .pth or converted to .safetensors."""
    try:
        from torch_fidelity import FeatureExtractorInceptionV3 as Network
    except ImportError as fault:
        raise Fault(NOT_INSTALLED) from fault
    # torch-fidelity would unpickle the file with all its code, so it is handed a copy that has only the tensors.
    copy = io.BytesIO()
    torch.save(read_tensors(file), copy)
    copy.seek(0)
    layers = [Network.get_default_feature_layer_for_metric(metric) for metric in ("fid", "isc")]
    try:
        with force_weights_only():
            network = Network("inception-v3-compat", layers, feature_extractor_weights_path=copy)
    except Exception as fault:
        raise Fault(
            f"{file} does not have the tensors of torch-fidelity's Inception, whose file is called "
            "weights-inception-2015-12-05-6726825d.pth."
        ) from fault
    return Inception(network.to(device).eval(), device, file_digest(file), shrink_above)


@dataclass(frozen=True)
class Pair:
    """What CLIP computes of a picture and its prompt."""

    # The vectors of both, (dimensions,).
    picture: Array
    text: Array
    # Whether the prompt was too long, so that its end was left out.
    is_cut: bool


@dataclass(frozen=True)
class Clip:
    """A CLIP model of transformers, or a scorer of the same kind, such as PickScore."""

    # transformers' CLIPModel and CLIPProcessor.
    model: Any
    processor: Any
    # The factor by which cosines become the model's own scores.
    scale: float
    # The SHA-256 of the weights; of several files in the order of their names.
    digests: tuple[str, ...]

    def __call__(self, picture: Array, prompt: str) -> Pair:
        """Return the vectors of a picture in bytes (rows, cols, 3) and of its prompt."""
        tokens = self.model.config.text_config.max_position_embeddings
        text = {"return_tensors": "pt", "truncation": True, "max_length": tokens}
        inputs = self.processor.tokenizer(prompt, **text)
        images = self.processor.image_processor(picture, return_tensors="pt")
        is_cut = len(self.processor.tokenizer(prompt, verbose=False).input_ids) > tokens
        with torch.inference_mode():
            out = self.model(**inputs.to(self.model.device), **images.to(self.model.device))
        return Pair(
            out.image_embeds[0].double().cpu().numpy(), out.text_embeds[0].double().cpu().numpy(), is_cut
        )

    @property
    def resizer(self) -> str:
        """What makes pictures small enough for the network, in words."""
        processor = self.processor.image_processor
        sizes = " and ".join(
            f"{name} {dict(size)}"
            for name in ("size", "crop_size")
            if (size := getattr(processor, name, None)) is not None
        )
        return f"transformers' {type(processor).__name__}, {sizes}"


def load_clip(folder: Path, device: torch.device) -> Clip:
    """Load a CLIP model with its processor from a folder in the layout of transformers, with safetensors."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise Fault(
            f"{folder} is not a folder with a CLIP model in the layout of transformers, as safetensors."
        )
    from transformers import CLIPModel, CLIPProcessor, utils

    level = utils.logging.get_verbosity()
    utils.logging.set_verbosity_error()  # Its report of missing weights takes many lines.
    utils.logging.disable_progress_bar()
    try:
        loaded: Any = CLIPModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
        model, report = loaded
        processor = CLIPProcessor.from_pretrained(folder, local_files_only=True)
    except Exception as fault:
        raise Fault(f"{folder} cannot be loaded as a CLIP model: {first_line(fault)}") from fault
    finally:
        utils.logging.set_verbosity(level)
        utils.logging.enable_progress_bar()
    if report["missing_keys"] or report["mismatched_keys"]:
        raise Fault(f"{folder} lacks weights of a CLIP model; it seems to be a model of another kind.")
    model = model.float().eval().to(device)
    return Clip(model, processor, model.logit_scale.detach().exp().item(), tuple(map(file_digest, files)))
