"""The page's texts, except for labels of settings (engine/recipe), methods (ui/text/methods.py), durations
(ui/text/formatting.py) and error messages (engine/errors.py).

Names in braces are filled in with str.format.
"""

# Title, prompt and the buttons beside it.
TITLE = "DemoFusion Studio"
SUBTITLE = "Start small, enlarge in stages, keep every stage."
DARK_THEME = "Dark theme"
HELP_BUTTON = "What is this?"
HELP = (
    "Image models draw well only at the size at which they were trained. This app makes larger pictures with them: "
    "it draws a small one, then redraws it larger in stages, with DemoFusion or another method.",
    "Describe a picture and press Generate. Each stage is shown as it finishes, and is kept. "
    "You can stop at any time, change settings, and continue.",
    "“Make 4” draws the first, small stage four times with different seeds. Choose one, and only that one is enlarged.",
    "To enlarge a picture of your own, press “+ Picture” or drop a file anywhere on the page.",
)
PAPER = "The paper: DemoFusion, Du et al., CVPR 2024"
ADD_PICTURE = "+ Picture"
PROMPT_LABEL = "What should the picture show?"
GENERATE = "Generate"
CONTINUE_FROM = "Continue from {size} px{time}"
STOP = "Stop"
SURPRISE_ME = "Surprise me"
NEW_SEED = "New seed"
MAKE_CANDIDATES = "Make 4"
CANDIDATE_IN_PROGRESS = "Picture {number} of {of}. {text}"
CHOOSE_CANDIDATE = "Choose a picture; Generate then enlarges it. The others stay under “Earlier pictures”."
KEEP_SEED = "Keep this number"
KEEP_SEED_HELP = "Otherwise Generate draws a new seed when nothing else has changed."
SAME_PICTURE = "Nothing has changed and the seed is kept, so it would be the same picture."
NEW_SEED_DRAWN = "A new seed was drawn: {seed}."

# Size of the picture and the settings of the method.
SHAPE = "Aspect ratio"
MODEL_DEFAULTS = "Reset to the defaults"
FROM_STAGE_TWO = "How it grows, from stage 2"
FROM_STAGE_ONE = "How it grows, from your picture"
SLIDERS_HELP = "For α₁, α₂ and α₃, higher means earlier. Touch a slider to read what it does."
LOOKS = "Look"
LOOK_TITLES = {
    "balanced": "Balanced",
    "close": "Close",
    "inventive": "Inventive",
    "crisp": "Crisp",
    "calm": "Calm",
}
# The changes that a look or a quality preset makes.
PRESET_CHANGES = "{title}: {changes}."
QUALITY = "Quality"
QUALITY_TITLES = {"draft": "Draft", "standard": "Standard", "fine": "Fine"}
QUALITY_HELP = "Steps, redraw strength and the overview together. Draft is for trying things out."

# Start image: its section, its notes, and the message if its file is missing.
START_FROM_PICTURE = "Start from a picture"
START_IMAGE_SET = "Your picture is loaded. Describe it above, then press Generate."
START_IMAGE_SET_TO_ENLARGE = "The picture is loaded, with its own prompt. Press Generate to enlarge it."
ENLARGE_IT = "Enlarge it"
TAKE_AWAY = "Remove"
START_IMAGE_ALT = "The start picture"
SHAPE_OF_PICTURE = "same as my picture"
START_IMAGE_GONE = "The start picture is no longer stored here. Drop it again, or remove it."

# Control image: its section, its notes, and the kinds of control maps that the model follows or not.
FOLLOW_SECTION = "Follow a picture (ControlNet)"
FOLLOW_EDGES = "Follow its edges"
FOLLOW_HELP = "Press “+ Picture” or drop a picture on the page, then press “Follow its edges”."
CONTROL_IMAGE_SET = "Your picture is followed now. Describe the new picture above, then press Generate."
CONTROL_IMAGE_GONE = "The picture to follow is no longer stored here. Drop it again, or remove it."
FOLLOWS_ONE_KIND = "{title} can follow {kind} only."
KINDS_NOT_FOLLOWED = "{title} cannot follow: {kinds}."
KINDS_NOT_AVAILABLE = (
    "Not available here: {kinds} ({source}: {reason}). Finished control maps of these types can be used."
)
KIND_OF_PICTURE = "{kind} of {picture}"
CONTROL_IMAGE_CHANGED = "the picture to follow"
STRENGTH_BY_STAGE = "Strengths by stage: {strengths}. Moving “{label}” sets all of them."
OTHER_CONTROLS = "Also followed, unchanged: {controls}."

