"""All words of the page that are neither a setting's (recipe.py) nor a fault's (errors.py)."""

TITLE = "DemoFusion Studio"
ASK = "What should the picture show?"
GENERATE = "Generate"
ANOTHER = "Another one (new seed)"
STOP = "Stop"
CONTINUE = "Continue"
SURPRISE = "Surprise me"
NEW_SEED = "New seed"
SHAPE, SHAPE_HELP = "Shape", "Width to height of every stage."
DEFAULTS = "Defaults for this model"
FROM_STAGE_TWO, FROM_STAGE_ONE = "From stage 2 on", "From stage 1 on, as it starts from your picture"
ALPHAS = "All three releases work alike: **higher lets go sooner**."
START = "Start from a picture"
DROP = "Drop a picture"
DROP_HELP = "The new picture is drawn from it. A file that was made here also brings its settings back."
STARTS = "Your picture is the start picture now. Say above what it shows; Generate draws it anew."
ENLARGES = "It is the start picture now, under its own prompt. Generate draws it anew."
ENLARGE, TAKE_AWAY = "Enlarge it", "Take it away"
START_PICTURE, AS_PICTURE = "The start picture", "as my picture"
NO_START_PICTURE = "The start picture is not here any more. Drop it again, or take it away."
FOLLOW, FOLLOW_IT = "Follow a picture", "Follow its edges"
FOLLOW_HELP = "Drop a picture above, and choose “Follow its edges”."
FOLLOWED = "Its edges are followed now. Say above what the new picture shows; Generate draws it along them."
NO_PICTURE_TO_FOLLOW = "The picture to follow is not here any more. Drop it again, or take it away."
FOLLOWS_ONLY, FOLLOWS_NOT = "{title} follows {kind} only.", "{title} does not follow: {kinds}."
FOLLOWS_NOT_HERE = "Not here: {kinds} ({source}: {reason}). Their maps can be given ready made."
FOLLOWED_OF, FOLLOWED_CHANGED = "{kind} of {picture}", "the picture to follow"
EACH_STAGE = "At the stages: {strengths}. “{label}”, when moved, is for all of them."
ALSO_FOLLOWED = "Besides, as before: {controls}."
MAP, MAP_GIVEN = "The pale picture with what is followed drawn over it: {kind}", "The given map: {kind}"
MAP_STAGE, MAP_CLOSE, NO_MAP = "At the stage of, px", "At 1:1", "This map could not be drawn here."
MAP_REDUCED = "{size} px, shown at {shown} px"
MODEL = "Model"
TO_FETCH = "{title} (not here: {size} GB to fetch)"
FETCHING = "{title} is being fetched: {done} of about {size} GB. The present model stays until it is here."
NOT_FETCHED = "{title} is not on this machine and could not be fetched. {present} stays."
FINE = "Fine control"
BY_ONE, BY_ONE_HELP = "Grow by one", "1, 2, 3 times the first size, in place of 1, 2, 4. Gentler and slower."
OWN_SCALES, OWN_SCALES_HELP = "Own list of scales", "Like 1, 1.5, 3. Empty: by the stages above."
OWN_WIDTH, OWN_HEIGHT = "Own width, px", "Own height, px"
OWN_SIZE_HELP = "In px. Empty: by the shape above."
KINDS = {"subject": "Subject", "colour": "Colour", "ground": "Ground", "sky": "Sky"}
SOLVERS = {
    "model": "The model's own", "ddim": "DDIM", "euler": "Euler", "euler_a": "Euler a",
    "dpmpp_2m": "DPM++ 2M", "dpmpp_2m_karras": "DPM++ 2M Karras", "unipc": "UniPC", "lcm": "LCM",
}  # fmt: skip
KERNELS = {"paper": "as in the paper (4s−3)", "code": "as in its code (2s−1)"}

