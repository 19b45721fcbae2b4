"""The errors that the engine raises, and the sentences that explain them to a user.

A sentence says what happened, what was kept, and what to do next. The page decides how to display the sentence.
"""

from collections.abc import Mapping
from math import ceil
from typing import Any

# The largest number of characters of a sentence; a longer sentence is cut off.
MAX_SENTENCE_LENGTH = 400


class Fault(Exception):
    """An error that is shown to the user as one sentence."""

    def __init__(self, sentence: str) -> None:
        if len(sentence) > MAX_SENTENCE_LENGTH:
            sentence = sentence[: MAX_SENTENCE_LENGTH - 1] + "…"
        self.sentence = sentence
        super().__init__(sentence)


class BadRecipe(Fault):
    """A recipe that cannot be run because one of its settings is wrong.

    field: the name of the wrong setting.
    fit: new values, by setting, that would make the recipe work; empty if none are known.
    """

    def __init__(self, field: str, sentence: str, fit: Mapping[str, Any] | None = None) -> None:
        super().__init__(sentence)
        self.field = field
        self.fit = dict(fit or {})

    def __reduce__(self) -> tuple[type, tuple[str, str, dict[str, Any]]]:
        # By default an exception is rebuilt from its args, which contain only the sentence.
        return BadRecipe, (self.field, self.sentence, self.fit)


class WeightsMissing(Fault):
    """A model is not on this machine, or some of the model's files are missing or broken."""


class NotEnoughMemory(Fault):
    """A model's weights do not fit into the free memory."""


class StopRequested(Exception):
    """Raised inside a run to end the run after the user has stopped it; callers of the engine never see it."""


def short_repr(value: object) -> str:
    """Return the repr of a wrong value, cut off after 40 characters, for use in an error sentence."""
    try:
        text = repr(value)
    except Exception:
        text = type(value).__name__
    return text if len(text) <= 40 else text[:40] + "…"


def first_line(exception: BaseException, limit: int = 100) -> str:
    """Return the first line of an exception's message, cut after `limit` characters.

    For an exception without a message, return the name of the exception's type.
    """
    lines = str(exception).splitlines() or [type(exception).__name__]
    return lines[0][:limit]


def waiting_phrase(seconds: float | None) -> str:
    """Return the seconds to wait as a phrase, such as "in about 3 minutes". None: the time is unknown."""
    if seconds is None:
        return "in a few minutes"
    minutes = max(1, ceil(seconds / 60))
    return f"in about {minutes} minute{'s' if minutes > 1 else ''}"


# Sentences about values of settings.
OUT_OF_RANGE = "{field} is {value}; it goes from {low} to {high}."
NOT_A_NUMBER = "{field} is {value}; it must be a finite number."
NOT_WHOLE = "{field} is {value}; it must be a whole number."
NOT_A_FLAG = "{field} is {value}; it is on or off (true or false)."
NOT_TEXT = "{field} must be text."
NOT_A_RECIPE = "This is not a recipe: it holds no named settings."
TOO_LONG = "{field} has {count:,} characters; up to {limit:,} are taken."
UNKNOWN_CHOICE = "{field} is {value}, which is not known here. Known: {known}."
NOT_A_PICTURE = "image must be the path of a picture on this machine; it is {value}."

# Sentences about start images.
PICTURE_UNREADABLE = "{name} could not be read as a picture. Nothing was made; choose another one."
PICTURE_TOO_LARGE = (
    "The start picture has more than {limit} megapixels. Nothing was made; make it smaller and give it again."
)
PICTURE_GONE = (
    "The start picture of this recipe is not kept here. Give that picture again, and all else stays as it is."
)
PICTURE_NOT_A_DIGEST = "A recipe from elsewhere tells its start picture by a sha256; image is {value}."

