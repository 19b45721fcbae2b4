"""The page's texts, except for labels of settings (engine/recipe), methods (ui/text/methods.py), durations
(ui/text/formatting.py) and error messages (engine/errors.py).

Names in braces are filled in with str.format.
"""

# Title, prompt and the buttons beside it.
TITLE = "DemoFusion Studio"
PROMPT_LABEL = "What should the picture show?"
GENERATE = "Generate"
GENERATE_ANOTHER = "Another one (new seed)"
STOP = "Stop"
SURPRISE_ME = "Surprise me"
NEW_SEED = "New seed"

# Size of the picture and the settings of the method.
SHAPE = "Shape"
SHAPE_HELP = "Width to height of every stage."
MODEL_DEFAULTS = "Defaults for this model"
FROM_STAGE_TWO = "From stage 2 on"
FROM_STAGE_ONE = "From stage 1 on, as it starts from your picture"
ALPHAS_HELP = "All three releases work alike: **higher lets go sooner**."

# Start image: its section, its notes, and the message if its file is missing.
START_FROM_PICTURE = "Start from a picture"
DROP_LABEL = "Drop a picture"
DROP_HELP = "The new picture is drawn from it. A file that was made here also brings its settings back."
START_IMAGE_SET = "Your picture is the start picture now. Say above what it shows; Generate draws it anew."
START_IMAGE_SET_TO_ENLARGE = "It is the start picture now, under its own prompt. Generate draws it anew."
ENLARGE_IT = "Enlarge it"
TAKE_AWAY = "Take it away"
START_IMAGE_ALT = "The start picture"
SHAPE_OF_PICTURE = "as my picture"
START_IMAGE_GONE = "The start picture is not here any more. Drop it again, or take it away."

# Control image: its section, its notes, and the kinds of control maps that the model follows or not.
FOLLOW_SECTION = "Follow a picture"
FOLLOW_EDGES = "Follow its edges"
FOLLOW_HELP = "Drop a picture above, and choose “Follow its edges”."
CONTROL_IMAGE_SET = (
    "Its edges are followed now. Say above what the new picture shows; Generate draws it along them."
)
CONTROL_IMAGE_GONE = "The picture to follow is not here any more. Drop it again, or take it away."
FOLLOWS_ONE_KIND = "{title} follows {kind} only."
KINDS_NOT_FOLLOWED = "{title} does not follow: {kinds}."
KINDS_NOT_AVAILABLE = "Not here: {kinds} ({source}: {reason}). Their maps can be given ready made."
KIND_OF_PICTURE = "{kind} of {picture}"
CONTROL_IMAGE_CHANGED = "the picture to follow"
STRENGTH_BY_STAGE = "At the stages: {strengths}. “{label}”, when moved, is for all of them."
OTHER_CONTROLS = "Besides, as before: {controls}."

# The control map that is drawn over the control image.
MAP_ALT = "The pale picture with what is followed drawn over it: {kind}"
READY_MAP_ALT = "The given map: {kind}"
MAP_STAGE = "At the stage of, px"
MAP_ONE_TO_ONE = "At 1:1"
MAP_FAILED = "This map could not be drawn here."
MAP_REDUCED = "{size} px, shown at {shown} px"

# Choice of the model.
MODEL_SECTION = "Model"
MODEL_TO_DOWNLOAD = "{title} (not here: {size} GB to fetch)"
DOWNLOADING_MODEL = (
    "{title} is being fetched: {done} of about {size} GB. The present model stays until it is here."
)
DOWNLOAD_FAILED = "{title} is not on this machine and could not be fetched. {present} stays."

# Settings that most people leave alone.
FINE_CONTROL = "Fine control"
BY_ONE = "Grow by one"
BY_ONE_HELP = "1, 2, 3 times the first size, in place of 1, 2, 4. Gentler and slower."
OWN_SCALES = "Own list of scales"
OWN_SCALES_HELP = "Like 1, 1.5, 3. Empty: by the stages above."
OWN_WIDTH = "Own width, px"
OWN_HEIGHT = "Own height, px"
OWN_SIZE_HELP = "In px. Empty: by the shape above."

# Titles of the kinds of words in a small model's vocabulary.
WORD_KINDS = {"subject": "Subject", "colour": "Colour", "ground": "Ground", "sky": "Sky"}
# Titles of the choices of settings, by the names that a recipe uses.
SCHEDULER_TITLES = {
    "model": "The model's own",
    "ddim": "DDIM",
    "euler": "Euler",
    "euler_a": "Euler a",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_karras": "DPM++ 2M Karras",
    "unipc": "UniPC",
    "lcm": "LCM",
}
KERNEL_TITLES = {"paper": "as in the paper (4s−3)", "code": "as in its code (2s−1)"}