# The control map that is drawn over the control image.
MAP_ALT = "Your picture, faded, with the control map drawn over it: {kind}"
READY_MAP_ALT = "Your control map: {kind}"
MAP_STAGE = "Show the map for this stage, px"
MAP_ONE_TO_ONE = "Actual size (1:1)"
MAP_FAILED = "This map could not be made here. Choose another control type or another picture."
MAP_REDUCED = "{size} px, shown at {shown} px"

# Choice of the model.
MODEL_LIST = "Model"
MODEL_NEEDS_GPU = "Needs a GPU, which this app does not have here."
MODEL_NOT_OFFERED = "Not offered here."
DUPLICATE_SPACE = "Duplicate this Space on a GPU"
RUN_AT_HOME = "On a computer of your own with a GPU, in the app's folder:"
RUN_AT_HOME_COMMANDS = ("pip install -r requirements.txt", 'STUDIO_MODELS="postcards sdxl" python app.py')
OTHER_MODELS = "Other models"
MODEL_TO_DOWNLOAD = "{title} (not installed: {size} GB to download)"
DOWNLOADING_MODEL = (
    "{title} is being downloaded: {done} of about {size} GB. The present model is used until then."
)
DOWNLOAD_FAILED = (
    "{title} is not on this machine and could not be downloaded. "
    "{present} is still in use. Check the network, then choose the model again."
)

# Settings that most people leave alone.
FINE_CONTROL = "Advanced settings"
BY_ONE = "Grow in equal steps"
BY_ONE_HELP = "On: 1, 2, 3 times the first size. Off: 1, 2, 4 times. On is gentler and slower."
OWN_SCALES = "Custom scales"
OWN_SCALES_HELP = "For example 1, 1.5, 3. Empty: the number of stages above is used."
OWN_WIDTH = "Custom width, px"
OWN_HEIGHT = "Custom height, px"
OWN_SIZE_HELP = "Empty: the aspect ratio above is used."

# Titles of the kinds of words in a small model's vocabulary.
WORD_KINDS = {"subject": "Subject", "colour": "Colour", "ground": "Ground", "sky": "Sky"}
# Titles of the choices of settings, by the names that a recipe uses.
SCHEDULER_TITLES = {
    "model": "the model's own",
    "ddim": "DDIM",
    "euler": "Euler",
    "euler_a": "Euler a",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_karras": "DPM++ 2M Karras",
    "unipc": "UniPC",
    "lcm": "LCM",
}
KERNEL_TITLES = {"paper": "as in the paper (4s−3)", "code": "as in the published code (2s−1)"}

# The model picker: which model is loaded, on which device.
MODEL_LOADED = "{title} · {place}"
MODEL_LOADING = "{title} · loading"
MODEL_FAILED = "{title} could not be loaded"
LOADING_FAILED_REASON = "{reason} Press Generate to try again."
CPU_ONLY = "this CPU"
WHY_SMALL_MODEL = (
    "No GPU was found, so a small demo model is used. "
    "It knows {count} subjects and works offline, on the CPU."
)
ABOUT_BUNDLED_MODEL = (
    "This is a small demo model. It knows {count} subjects and draws them offline, in seconds."
)
NUMBER_FORMAT = "It uses {precision} ({dtype})."
PRECISION_TITLES = {"float32": "full precision", "float16": "half precision", "bfloat16": "half precision"}
MODEL_OFFLOADED = (
    "GPU memory is short: parts of the model stay in main memory until they are needed, which is slower."
)

# Status line: what Generate would do, and how long it takes. While the pointer is on it: the cost in detail.
COST_OF_RUN = "{stages}, {sizes} px · {time}"
COST_DETAILS = "{evaluations} network evaluations{memory}"
ONE_STAGE = "1 stage"
MANY_STAGES = "{count} stages"
MEMORY_NEEDED = " · {need} of {free} GB of memory"
STAGE_ONE_CACHED = "Stage 1 is kept. "
STAGES_CACHED = "Stages 1 to {last} are kept. "
STAGES_TO_RUN = "Stages {first} to {last} to run{stops} · {time}"
STAGE_TO_RUN = "Stage {first} to run{stops} · {time}"
THEN_PAUSES = ", then it pauses"
ONLY_STAGE_CACHED = "This picture is already made; Generate shows it at once."
# On the button of a refusal that switches the setting "faithful" off.
NOT_AS_PUBLISHED = "the Studio's version"
ALREADY_SHOWN = "This picture is made. Generate makes another one, with a new seed · {time}"
PLANNED_TIME = "≈ {time}"
ALL_STAGES_CACHED = "All {count} stages are already made; Generate shows them at once."
TIME_UNKNOWN = "time not known yet on this machine"
TOO_LARGE = "{size} px needs about {need} GB of memory, but {free} GB are free. {fit} px would fit."
TOO_LARGE_NOTHING_FITS = (
    "{size} px needs about {need} GB of memory, but {free} GB are free. Choose fewer stages."
)
USE_VALUE = "Use {value}"