# Sentences about controls (ControlNet conditions) and the detectors that draw control maps.
NOT_CONTROLS = (
    "controls are mappings of settings, like {{'kind': 'canny', 'image': 'a.png'}}; this is {value}."
)
TOO_MANY_CONTROLS = "There are {count} controls; up to {limit} are taken."
CONTROL_WITHOUT_PICTURE = "A control has no picture to follow. Give it one, or leave the control out."
CONTROL_THRESHOLDS = "Clear edges begin at {high}, which is below the faint ones ({low}). Exchange the two."
CONTROL_STRENGTHS = "The strengths of a control are up to {limit} numbers, one a stage; this is {value}."
CONTROLNET_NOT_OFFERED = (
    "The ControlNet {net} is not offered here. Leave it out, and the model's own takes its place."
)
CONTROL_PICTURE_GONE = (
    "The picture to follow is not kept here. Give that picture again, and all else stays as it is."
)
FAITHFUL_CONTROLS = (
    "As published, a picture to follow is squared with black bars and its map enlarged step by step. "
    "That is not done here: turn faithful off, or follow no picture."
)
CONTROL_KIND_UNSUPPORTED = "{model} has no ControlNet for {kind}. It follows: {known}."
CONTROL_UNSUPPORTED = "{model} has no ControlNet, so it cannot follow a picture."
CONTROLNET_NOT_HERE = "The ControlNet {net} is not on this machine and could not be fetched. Leave it out."
CONTROLNET_BROKEN = "The ControlNet {net} lacks a part or holds a broken one ({reason}). Fetch it again."
CONTROLNET_INCOMPATIBLE = (
    "The ControlNet {net} was made for another kind of model. Leave it out, or take another."
)
CONTROL_MAP_TOO_SMALL = (
    "The given map is {width} x {height} px, and stage {stage} is {wide} x {high} px. "
    "A map is never enlarged: give one of that size or larger, or the picture itself."
)
CONTROL_MAP_WRONG_SHAPE = (
    "The given map is {width} x {height} px, and the picture will be {wide} x {high} px, another shape. "
    "Give a map of the same shape, or the picture itself."
)
DETECTOR_MISSING = (
    "{kind} cannot be found in a picture here ({source}: {reason}). "
    "Choose another kind, or give the map itself."
)
NOT_INSTALLED = "{package} is not installed"
NOT_IMPORTED = "{package} cannot be loaded, {reason}"
DETECTOR_NOT_HERE = "its weights are not on this machine and could not be fetched"
DETECTOR_BROKEN = "its weights are broken, or hold more than numbers and were not read"

# Sentences about methods and their options.
NOT_OPTIONS = "options are names with values, like {{'restart': 0.5}}; this is {value}."
UNKNOWN_OPTION = "There is no option {option}. There are: {known}."
METHOD_TAKES_NO_PICTURE = (
    "The method {method} draws from words alone. Take the start picture away, "
    "or choose demofusion, sdedit, relay or upscaler."
)
UPSCALER_NEEDED = "The method upscaler enlarges pictures, not latents. Choose an upscaler under Enlarge by."
PATCHES_NEED_LARGE_VIEWS = (
    "A network is bent only where it looks at more than its native size, and windows are native. "
    "Let it look at large windows or the whole picture, or leave it as it is."
)
BLUR_NEEDS_SCHEDULER_WITHOUT_NOISE = (
    "The scheduler {scheduler} adds new noise at each step, so its steps cannot undo a blur. "
    "Choose another scheduler, or start without a blur (unblur 0)."
)
NO_SUCH_PART = "The network of {model} has no part {part}, which this method bends. Choose another method."

# Sentences about models, sizes, scales, steps and schedulers.
WRONG_MODEL = "The recipe asks for the model {asked}, and {present} is loaded."
ONE_SIDE = "Give both width and height, or leave both empty."
NOT_A_MULTIPLE_OF_CELL = "{field} is {value} px; it must be a multiple of {cell}. {near} px would fit."
ASPECT_TOO_LONG = "{width} x {height} px is longer than {limit}:1. {near} px would fit."
TOO_SMALL = (
    "{width} x {height} px is too small for this model, which draws {native} px pictures. "
    "From {least} px on it works."
)
SCALES_NOT_RISING = "scales must be positive and rise, like 1, 2, 4; they are {scales}."
SCALES_REPEAT_A_SIZE = "scales {scales} give two stages of the same size. Leave one out."
SCALES_WRONG_START = (
    "scales start at about the model's own size, {low:g} to {high:g} times; "
    "these would start at {first:g} times."
)
SCALES_WRONG_END = (
    "{width} x {height} px is {ratio:g} times the model's own size, and scales end at {last:g}. "
    "Scales {fit} would fit."
)
SCALES_TOO_LARGE = "scales end at {last:g}, which makes the picture wider than {limit} px. {fit:g} would fit."
TOO_MANY_SCALES = "There are {count} scales; up to {limit} are taken."
STRIDE_OUT_OF_RANGE = (
    "stride is {stride}; this model's window is {window} cells, so it goes from 1 to {window}."
)
SIGMAS_WRONG_ORDER = "sigma1 is {sigma1:g} and sigma2 is {sigma2:g}; sigma1 must be the larger, or equal."
TOO_MANY_LCM_STEPS = "LCM takes at most {limit} steps, and steps is {steps}."
MODEL_UNSUPPORTED = "This model {what}; no solver here can follow it. Choose another model."
SCHEDULER_REPLACED = "The model's own scheduler cannot be used here; {name} takes its place."
MODEL_SCHEDULER_UNSUPPORTED = "The model's own scheduler ({what}) cannot be used here. Choose one of {known}."

