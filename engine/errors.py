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
    """Return the repr of a wrong value, cut off after 40 characters, for use in an error sentence.

    What is nested is only named: it may be large, and may contain the path of an upload.
    """
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple) and any(isinstance(item, list | tuple | Mapping) for item in value):
        return "a list"
    try:
        text = repr(value[:50] if isinstance(value, str | list | tuple) else value)
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
OUT_OF_RANGE = "{field} is {value}; it must be from {low} to {high}."
NOT_A_NUMBER = "{field} is {value}; it must be a finite number."
NOT_WHOLE = "{field} is {value}; it must be a whole number."
NOT_A_FLAG = "{field} is {value}; it must be on or off (true or false)."
NOT_TEXT = "{field} must be text."
NOT_A_RECIPE = "This is not a recipe: it contains no named settings. Nothing was changed."
TOO_LONG = "{field} has {count:,} characters; at most {limit:,} are allowed."
UNKNOWN_CHOICE = "{field} is {value}, which is not one of the choices. Choose one of: {known}."
NOT_A_PICTURE = "image must be the path of a picture on this machine; it is {value}."

# Sentences about start images.
PICTURE_UNREADABLE = "{name} could not be read as a picture. Nothing was made. Choose another picture."
PICTURE_TOO_LARGE = (
    "The start picture has more than {limit} megapixels. "
    "Nothing was made. Make the picture smaller and try again."
)
TOO_MANY_UPLOADS = "Many pictures are being read just now. Nothing was changed. Try again in a few seconds."
TOO_MANY_UPLOADS_OF_CLIENT = (
    "Several of your pictures are being read already. Nothing was changed. Try again in a few seconds."
)
PICTURE_TOO_COSTLY = (
    "{name} takes too much time or memory to read. "
    "Nothing was made. Save it again as a PNG or JPEG, or choose another picture."
)
PICTURE_GONE = (
    "The start picture of this recipe is no longer stored here. "
    "Add the picture again; all other settings are kept."
)
PICTURE_NOT_A_DIGEST = (
    "A recipe from outside must name its pictures by their sha256, but a picture is {value}. "
    "Add that picture again; all other settings are kept."
)

# Sentences about controls (ControlNet conditions) and the detectors that draw control maps.
NOT_CONTROLS = (
    "controls must be mappings of settings, like {{'kind': 'canny', 'image': 'a.png'}}; this is {value}."
)
TOO_MANY_CONTROLS = "There are {count} controls; at most {limit} are allowed."
CONTROL_WITHOUT_PICTURE = "A control has no picture to follow. Add a picture, or remove the control."
CONTROL_THRESHOLDS = (
    "The strong-edge threshold is {high}, which is below the weak-edge threshold ({low}). "
    "Exchange the two values."
)
NOT_NUMBERS_BY_STAGE = "{field} must be at most {limit} numbers, one per stage; this is {value}."
CONTROLNET_NOT_OFFERED = (
    "The ControlNet {net} is not available here. Leave it out to use the model's own ControlNet."
)
CONTROL_PICTURE_GONE = (
    "The picture to follow is no longer stored here. Add the picture again; all other settings are kept."
)
FAITHFUL_CONTROLS = (
    "The published code pads a picture to follow to a square with black bars and enlarges its map step by "
    "step. This is not supported here: turn faithful off, or remove the picture to follow."
)
CONTROL_KIND_UNSUPPORTED = "{model} cannot follow {kind}. Choose another control type: {known}."
CONTROL_UNSUPPORTED = (
    "{model} has no ControlNet, so it cannot follow a picture. "
    "Remove the picture to follow, or choose another model."
)
CONTROLNET_NOT_HERE = (
    "The ControlNet {net} is not on this machine and could not be downloaded. "
    "Check the network, or leave the ControlNet out."
)
CONTROLNET_BROKEN = "The ControlNet {net} is damaged or incomplete ({reason}). Download it again."
CONTROLNET_INCOMPATIBLE = (
    "The ControlNet {net} was made for another kind of model. Leave it out, or choose another one."
)
CONTROL_MAP_TOO_SMALL = (
    "The control map is {width} x {height} px, but stage {stage} is {wide} x {high} px. "
    "A map is never enlarged: use a map of at least that size, or the picture itself."
)
CONTROL_MAP_WRONG_SHAPE = (
    "The control map is {width} x {height} px, but the picture will be {wide} x {high} px, which is another "
    "shape. Use a map of the same shape, or the picture itself."
)
DETECTOR_MISSING = (
    "The control type {kind} is not available here ({source}: {reason}). "
    "Choose another control type, or use a finished control map."
)
NOT_INSTALLED = "{package} is not installed"
NOT_IMPORTED = "{package} cannot be loaded: {reason}"
DETECTOR_NOT_HERE = "its weights are not on this machine and could not be downloaded"
DETECTOR_BROKEN = "its weights are damaged, or contain more than numbers and were not read"