# Status line: an empty prompt, and a run that waits or is in progress.
PROMPT_EMPTY = "Describe what the picture should show, or press “Surprise me”."
WAITING_FOR_ONE_RUN = "Waiting for another visitor's stage; yours is next{time}."
WAITING_FOR_RUNS = "{count} runs are ahead of yours{time}."
WAITING_TIME = " · {time}"
LOADING_MODEL = "The model is being loaded. This takes some seconds, once."
STARTING = "Starting…"
RUNNING_STAGE = "Stage {stage} of {of}, {size} px · step {step} of {steps}{here}{all}"
UPSCALING_STAGE = "Stage {stage} of {of}, {size} px · enlarging, tile {tile} of {tiles}{here}{all}"
SOFT_AT_FIRST = "A larger stage looks soft at first and becomes sharper."
TIME_LEFT_IN_STAGE = " · {time} left in this stage"
TIME_LEFT_IN_LAST_STAGE = " · {time} left"
TIME_LEFT_IN_RUN = ", {time} in all"
STEP_OF_STEPS = "step {step} of {steps}"
TILE_OF_TILES = "tile {tile} of {tiles}"
TIME_LEFT = "{time} left"

# Status line: how a run ended, and which stages are kept.
STAGE_FINISHED = "Stage {stage} of {of} is finished: {size} px."
STOPPING = "Stopping. This takes a moment."
STOPPED_IN_STAGE = "Stopped in stage {stage} at step {step}. {kept}"
STOPPED_AT_START_OF_STAGE = "Stopped at the start of stage {stage}. {kept}"
STOPPED_BEFORE_START = "Stopped before it started. Nothing was lost."
NO_STAGE_KEPT = "No stage was finished."
STAGE_ONE_KEPT = "Stage 1 is kept."
STAGES_KEPT = "Stages 1 to {last} are kept."
PAUSED_AFTER_STAGE = "Paused after stage {stage}, as planned. {kept}"
CONTINUE_RUN = "Continue with its own settings{time}"
START_OVER = "Start over"
CONTINUES_FROM = "Generate continues from {size} px with the present settings. {text}"
CONTINUE_TIME = " · {time}"
RUN_DONE = "Done in {time}: {size}, {stages}. Kept here for {hours}."
RUN_DONE_IN_PART = "Done in {time}: {size}, {stages}, {kept} of them already made. Kept here for {hours}."
RUN_DONE_FROM_CACHE = "All stages were already made: {size}, {stages}. Kept here for {hours}."
ENDED_WHILE_AWAY = "Your run ended while you were away. {told}"
SMALLER_BATCH = "Memory was short, so fewer views are computed at once; the picture stays the same."

# Notes about the picture on display, a dropped picture or a link.
EXAMPLE_NOTE = "This is an example, made on a CPU in {time}."
# Titles of the examples, by the names of their folders, in the order in which the page shows them.
EXAMPLE_TITLES = {
    "example": "From words",
    "picture": "From a picture",
    "edges": "Along its edges",
    "wide": "Wide, 16:9",
    "methods": "Two methods",
    "stages": "Four stages",
}
# What an example shows, by the same names. Its settings are set at the same time.
EXAMPLE_TEXTS = {
    "example": "Drawn from words at 256 px, then enlarged twice. The cards beside the picture show each stage.",
    "picture": "Started from a small, flat picture and drawn larger with detail. Compare it with the start picture.",
    "edges": "Another house, with the edges of a red one, which stands under “Follow a picture”.",
    "wide": "A wide picture. Choose another shape under “Aspect ratio”.",
    "methods": "The same words at 1024 px. A: DemoFusion. B: without it, the subject is repeated.",
    "stages": "Four stages in small steps. Press a card to see that stage.",
}
RUNS_KEPT_FOR = "Pictures are kept here for {hours}, then deleted."
CHANGED_SINCE_PICTURE = "You changed since this picture: {changes}."
CHANGED_FOR_NEXT_PICTURE = "This does not change the run in progress, only the next picture: {changes}."
USE_SETTINGS = "Use its settings"
SETTINGS_USED = "The settings of that picture are set now."
SETTINGS_OF_OTHER_MODEL = (
    "The settings of that picture are set now. "
    "It was made with {model}, which is not available here; {title} is used instead."
)
PICTURE_HAS_SETTINGS = "This picture contains its settings: {summary}. Use them, or start from the picture?"
RESTORED_EXCEPT = "Not understood, so left out: {strange}."
RUN_REMOVED = (
    "The files of this run were deleted. Its settings are kept; Generate makes the same picture again."
)
LINK_READ_EXCEPT = "The settings of the link are set now, except: {strange}."
LINK_READ = "The settings of the link are set now. Press Generate to make the picture."
LINK_READ_WITHOUT_PROMPT = "The settings of the link are set now. Describe what the picture should show."
NOTHING_STARTED = "Nothing was started. {reason}"
UNKNOWN_WORDS = "{title} does not know {words}. Choose from the lists above."
TRY_PROMPT = "Try “{prompt}”"