# Sentences about settings that the published DemoFusion code does not support (faithful = on).
FAITHFUL_SIDE = (
    "As published, the longer side is a multiple of {native} px; {side} is not. "
    "{near} px would fit, or turn faithful off."
)
FAITHFUL_SHORT = (
    "As published, {width} x {height} px breaks: its second stage would be thinner than one window. "
    "Use an aspect up to 1:2, or turn faithful off."
)
FAITHFUL_SCALES = "As published, scales are {fit} for this size. Leave them empty, or turn faithful off."
FAITHFUL_PICTURE = (
    "As published, a start picture lies in a black square and its latent is drawn at random, "
    "which cannot be repeated. Turn faithful off, or take no start picture."
)
FAITHFUL_ENLARGEMENT = (
    "As published, a stage starts from the enlarged latent of the stage below. "
    "Turn faithful off, or enlarge by no upscaler."
)
FAITHFUL_SCHEDULER = (
    "As published, only first-order solvers work: {fit}. {scheduler} is not one; "
    "choose another or turn faithful off."
)

# Sentences about resuming a run from a finished stage.
NOT_A_STAGE = "{field} must name a stage by its number, and resume a run folder and a number; it is {value}."
NOTHING_LEFT = "Stage {resume} is already made and the run was to end after stage {until}: nothing is left."
NO_SUCH_STAGE = "Stage {stage} is not part of this plan; it has stages 1 to {last}."
RESUME_MISSING = "Stage {stage} was not found in {folder}. Start from an earlier stage or anew."
RESUME_BROKEN = "Stage {stage} in {folder} cannot be read. Start from an earlier stage or anew."
RESUME_OTHER_VAE = (
    "The kept stage {stage} was made by a model that sees pictures otherwise. Load that model, or start anew."
)
RESUME_OTHER_SHAPE = (
    "The kept stage {stage} is {found} px, and this recipe's picture has another shape ({wanted} px). "
    "A run goes on only in the same shape."
)
RESUME_TOO_LARGE = (
    "The kept stage {stage} is {found} px already, and this recipe ends at {wanted} px. "
    "Ask for a larger picture, or start from an earlier stage."
)
RAN_ELSEWHERE = (
    "Finished stages were made with {there}, and here it is {here}: "
    "the last digits of the next ones may differ."
)

# Sentences about reading a recipe from a picture or a text.
RECALL_UNREADABLE = "{name} could not be read as a picture or a recipe. Nothing else changed."
RECALL_NONE = "This picture carries no recipe (some sites remove it)."
RECALL_TOO_LARGE = "This file is too long to be a recipe. Nothing else changed."
RECALL_NOT_JSON = "This text is not JSON, so it holds no recipe. Nothing else changed."

# Sentences about failures of a run, and about the queue.
NOT_FINITE = (
    "The numbers overflowed in stage {stage}. Finished stages are kept. "
    "Load the model in float32, or lower the prompt strength."
)
OUT_OF_MEMORY = (
    "Memory ran out in stage {stage} ({width} x {height} px), even one view at a time. "
    "Finished stages are kept. {fit} px would fit."
)
OUT_OF_MEMORY_HERE = (
    "Memory ran out in stage {stage} ({width} x {height} px), even one view at a time. "
    "Finished stages are kept; nothing larger fits on this machine now."
)
RUN_FOLDER_NOT_WRITABLE = (
    "The run's folder could not be written ({reason}). Finished stages are kept. "
    "Make room, or choose another folder, and continue."
)
QUEUE_FULL = "{count} runs are waiting, the most that are taken. Try again {when}; your settings stay."
RUN_GONE = (
    "The run {name} is not known here any more. Its settings make the same picture again; "
    "stages that are still kept are not made twice."
)
UNEXPECTED = (
    "Something broke that should not have ({code}). Finished stages are kept. Please report the code."
)