# Sentences about methods and their options.
NOT_OPTIONS = "options must be names with values, like {{'restart': 0.5}}; this is {value}."
UNKNOWN_OPTION = "There is no option {option}. Choose one of: {known}."
METHOD_TAKES_NO_PICTURE = (
    "The method {method} cannot start from a picture. "
    "Remove the start picture, or choose the method demofusion, sdedit, relay or upscaler."
)
UPSCALER_NEEDED = (
    "enlarge is latent, but the method upscaler enlarges pictures, not latents. Choose an upscaler instead."
)
PATCHES_NEED_LARGE_VIEWS = (
    "The network is adapted only where it sees more than its native size, but the windows have the native "
    "size. Choose larger windows or the whole picture as views, or no network adaptation."
)
BLUR_NEEDS_SCHEDULER_WITHOUT_NOISE = (
    "The sampler {scheduler} adds new noise at each step, so its steps cannot remove a blur. "
    "Choose another sampler, or start without a blur (unblur 0)."
)
NO_SUCH_PART = "The network of {model} has no part {part}, which this method changes. Choose another method."

# Sentences about models, sizes, scales, steps and schedulers.
WRONG_MODEL = (
    "The recipe needs the model {asked}, but {present} is loaded. "
    "Load that model, or change the recipe's model."
)
ONE_SIDE = "Only one of width and height is set. Set both, or leave both empty."
NOT_A_MULTIPLE_OF_CELL = "{field} is {value} px; it must be a multiple of {cell}. {near} px would fit."
ASPECT_TOO_LONG = "{width} x {height} px is a longer shape than {limit}:1. {near} px would fit."
TOO_SMALL = (
    "{width} x {height} px is too small for this model, which was trained on pictures of {native} px. "
    "Choose at least {least} px."
)
SCALES_NOT_RISING = "scales must be positive and rising, like 1, 2, 4; they are {scales}."
SCALES_REPEAT_A_SIZE = "scales {scales} give two stages of the same size. Remove one of them."
SCALES_WRONG_START = (
    "scales must start at about the model's native size, {low:g} to {high:g} times; "
    "these start at {first:g} times."
)
SCALES_WRONG_END = (
    "{width} x {height} px is {ratio:g} times the model's native size, but scales end at {last:g}. "
    "Scales {fit} would fit."
)
SCALES_TOO_LARGE = "scales end at {last:g}, which makes the picture wider than {limit} px. {fit:g} would fit."
TOO_MANY_SCALES = "There are {count} scales; at most {limit} are allowed."
STRIDE_OUT_OF_RANGE = (
    "stride is {stride}; this model's window is {window} cells, so stride must be from 1 to {window}."
)
SIGMAS_WRONG_ORDER = "sigma1 is {sigma1:g} and sigma2 is {sigma2:g}; sigma1 must be at least as large."
TOO_MANY_LCM_STEPS = "LCM takes at most {limit} steps, but steps is {steps}."
MODEL_UNSUPPORTED = "This model {what}, which no sampler here supports. Choose another model."
SCHEDULER_REPLACED = "The model's own sampler cannot be used here; {name} is used instead."
MODEL_SCHEDULER_UNSUPPORTED = "The model's own sampler ({what}) cannot be used here. Choose one of {known}."

# Sentences about settings that the published DemoFusion code does not support (faithful = on).
FAITHFUL_SIDE = (
    "In the published code the longer side must be a multiple of {native} px; "
    "{side} is not. {near} px would fit, or turn faithful off."
)
FAITHFUL_SHORT = (
    "The published code fails at {width} x {height} px, because its second stage would be thinner than one "
    "window. Choose an aspect ratio of at most 1:2, or turn faithful off."
)
FAITHFUL_SCALES = (
    "In the published code, scales are {fit} for this size. Leave them empty, or turn faithful off."
)
FAITHFUL_PICTURE = (
    "The published code puts a start picture into a black square and encodes it with random noise that "
    "cannot be repeated. Turn faithful off, or remove the start picture."
)
FAITHFUL_ENLARGEMENT = (
    "In the published code, a stage starts from the enlarged latent of the stage below. "
    "Turn faithful off, or use no upscaler."
)
FAITHFUL_SCHEDULER = (
    "The published code works only with first-order samplers: {fit}. "
    "{scheduler} is not one of them; choose another, or turn faithful off."
)