# Complaints about a picture, and the changes of settings that they lead to.
COMPLAINT_LABELS = {
    "grainy": "grainy",
    "repeats": "repeats the subject",
    "soft": "too soft",
    "drifts": "changes too much",
    "stiff": "changes too little",
    "seams": "visible seams",
}
COMPLAINT_CHANGES = "For “{complaint}”: {changes}."
TRY_CHANGES = "Try{cost}"
TRIED = "A: before. B: {changes}."
KEEP = "Keep"
UNDO = "Undo"
NOTHING_LEFT_TO_CHANGE = "These settings are at their limits already. Nothing was changed."

# Sharing: link, labelled picture, zoom film.
LINK_WITHOUT_START_IMAGE = "The link does not contain your start picture. Send the file as well."
LINK_WITHOUT_CONTROL_IMAGE = "The link does not contain the picture to follow. Send the file as well."
LINK_WITHOUT_SETTINGS = "The link does not contain {names}; the picture's file does."
SAVE_PICTURE = "Picture (PNG)"
COPY_LINK = "Copy link to these settings"
LABELLED_PICTURE = "Picture with caption"
ZOOM_FILM = "Zoom film (WebP)"
SAVE_ZOOM_FILM = "Save the zoom film"
SAVE_LABELLED_PICTURE = "Save the picture with caption"

# A refused action, the windows of a plan, sizes in px, and the cost of a run on a button.
RUN_IN_PROGRESS = "A run is in progress. Stop it, or wait until it is done."
MANY_WINDOWS = "{overlap} % overlap · {windows} windows in the last stage"
ONE_WINDOW = "{overlap} % overlap · one window"
ECONOMY_SAVES = " · {share} % of the work is skipped"
SIZES_IN_PX = "{sizes} px"
COST_OF_TRY = " at {size} px{about}"

# Runs that are missing, removed or stopped.
RUN_NOT_FOUND = "This run is no longer stored here. Nothing was changed."
RUN_FORGOTTEN = "The run and its files were deleted."
RUN_FORGOTTEN_SHOWING_NEWEST = f"{RUN_FORGOTTEN} The newest of the others is shown."
RUN_FORGOTTEN_SHOWING_EXAMPLE = f"{RUN_FORGOTTEN} The example is shown."
RUN_WAS_STOPPED = "The run was stopped. {kept}"

# Texts for changes of settings whose old and new values are not shown.
PROMPT_CHANGED = "the prompt"
SHAPE_CHANGED = "the aspect ratio"
START_IMAGE_CHANGED = "the start picture"

# Making a labelled picture or a zoom film.
EXPORT_IN_PROGRESS = "The file is being made. This takes a few seconds."
TOO_MANY_EXPORTS = "Several files are being made already. Try again when they are ready."
EXPORT_READY = "The file is ready and is being saved. If it is not: Save, “{label}”."

# Prompts of “Surprise me” for a model without a limited vocabulary.
SURPRISE_PROMPTS = (
    "a lighthouse on a cliff at dusk, oil on canvas",
    "a market street after the rain, film photograph",
    "a glass greenhouse full of ferns in the morning sun",
    "an old tram climbing a hill, gouache",
)

# The curves of a stage, and the sentence below them.
# The first stage has no curves.
NO_CURVES_AT_BASE = "These settings take effect from stage 2 on."
CURVES_TITLE = "Stage {number} over its {steps} steps"

# Clauses of the sentence: how long the layout of the stage before is held.
LAYOUT_RELEASED_AT_STEP = "free of the smaller picture from step {step} of {steps}"
LAYOUT_FREE_FROM_START = "free of the smaller picture from the first step"
LAYOUT_HELD_TO_END = "follows the smaller picture through all {steps} steps"
LAYOUT_ONLY_IN_FIRST_NOISE = "uses the smaller picture only for the first noise"