# The badge: which model is loaded, on which device.
BADGE_LOADED = "{title} on {place}"
BADGE_LOADING = "{title} on this machine · warming up"
BADGE_FAILED = "{title} could not be loaded"
LOADING_FAILED_REASON = "{reason} Generate tries it again."
BADGE_WHY = "why?"
CPU_ONLY = "this CPU · no GPU"
WHY_SMALL_MODEL = (
    "No GPU was found, so the small model in the box is used. It knows {count} subjects, and draws them "
    "offline, on the processor."
)
ABOUT_BUNDLED_MODEL = (
    "This is the small model in the box. It knows {count} subjects and draws them offline, in seconds."
)
NUMBER_FORMAT = "It computes in {precision} ({dtype})."
PRECISION_TITLES = {"float32": "full precision", "float16": "half precision", "bfloat16": "half precision"}
MODEL_OFFLOADED = (
    "Memory is short there: parts of the model wait in main memory for their turn, so it is slower."
)

# Status line: what Generate would do, and the cost in time, network evaluations and memory.
COST_OF_RUN = "{stages}, {sizes} px · {time}{evaluations} network evaluations{memory}"
ONE_STAGE = "1 stage"
MANY_STAGES = "{count} stages"
MEMORY_NEEDED = " · {need} of {free} GB of memory"
STAGE_ONE_CACHED = "Stage 1 is kept. "
STAGES_CACHED = "Stages 1 to {last} are kept. "
STAGES_TO_RUN = "Stages {first} to {last} to run{stops} · {time}{evaluations} network evaluations"
STAGE_TO_RUN = "Stage {first} to run{stops} · {time}{evaluations} network evaluations"
THEN_PAUSES = ", then it pauses"
ONLY_STAGE_CACHED = "This picture is here already; Generate shows it at once."
# On the button of a refusal that switches the setting "faithful" off.
NOT_AS_PUBLISHED = "our own way"
ALL_STAGES_CACHED = "All {count} stages are here already; Generate shows them at once."
TIME_UNKNOWN = "time not known yet on this machine · "
TIME_KNOWN = "{time} · "
TOO_LARGE = "{size} px needs about {need} GB and {free} GB are free. {fit} would fit."
TOO_LARGE_NOTHING_FITS = "{size} px needs about {need} GB and {free} GB are free. Choose fewer stages."
USE_VALUE = "Use {value}"

# Status line: an empty prompt, and a run that waits or is in progress.
PROMPT_EMPTY = "Write what the picture should show, or press Surprise me."
WAITING_FOR_ONE_RUN = "1 run is before yours{time}."
WAITING_FOR_RUNS = "{count} runs are before yours{time}."
WAITING_TIME = ", {time}"
LOADING_MODEL = "The model is being loaded, which takes some seconds once."
STARTING = "Starting."
RUNNING_STAGE = "Stage {stage} of {of}, {size} px · step {step} of {steps}{here}{all}"
UPSCALING_STAGE = "Stage {stage} of {of}, {size} px · enlarging, tile {tile} of {tiles}{here}{all}"
SOFT_AT_FIRST = "A larger stage begins soft and sharpens as it goes."
TIME_LEFT_IN_STAGE = " · {time} left here"
TIME_LEFT_IN_RUN = ", {time} for all that is left"
STEP_OF_STEPS = "step {step} of {steps}"
TILE_OF_TILES = "tile {tile} of {tiles}"
TIME_LEFT = "{time} left"

# Status line: how a run ended, and which stages are kept.
STAGE_FINISHED = "Stage {stage} of {of} is finished: {size} px."
STOPPING = "Stopping; a moment."
STOPPED_IN_STAGE = "Stopped in stage {stage} at step {step}. {kept}"
STOPPED_AT_START_OF_STAGE = "Stopped at the start of stage {stage}. {kept}"
STOPPED_BEFORE_START = "Stopped before it began. Nothing was lost."
NO_STAGE_KEPT = "No stage was finished yet."
STAGE_ONE_KEPT = "Stage 1 is kept."
STAGES_KEPT = "Stages 1 to {last} are kept."
PAUSED_AFTER_STAGE = "Paused after stage {stage}, as asked. {kept}"
CONTINUE_RUN = "Continue{time}"
CONTINUE_TIME = " · {time}"
RUN_DONE = "Done in {time}: {size}, {stages}. Kept here for {hours}."
RUN_DONE_FROM_CACHE = "All stages were here already: {size}, {stages}. Kept here for {hours}."
ENDED_WHILE_AWAY = "You were away. {told}"
SMALLER_BATCH = "Memory was short, so fewer views are looked at together; the picture stays the same."

