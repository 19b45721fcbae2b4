"""Titles and descriptions of the methods and of their options, by the names that a recipe uses."""

from engine.catalogue.upscalers import upscaler_entries

# The heading of the section in which a method is chosen.
METHOD_HEADING = "Method"
# The heading of this section with the title of the chosen method.
METHOD_HEADING_CHOSEN = "Method: {title}"

# The title of each method.
METHOD_TITLES = {
    "demofusion": "DemoFusion",
    "direct": "Direct",
    "attention": "Attention scaling",
    "multidiffusion": "MultiDiffusion",
    "sdedit": "SDEdit cascade",
    "relay": "Relay Diffusion (transfer)",
    "scalecrafter": "ScaleCrafter",
    "hidiffusion": "HiDiffusion",
    "upscaler": "Upscaler",
}
# What each method does, and when to choose it.
METHOD_DESCRIPTIONS = {
    "demofusion": "Grows in stages, by windows and by looks at the whole. The one to begin with.",
    "direct": "Asks for the large picture outright. To see what the others are for: it repeats itself.",
    "attention": "Direct, with attention sharpened for the size. Costs nothing more; helps a little.",
    "multidiffusion": "Overlapping windows, no look at the whole. For textures; repeats subjects.",
    "sdedit": "Enlarges, adds noise, draws again. Quick, near the small picture; little new detail.",
    "relay": "Starts from blurred blocks and block noise, and undoes the blur. A transfer without training.",
    "scalecrafter": "One large picture by a network that looks further. For twice the size; coarse beyond.",
    "hidiffusion": "One large picture by a network whose depth sees it small. The quickest; may distort.",
    "upscaler": "Enlarges the first stage, or your picture, by an upscaling network. Sharp edges, no new detail.",
}
# A line in the list of methods: title and description.
METHOD_CHOICE = "{title}. {line}"

# Titles of the choices of the option "views": which views are denoised.
VIEW_TITLES = {
    "": "as the method does",
    "windows": "native windows",
    "large": "windows of twice the side",
    "whole": "the whole picture",
}
# Titles of the choices of the setting "enlarge": how a stage starts from the one below.
ENLARGE_TITLES = {
    "": "as the method does",
    "latent": "latent, bicubic",
    **{entry.name: entry.title for entry in upscaler_entries()},
}
# The title of an upscaler that is not on this machine, with how to get it.
UPSCALER_NOT_HERE = "{title} (not installed: {how})"
# How to get an upscaler without a command.
UPSCALER_NO_COMMAND = "see the README"
# On the button of a refusal that sets the option "unblur" to 0.
NO_BLUR = "no blur"
# Titles of the choices of the option "network": how the network is patched.
NETWORK_TITLES = {
    "": "as the method has it",
    "attention": "attention scaling",
    "scalecrafter": "ScaleCrafter",
    "hidiffusion": "HiDiffusion",
}

# The heading of the section with a method's settings, for a method without a first stage of about native size.
METHOD_SETTINGS = "Settings of this method"
# Shown in place of the number of windows if the network sees the whole picture at once.
WHOLE_PICTURE_AT_ONCE = "The whole picture at once"
# A clause below the curves, for a method that noises the enlarged picture and denoises it from a later step.
RESTARTS_AT_STEP = "begins at step {step} of {steps}, from the enlarged picture"
# In place of the curves of a stage that an upscaler makes.
MADE_BY_UPSCALER = "{title} makes this stage. It has no denoising steps."