# Clauses of the sentence: up to which step dilated views, or one view of the whole canvas, are denoised.
DILATED_UNTIL_STEP = "sees the whole picture until step {step}"
DILATED_TO_END = "sees the whole picture in all steps"
DILATED_HARDLY = "hardly sees the whole picture"
DILATED_NEVER = "never sees the whole picture"

# Clauses of the sentence: up to which step dilated views see a blurred canvas.
SMOOTHED_UNTIL_STEP = "smooths until step {step}"
SMOOTHED_TO_END = "smooths in all these steps"
SMOOTHED_NEVER = "never smooths"

# Labels in the drawing: of the curves, the skipped first steps, and the strips of steps with each kind of views.
CURVE_LABELS = {"hold": "α₁", "whole": "α₂", "release": "α₃", "smoothing": "σ"}
SKIPPED_STEPS = "skipped"
DILATED_STRIP = "whole"
WINDOW_STRIP = "windows"

# Descriptions of the public endpoints /plan, /generate and /read.
API_PLAN = "The plan of a recipe: every stage with its size, steps, evaluations and seconds, as far as known."
API_GENERATE = (
    "Runs a recipe and yields one dict per event: "
    "Accepted, Waiting, Progress, Upscaling, StageDone (image is the file), and one last event."
)
API_READ = "The recipe in a picture that was made here, or in JSON; strange lists what was not understood."

# Texts of the scripts in assets/web, by the names that the scripts use: viewer, strip, comparison, earlier runs.
STAGES_PANEL = {
    "not_loaded": "The picture viewer could not be loaded. Check the connection, then reload the page.",
    "viewer": "Picture viewer",
    "viewer_hint": "Arrow keys move, plus and minus zoom, question mark lists all keys.",
    "empty": "Your picture will appear here.",
    "tools": "Viewer tools",
    "fit": "Fit",
    "one_to_one": "1:1",
    "hold": "Hold: smaller",
    "compare": "Compare",
    "windows": "Windows",
    "full_screen": "Full screen",
    "keys": "Keys of the viewer",
    "taken": "One finger now moves the picture. Tap outside it to scroll the page again.",
    "size": "{width} × {height}",
    "readout": "{size} px · {percent} %",
    "enlarged": "{width} px, enlarged",
    "preview": "Stage {number}, in progress",
    "starting": "Starting…",
    "windows_only": "{count} windows",
    "windows_and_lattice": "{count} windows. Dots: a dilated view takes one in {lattice} rows and columns.",
    "space": "Space",
    "key_move": "move the picture",
    "key_zoom": "zoom in, zoom out",
    "key_fit": "fit the whole picture",
    "key_one": "one picture pixel on one screen pixel",
    "key_hold": "hold to see the previous stage",
    "key_compare": "compare two pictures",
    "key_divider": "move the divider",
    "key_help": "show or hide these keys",
    "picture_a": "A, left",
    "picture_b": "B, right",
    "picture_name": "{size}, stage {number} of {of}",
    "compare_how": "How to compare",
    "divider": "Divider",
    "side_by_side": "Side by side",
    "divider_at": "{a} % picture A, {b} % picture B",
    "tag_a": "A · {width} px",
    "tag_b": "B · {width} px",
    "against_start": "{side} is the start picture.",
    "differ": "A and B differ in {what}.",
    "differ_item": "{label} (A: {a}, B: {b})",
    "nothing": "none",
    "same": "A and B have the same settings.",
    "same_but_size": "A and B have the same settings and differ in size only.",
    "save": "Save ▾",
    "share": "Save and share",
    "copied": "Copied",
    "copy_by_hand": "Text to copy",
    "strip": "Stages",
    "stage_name": "Stage {number} of {of}, {width} × {height} pixels, {price}",
    "planned": "Stage {number} of {of}",
    "progress_of": "Progress of stage {number} of {of}",
    "download": "Download",
    "gone": "The file could not be downloaded: it was deleted, or the connection is lost. Reload the page.",
    "download_stage": "Download stage {number}, {width} × {height} pixels",
    "stop_at": "Pause after this size, stage {number}",
    "again": "will be {what}",
    "grow_stage": "Enlarge further, stage {number}",
    "watch": "Watch it",
    "candidates": "Four pictures to choose from",
    "candidate": "Choose picture {number}, seed {seed}",
    "drop_here": "Drop the picture here",
    "notify": "Notify me when it is done",
    "notify_refused": "This browser shows no notifications for this page. Allow them in its settings, then try again.",
    "not_right": "Not right?",
    "examples": "Examples",
    "earlier": "Earlier pictures",
    "use": "Use its settings",
    "forget": "Delete",
    "forget_sure": "Delete for good?",
}
