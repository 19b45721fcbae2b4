"""Titles and descriptions of the methods and of their options, by the names that a recipe uses."""

METHOD_HEADING = "Method"
METHOD_HEADING_CHOSEN = "Method: {title}"

METHOD_TITLES = {
    "demofusion": "DemoFusion",
    "direct": "Direct",
    "attention": "Attention scaling",
    "multidiffusion": "MultiDiffusion",
    "sdedit": "SDEdit cascade",
    "scalecrafter": "ScaleCrafter",
    "hidiffusion": "HiDiffusion",
}
# What each method does, and when to choose it.
METHOD_DESCRIPTIONS = {
    "demofusion": "Grows in stages, by windows and by looks at the whole. The one to begin with.",
    "direct": "Asks for the large picture outright. To see what the others are for: it repeats itself.",
    "attention": "Direct, with attention sharpened for the size. Costs nothing more; helps a little.",
    "multidiffusion": "Overlapping windows, no look at the whole. For textures; repeats subjects.",
    "sdedit": "Enlarges, adds noise, draws again. Quick, near the small picture; little new detail.",
    "scalecrafter": "One large picture by a network that looks further. For twice the size; coarse beyond.",
    "hidiffusion": "One large picture by a network whose depth sees it small. The quickest; may distort.",
}
# The label of a method in the list of methods.
METHOD_CHOICE = "{title}. {line}"

# Options that combine methods: which views are denoised, and how the network is patched.
VIEW_TITLES = {
    "": "as the method does",
    "windows": "native windows",
    "large": "windows of twice the side",
    "whole": "the whole picture",
}
NETWORK_TITLES = {
    "": "as the method has it",
    "attention": "attention scaling",
    "scalecrafter": "ScaleCrafter",
    "hidiffusion": "HiDiffusion",
}

METHOD_SETTINGS = "Settings of this method"
WHOLE_PICTURE_AT_ONCE = "The whole picture at once"
RESTARTS_AT_STEP = "begins at step {step} of {steps}, from the enlarged picture"