# Notes about the picture on display, a dropped picture or a link.
EXAMPLE_NOTE = "An example. Made on two CPU cores in {time}."
RUNS_KEPT_FOR = "Runs are kept here for {hours}, then removed."
CHANGED_SINCE_PICTURE = "Since this picture: {changes}."
USE_SETTINGS = "Use its settings"
SETTINGS_USED = "These are the settings of that picture."
SETTINGS_OF_OTHER_MODEL = (
    "These are its settings. They were made for {model}, which is not on offer; {title} is set."
)
PICTURE_HAS_SETTINGS = "This picture knows its settings: {summary}."
RESTORED_EXCEPT = "Restored, except: {strange}."
RUN_REMOVED = (
    "The files of this run were removed. Its settings are here; Generate makes the same picture again."
)
LINK_READ_EXCEPT = "Filled in from the link, except: {strange}."
LINK_READ = "Filled in from the link. Generate makes the picture."
UNKNOWN_WORDS = '{title} does not know {words}. It draws: {subjects}. Try "{example}".'

# Complaints about a picture, and the changes of settings that they lead to.
COMPLAINT_LABELS = {
    "grainy": "grainy",
    "repeats": "repeats itself",
    "soft": "too soft",
    "drifts": "drifts away",
    "stiff": "nothing new",
    "seams": "seams",
}
COMPLAINT_CHANGES = "{complaint}: {changes}."
TRY_CHANGES = "Try{cost}"
UNDO = "Undo"
NOTHING_LEFT_TO_CHANGE = "That is as far as it goes."

# Sharing: link, labelled picture, zoom film.
LINK_WITHOUT_START_IMAGE = "The link cannot hold the start picture; give it along."
LINK_WITHOUT_CONTROL_IMAGE = "The link cannot hold the picture to follow; give it along."
LINK_WITHOUT_SETTINGS = "The link cannot hold {names}; the picture's file does."
COPY_LINK = "Copy link"
LABELLED_PICTURE = "Labelled picture"
ZOOM_FILM = "The dive, a short film"
SAVE_ZOOM_FILM = "Save the dive"
SAVE_LABELLED_PICTURE = "Save the labelled picture"

# A refused action, the windows of a plan, sizes in px, and the cost of a run on a button.
RUN_IN_PROGRESS = "A run is at work. Stop it, or wait for it."
MANY_WINDOWS = "{overlap} % overlap · {windows} windows in the last stage"
ONE_WINDOW = "{overlap} % overlap · one window"
ECONOMY_SAVES = " · skipping saves {share} %"
SIZES_IN_PX = "{sizes} px"
COST_OF_TRY = " at {size} px{about}"

# Runs that are missing, removed or stopped.
RUN_NOT_FOUND = "This run is not here any more."
RUN_FORGOTTEN = "The run and its files are removed."
RUN_FORGOTTEN_SHOWING_NEWEST = f"{RUN_FORGOTTEN} The newest of the others is shown."
RUN_FORGOTTEN_SHOWING_EXAMPLE = f"{RUN_FORGOTTEN} The example is shown."
RUN_WAS_STOPPED = "The run was stopped. {kept}"

# Texts for changes of settings whose old and new values are not shown.
PROMPT_CHANGED = "the prompt"
START_IMAGE_CHANGED = "the start picture"

# Making a labelled picture or a zoom film.
EXPORT_IN_PROGRESS = "Making it, a few seconds."
EXPORT_READY = "Ready: {label}."

# Prompts of “Surprise me” for a model without a limited vocabulary.
SURPRISE_PROMPTS = (
    "a lighthouse on a cliff at dusk, oil on canvas",
    "a market street after the rain, film photograph",
    "a glass greenhouse full of ferns in the morning sun",
    "an old tram climbing a hill, gouache",
)

# The curves of a stage, and the sentence below them.
# The first stage has no curves.
NO_CURVES_AT_BASE = "These settings act from stage 2 on."
CURVES_TITLE = "Stage {number} over its {steps} steps"