# Sentences about resuming a run from a finished stage.
NOT_A_STAGE = (
    "{field} is {value}; it must be the number of a stage, or for resume a run's folder and a number."
)
NOTHING_LEFT = (
    "Stage {resume} is already made and the run ends after stage {until}, so nothing is left to do."
)
NO_SUCH_STAGE = "There is no stage {stage} in this plan; it has stages 1 to {last}."
RESUME_MISSING = "Stage {stage} was not found in {folder}. Continue from an earlier stage, or start again."
RESUME_BROKEN = "Stage {stage} in {folder} cannot be read. Continue from an earlier stage, or start again."
RESUME_OTHER_VAE = (
    "The stored stage {stage} was made with a different autoencoder (VAE) from the one that is loaded. "
    "Load the model that made it, or start again."
)
RESUME_OTHER_SHAPE = (
    "The stored stage {stage} is {found} px, but this recipe's picture has another shape ({wanted} px). "
    "A run can only be continued in the same shape."
)
RESUME_TOO_LARGE = (
    "The stored stage {stage} is already {found} px, but this recipe ends at {wanted} px. "
    "Choose a larger picture, or start from an earlier stage."
)
RAN_ELSEWHERE = (
    "Finished stages were made with {there}, and this run uses {here}: "
    "the next stages may differ in the last digits."
)
RAN_IN_OTHER_NUMBER_FORMAT = (
    "Finished stages were made with {there}, and this run uses {here}: "
    "the next stages differ a little from those that the first number format would make."
)

# Sentences about reading a recipe from a picture or a text.
RECALL_UNREADABLE = (
    "{name} could not be read as a picture or a recipe. Nothing was changed. Choose another file."
)
RECALL_NONE = "This picture contains no recipe (some websites remove it). Nothing was changed."
RECALL_TOO_LARGE = "This file is too long to be a recipe. Nothing was changed."
RECALL_NOT_JSON = "This text is not JSON, so it contains no recipe. Nothing was changed."

# Sentences about failures of a run, and about the queue.
NOT_FINITE = (
    "The numbers overflowed in stage {stage}. Finished stages are kept. "
    "Load the model in float32, or lower the guidance scale."
)
OUT_OF_MEMORY = (
    "Memory ran out in stage {stage} ({width} x {height} px), even with one view at a time. "
    "Finished stages are kept. {fit} px would fit."
)
OUT_OF_MEMORY_HERE = (
    "Memory ran out in stage {stage} ({width} x {height} px), even with one view at a time. "
    "Finished stages are kept. Nothing larger fits on this machine at present."
)
RUN_FOLDER_NOT_WRITABLE = (
    "The run's folder could not be written ({reason}). Finished stages are kept. "
    "Free disk space or choose another folder, and continue."
)
DISK_FULL = (
    "This picture may need {need:.1f} GB of disk space, and {free:.1f} GB are free. "
    "Your settings are kept. Choose a smaller picture, or try again later."
)
STORAGE_FULL = (
    "Pictures in progress and uploads fill the space for pictures ({limit:g} GB). "
    "Your settings are kept. Try again in a few minutes."
)
WORKER_LOST_LOADING = (
    "{source} could not be loaded: the process that loaded it ended, most likely for lack of memory. "
    "Close other programs and try again, or choose a smaller model."
)
UNUSABLE_WORKERS = "There is no such number of workers: {value}. Give auto, or a number from 1 to {limit}."
WORKERS_NEED_POSIX = "Worker processes are not available on Windows. Leave the setting out."
WORKERS_LOST_LOADING = (
    "The model could not be loaded: the process that loaded it ended twice, most likely for lack of memory. "
    "Close other programs and try again, or choose a smaller model."
)
WORKERS_LOST = (
    "Stage {stage} was given up: the process that made it ended twice, most likely for lack of memory. "
    "Finished stages are kept. Continue with a smaller picture or fewer views per batch."
)
QUEUE_FULL = "The queue is full: {count} runs are waiting. Your settings are kept. Try again {when}."
TOO_MANY_RUNS_OF_CLIENT = (
    "{limit} of your runs are waiting or in progress, the most that one visitor may have. "
    "Your settings are kept. Try again when one of them has ended."
)
RUN_GONE = (
    "The run {name} is no longer stored here. Its settings make the same picture again; "
    "stages that are still stored are not made twice."
)
UNEXPECTED = "An unexpected error occurred ({code}). Finished stages are kept. Please report this code."