# Sentences about loading models and LoRAs.
MODEL_NOT_HERE = (
    "{source} is not a model on this machine and could not be fetched. "
    "Give the folder of a diffusers pipeline or a .safetensors file, or check the network."
)
NOT_IN_CATALOGUE = "The catalogue lists no {names}. It lists {known}."
NOT_ENOUGH_MEMORY = "{source} takes {need} GB of memory, and {free} GB are free."
MODEL_TYPE_UNSUPPORTED = "{source} holds a {what}; only pipelines shaped as SDXL, SD 1 or SD 2 can be loaded."
MODEL_CONFIGS_MISSING = (
    "{source} is a single file; its configs and vocabulary are not on this machine. Put them into a folder "
    "{folder} beside it (model_index.json, configs and tokenizers, as in {reference})."
)
LORA_NOT_HERE = (
    "The LoRA {source} is not on this machine and could not be fetched. "
    "Give a .safetensors file, or leave it out."
)
LORA_INCOMPATIBLE = "The LoRA {source} was made for another kind of model, or is broken. Leave it out."
NOT_LORAS = "loras are pairs of a name and a strength, like (name, 0.8); this is {value}."
TOO_MANY_LORAS = "There are {count} loras; up to {limit} are taken."
LORA_NOT_OFFERED = "The LoRA {source} is not offered here. Known: {known}."
UNKNOWN_DTYPE = "The number format {dtype} is not known here. Known: {known}."
DEVICE_UNAVAILABLE = "The device {device} cannot be used here ({reason}). Leave it at auto, or use cpu."
MODEL_BROKEN = "{source} lacks a part or holds a broken one ({reason}). Fetch the model again."

RESCALE_ON_CANVAS = (
    "guidance_rescale acts on the whole canvas; the published code rescales each view by itself."
)

# Sentences about the latent upscaler.
LATENT_UPSCALER_OUT_OF_MEMORY = (
    "Memory ran out while a picture of {width} x {height} px was doubled; this upscaler takes pictures whole. "
    "Finished stages are kept. Choose another upscaler, or a smaller picture."
)

# Sentences about upscalers.
UPSCALER_NOT_HERE = (
    "The upscaler {source} is not on this machine and could not be fetched. "
    "Give the path of a .safetensors file, or choose another upscaler."
)
UPSCALER_NOT_INSTALLED = (
    "The upscaler {source} is not on this machine and could not be fetched. Install it with: {command}"
)
UPSCALER_TO_INSTALL = "The upscaler {source} is not on this machine. Install it with: {command}"
UPSCALER_NEEDS_SPANDREL = (
    "The upscaler {source} needs the package spandrel. Install it with: pip install spandrel"
)
UPSCALER_BROKEN = "The upscaler {source} is damaged or incomplete ({reason}). Fetch it again."
UPSCALER_TOO_LARGE = (
    "Memory ran out while the upscaler {source} was loaded. Finished stages are kept. "
    "Choose a smaller upscaler."
)
UPSCALER_PICTURE_TOO_LARGE = (
    "{source} takes pictures whole, up to {limit} x {limit} px, and stage {stage} would give it a larger one. "
    "Choose another upscaler, or a smaller picture."
)
UPSCALER_PICKLE = (
    "{source} is named as a safetensors file but is a pickle, which may hold a program, so it was not read. "
    "Fetch true safetensors; if its source is trusted, rename it to .pth, and only its tensors are read."
)
UPSCALER_PROGRAM = (
    "{source} was not read, because a .pt file may hold a program. Give a .safetensors file, "
    "or a .pth file, from which only tensors are read."
)
UPSCALER_NOT_PLAIN = (
    "{source} is damaged, or holds more than tensors, so it was not read. Give a .safetensors file."
)
UPSCALER_FILE_UNKNOWN = (
    "{source} is not a file of an upscaler that can be read. Give a .safetensors file, or a .pth file."
)
UPSCALER_OTHER_NETWORK = (
    "{source} holds {what}, which is no upscaler that is known here. Give the file of another upscaler."
)