# Clauses of the sentence: how long the layout of the stage before is held.
LAYOUT_RELEASED_AT_STEP = "lets go of the layout at step {step} of {steps}"
LAYOUT_FREE_FROM_START = "is free of the layout from the first step"
LAYOUT_HELD_TO_END = "holds the layout through all {steps} steps"
LAYOUT_ONLY_IN_FIRST_NOISE = "remembers the layout only in its first noise"

# Clauses of the sentence: up to which step dilated views, or one view of the whole canvas, are denoised.
DILATED_UNTIL_STEP = "looks at the whole until step {step}"
DILATED_TO_END = "looks at the whole to the end"
DILATED_HARDLY = "hardly looks at the whole"
DILATED_NEVER = "never looks at the whole"

# Clauses of the sentence: up to which step dilated views see a blurred canvas.
SMOOTHED_UNTIL_STEP = "smooths until step {step}"
SMOOTHED_TO_END = "smooths all the while"
SMOOTHED_NEVER = "never smooths"

# Labels in the drawing: of the curves, the skipped first steps, and the strips of steps with each kind of views.
CURVE_LABELS = {"hold": "α₁", "whole": "α₂", "release": "α₃", "smoothing": "σ"}
SKIPPED_STEPS = "left out"
DILATED_STRIP = "whole"
WINDOW_STRIP = "windows"

# Descriptions of the public endpoints /plan, /generate and /read.
API_PLAN = (
    "What a recipe comes to: every stage with its size, steps, evaluations and seconds, as far as known."
)
API_GENERATE = (
    "Carries out a recipe; one dict an event: Accepted, Waiting, Progress, Upscaling, StageDone (image is the file), "
    "and one end."
)
API_READ = "The recipe in a picture that was made here, or in JSON; strange names what was not understood."

# Texts of the scripts in assets/web, by the names that the scripts use: viewer, strip, comparison, earlier runs.
STAGES_PANEL = {
    "viewer": "Picture viewer",
    "viewer_hint": "Arrow keys move, plus and minus zoom, question mark lists all keys.",
    "empty": "Your picture will appear here.",
    "tools": "Viewer tools",
    "fit": "Fit",
    "one_to_one": "1:1",
    "hold": "Hold: smaller picture",
    "compare": "Compare",
    "windows": "Show windows",
    "full_screen": "Full screen",
    "keys": "Keys of the viewer",
    "taken": "One finger moves the picture. Tap outside to let go.",
    "size": "{width} × {height}",
    "readout": "{size} px · {percent} %",
    "enlarged": "{width} px, enlarged",
    "preview": "Stage {number}, in the making",
    "windows_only": "{count} windows",
    "windows_and_lattice": "{count} windows. The dots: a wide view takes one in {lattice} across and down.",
    "space": "Space",
    "key_move": "move the picture",
    "key_zoom": "zoom in, zoom out",
    "key_fit": "fit the whole picture",
    "key_one": "one picture pixel on one screen pixel",
    "key_hold": "hold to see the smaller picture",
    "key_compare": "compare two pictures",
    "key_divider": "move the divider",
    "key_help": "show or hide these keys",
    "picture_a": "A, left",
    "picture_b": "B, right",
    "picture_name": "{size}, stage {number} of {of} · {title}",
    "compare_how": "How to compare",
    "divider": "Divider",
    "side_by_side": "Side by side",
    "divider_at": "{a} % picture A, {b} % picture B",
    "tag_a": "A · {width} px",
    "tag_b": "B · {width} px",
    "differ": "A and B differ in {what}.",
    "differ_item": "{label} (A: {a}, B: {b})",
    "nothing": "none",
    "same": "A and B have the same settings.",
    "same_but_size": "A and B have the same settings and differ in size only.",
    "share": "Keep and share",
    "copied": "Copied",
    "copy_by_hand": "Text to copy",
    "strip": "Stages",
    "stage_name": "Stage {number} of {of}, {width} × {height} pixels, {price}",
    "planned": "Stage {number} of {of}",
    "progress_of": "Progress of stage {number} of {of}",
    "download": "Download",
    "gone": "The file cannot be had. Either it has been removed by now, or the connection is lost.",
    "download_stage": "Download stage {number}, {width} × {height} pixels",
    "stop_here": "Stop here",
    "stop_at": "Stop here, after stage {number}",
    "again": "next: {what}",
    "grow": "Grow from here",
    "grow_stage": "Grow from here, stage {number}",
    "watch": "Watch it",
    "not_right": "Not right?",
    "earlier": "Earlier",
    "use": "Use its settings",
    "forget": "Forget",
}