# The badge.
BADGE_WARM = "{title} on {place}"
BADGE_COLD = "{title} on this machine · warming up"
BADGE_FAILED = "{title} could not be loaded"
FAILED_WHY = "{reason} Generate tries it again."
WHY = "why?"
NO_GPU = "this CPU · no GPU"
WHY_SMALL = (
    "No GPU was found, so the small model in the box is used. It knows {count} subjects, and draws them "
    "offline, on the processor."
)
WHY_IN_BOX = (
    "This is the small model in the box. It knows {count} subjects and draws them offline, in seconds."
)
NUMBERS = "It computes in {precision} ({dtype})."
PRECISIONS = {"float32": "full precision", "float16": "half precision", "bfloat16": "half precision"}
OFFLOADED = "Memory is short there: parts of the model wait in main memory for their turn, so it is slower."

# Cost and status.
COST = "{stages}, {sizes} px · {time}{evaluations} network evaluations{memory}"
STAGES_ONE, STAGES_MANY = "1 stage", "{count} stages"
MEMORY = " · {need} of {free} GB of memory"
KEPT_ONE, KEPT_MANY = "Stage 1 is kept. ", "Stages 1 to {last} are kept. "
TO_RUN_MORE = "Stages {first} to {last} to run{stops} · {time}{evaluations} network evaluations"
TO_RUN_ONE = "Stage {first} to run{stops} · {time}{evaluations} network evaluations"
THEN_STOPS = ", then it pauses"
ONE_KEPT = "This picture is here already; Generate shows it at once."
NOT_AS_PUBLISHED = "our own way"
ALL_KEPT = "All {count} stages are here already; Generate shows them at once."
UNKNOWN_TIME = "time not known yet on this machine · "
TIME = "{time} · "
TOO_LARGE = "{size} px needs about {need} GB and {free} GB are free. {fit} would fit."
TOO_LARGE_AT_ALL = "{size} px needs about {need} GB and {free} GB are free. Choose fewer stages."
USE = "Use {value}"
EMPTY = "Write what the picture should show, or press Surprise me."
WAITING_ONE, WAITING = "1 run is before yours{time}.", "{count} runs are before yours{time}."
ABOUT = ", {time}"
WARMING = "The model is being loaded, which takes some seconds once."
STARTING = "Starting."
RUNNING = "Stage {stage} of {of}, {size} px · step {step} of {steps}{here}{all}"
BEGINS_SOFT = "A larger stage begins soft and sharpens as it goes."
LEFT_HERE, LEFT_ALL = " · {time} left here", ", {time} for all that is left"
STEP = "step {step} of {steps}"
LEFT = "{time} left"
MADE = "Stage {stage} of {of} is finished: {size} px."
STOPPING = "Stopping; a moment."
STOPPED = "Stopped in stage {stage} at step {step}. {kept}"
STOPPED_WAITING = "Stopped before it began. Nothing was lost."
NOTHING_KEPT = "No stage was finished yet."
KEPT_HERE_ONE, KEPT_HERE = "Stage 1 is kept.", "Stages 1 to {last} are kept."
PAUSED = "Paused after stage {stage}, as asked. {kept}"
CONTINUE_FOR, FOR = "Continue{time}", " · {time}"
DONE = "Done in {time}: {size}, {stages}. Kept here for {hours}."
DONE_AT_ONCE = "All stages were here already: {size}, {stages}. Kept here for {hours}."
AWAY = "You were away. {told}"
SMALLER_BATCH = "Memory was short, so fewer views are looked at together; the picture stays the same."
EXAMPLE = "An example. Made on two CPU cores in {time}."
KEPT_FOR = "Runs are kept here for {hours}, then removed."
SINCE = "Since this picture: {changes}."
USE_SETTINGS = "Use its settings"
SETTINGS_USED = "These are the settings of that picture."
OTHER_MODEL = "These are its settings. They were made for {model}, which is not on offer; {title} is set."
OFFERED = "This picture knows its settings: {summary}."
IN_PART = "Restored, except: {strange}."
SWEPT = "The files of this run were removed. Its settings are here; Generate makes the same picture again."
LINK_STRANGE = "Filled in from the link, except: {strange}."
LINKED = "Filled in from the link. Generate makes the picture."
UNKNOWN_WORDS = '{title} does not know {words}. It draws: {subjects}. Try "{example}".'
NOT_RIGHT = "Not right?"
COMPLAINTS = {
    "grainy": "grainy", "repeats": "repeats itself", "soft": "too soft", "drifts": "drifts away",
    "stiff": "nothing new", "seams": "seams",
}  # fmt: skip
NUDGED = "{complaint}: {changes}."
TRY = "Try{cost}"
UNDO = "Undo"
AS_FAR = "That is as far as it goes."
LINK_WITHOUT_PICTURE = "The link cannot hold the start picture; give it along."
LINK_WITHOUT_FOLLOWED = "The link cannot hold the picture to follow; give it along."
LINK_WITHOUT = "The link cannot hold {names}; the picture's file does."
COPY_LINK, LABELLED, DIVE = "Copy link", "Labelled picture", "The dive, a short film"
SAVED_DIVE, SAVED_LABELLED = "Save the dive", "Save the labelled picture"
BUSY = "A run is at work. Stop it, or wait for it."
WINDOWS = "{overlap} % overlap · {windows} windows in the last stage"
WINDOWS_ONE = "{overlap} % overlap · one window"
SAVES = " · skipping saves {share} %"
PX = "{sizes} px"
AT_PX = " at {size} px{about}"
GONE = "This run is not here any more."
FORGOTTEN = "The run and its files are removed."
FORGOTTEN_NEXT = f"{FORGOTTEN} The newest of the others is shown."
FORGOTTEN_EXAMPLE = f"{FORGOTTEN} The example is shown."
FOUND_STOPPED = "The run was stopped. {kept}"
PROMPT_CHANGED, PICTURE_CHANGED = "the prompt", "the start picture"
MAKING, READY = "Making it, a few seconds.", "Ready: {label}."
SURPRISES = (
    "a lighthouse on a cliff at dusk, oil on canvas",
    "a market street after the rain, film photograph",
    "a glass greenhouse full of ferns in the morning sun",
    "an old tram climbing a hill, gouache",
)