# Sentences about loading models and LoRAs.
MODEL_NOT_HERE = (
    "{source} is not a model on this machine and could not be downloaded. "
    "Use the folder of a diffusers pipeline or a .safetensors file, or check the network."
)
NOT_IN_CATALOGUE = "The catalogue contains no model {names}. Choose one of: {known}."
NOT_ENOUGH_MEMORY = (
    "{source} needs {need} GB of memory, but {free} GB are free. "
    "Close other programs, or choose a smaller model."
)
MODEL_TYPE_UNSUPPORTED = (
    "{source} contains a {what}, but only SDXL, SD 1 and SD 2 pipelines can be loaded. Choose another model."
)
MODEL_CONFIGS_MISSING = (
    "{source} is a single file, and its configs and vocabulary are not on this machine. Put them into a "
    "folder {folder} beside it (model_index.json, configs and tokenizers, as in {reference})."
)
LORA_NOT_HERE = (
    "The LoRA {source} is not on this machine and could not be downloaded. "
    "Use a .safetensors file, or leave the LoRA out."
)
LORA_INCOMPATIBLE = "The LoRA {source} is damaged, or was made for another kind of model. Leave it out."
NOT_LORAS = "loras must be pairs of a name and a strength, like (name, 0.8); this is {value}."
TOO_MANY_LORAS = "There are {count} loras; at most {limit} are allowed."
LORA_NOT_OFFERED = "The LoRA {source} is not available here. Choose one of: {known}."
UNKNOWN_DTYPE = "The number format {dtype} is not supported here. Choose one of: {known}."
DEVICE_UNAVAILABLE = "The device {device} cannot be used here ({reason}). Use auto or cpu."
MODEL_BROKEN = "{source} cannot be loaded ({reason}). Download the model again, or choose another one."

RESCALE_ON_CANVAS = (
    "guidance_rescale is applied to the whole canvas; the published code rescales each view separately."
)

# Sentences about the latent upscaler.
LATENT_UPSCALER_OUT_OF_MEMORY = (
    "Memory ran out while a picture of {width} x {height} px was enlarged; this upscaler processes pictures "
    "as a whole. Finished stages are kept. Choose another upscaler, or a smaller picture."
)

# Sentences about upscalers.
UPSCALER_NOT_HERE = (
    "The upscaler {source} is not on this machine and could not be downloaded. "
    "Use the path of a .safetensors file, or choose another upscaler."
)
UPSCALER_NOT_INSTALLED = (
    "The upscaler {source} is not on this machine and could not be downloaded. Install it with: {command}"
)
UPSCALER_TO_INSTALL = "The upscaler {source} is not on this machine. Install it with: {command}"
UPSCALER_NEEDS_SPANDREL = (
    "The upscaler {source} needs the package spandrel. Install it with: pip install spandrel"
)
UPSCALER_BROKEN = "The upscaler {source} is damaged or incomplete ({reason}). Download it again."
UPSCALER_TOO_LARGE = (
    "Memory ran out while the upscaler {source} was loaded. Finished stages are kept. "
    "Choose a smaller upscaler."
)
UPSCALER_PICTURE_TOO_LARGE = (
    "{source} processes pictures as a whole, up to {limit} x {limit} px, and stage {stage} needs a larger "
    "one. Choose another upscaler, or a smaller picture."
)
UPSCALER_PICKLE = (
    "{source} is named as a safetensors file but is a pickle, which may contain a program, so it was not "
    "read. Download a real safetensors file. If you trust its source, rename it to .pth: only its tensors "
    "are read."
)
UPSCALER_PROGRAM = (
    "{source} was not read, because a .pt file may contain a program. "
    "Use a .safetensors file, or a .pth file, from which only tensors are read."
)
UPSCALER_NOT_PLAIN = (
    "{source} is damaged, or contains more than tensors, so it was not read. Use a .safetensors file."
)
UPSCALER_FILE_UNKNOWN = (
    "{source} is not an upscaler file that can be read. Use a .safetensors file or a .pth file."
)
UPSCALER_OTHER_NETWORK = (
    "{source} contains {what}, which is not a supported upscaler. Choose the file of another upscaler."
)

# Sentences of the command line.
PROMPT_MISSING = "Give a prompt, a recipe (--recipe) or a start picture (--image)."
SECOND_PROMPT = "There is a second prompt, {argument}. Put the whole prompt in quotation marks."
NO_SUCH_ARGUMENT = "There is no option {argument}.{suggestion}"
DID_YOU_MEAN = " Did you mean {name}?"
SEE_HELP = "All options: {command}"
WOULD_FIT = "This would fit: {options}"
UNKNOWN_SETTING = "There is no setting {name}.{suggestion}"
NOT_A_CONTROL_ARGUMENT = (
    "A control is given as KIND=FILE, such as canny=photo.jpg, or as JSON with its settings; this is {value}."
)
SETTINGS_LEFT_OUT = "Left out of the recipe, because unknown here or not allowed: {names}."
UNKNOWN_WORDS = "{model} does not know these words: {words}. It knows: {known}."
WITHOUT_EFFECT = "Without effect in this run: {names}."
MEMORY_RETREAT = "Memory ran out. The run goes on with smaller batches or tiles; the picture stays the same."
STOPPING = "Stopping after the batch or tile in progress. Press Ctrl-C again to end at once."
STOPPED_IN_STAGE = (
    "Stopped in stage {stage}. Finished stages are kept. To continue, give the same command:\n{command}"
)
ENDED_AT_ONCE = "Stopped. Finished stages are kept. To continue, give the same command again."