# Beside and inside the curves of a stage.

FROM_STAGE_2 = "These settings act from stage 2 on."
CURVES_TITLE = "Stage {number} over its {steps} steps"

LETS_GO = "lets go of the layout at step {step} of {steps}"
LETS_GO_AT_ONCE = "is free of the layout from the first step"
NEVER_LETS_GO = "holds the layout through all {steps} steps"
NOT_HELD = "remembers the layout only in its first noise"

LOOKS_UNTIL = "looks at the whole until step {step}"
LOOKS_ALWAYS = "looks at the whole to the end"
HARDLY_LOOKS = "hardly looks at the whole"
NEVER_LOOKS = "never looks at the whole"

SMOOTHS_UNTIL = "smooths until step {step}"
SMOOTHS_ALWAYS = "smooths all the while"
NEVER_SMOOTHS = "never smooths"

LABELS = {"hold": "α₁", "whole": "α₂", "release": "α₃", "smoothing": "σ"}
SKIPPED = "left out"
WHOLE_VIEWS = "whole"
WINDOW_VIEWS = "windows"

# The public endpoints.
API_PLAN = (
    "What a recipe comes to: every stage with its size, steps, evaluations and seconds, as far as known."
)
API_GENERATE = (
    "Carries out a recipe; one dict an event: Accepted, Waiting, Progress, StageDone (image is the file), "
    "and one end."
)
API_READ = "The recipe in a picture that was made here, or in JSON; strange names what was not understood."

# In the viewer, the strip and the list of earlier runs.
STAGES = {
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
