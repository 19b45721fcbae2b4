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
    "relay": "Relay Diffusion (training-free)",
    "scalecrafter": "ScaleCrafter",
    "hidiffusion": "HiDiffusion",
    "upscaler": "Upscaler",
}
# What each method does, and when to choose it.
METHOD_DESCRIPTIONS = {
    "demofusion": "Grows in stages, from windows and an overview of the whole picture. Best to begin with.",
    "direct": "The large picture in one pass. No trick, for comparison; repeats the subject.",
    "attention": "Direct, with attention scaled to the size. No extra cost; helps a little.",
    "multidiffusion": "Overlapping windows without an overview. For textures; repeats the subject.",
    "sdedit": "Enlarges, adds noise and denoises again. Fast and close to the small picture; little new detail.",
    "relay": "Starts a stage with blurred blocks and block noise, and removes the blur. Needs no training.",
    "scalecrafter": "One large picture, with dilated convolutions. For twice the size; coarse beyond.",
    "hidiffusion": "One large picture, with a lower resolution inside the network. The fastest; may distort.",
    "upscaler": "Enlarges the first stage, or your picture, with an upscaling network. Sharp edges, no new detail.",
}
# A line in the list of methods: title and description.
METHOD_CHOICE = "{title}. {line}"

# Titles of the choices of the option "views": which views are denoised.
VIEW_TITLES = {
    "": "the method's default",
    "windows": "windows of native size",
    "large": "windows of twice the native side",
    "whole": "the whole picture",
}
# Titles of the choices of the setting "enlarge": how a stage starts from the one below.
ENLARGE_TITLES = {
    "": "the method's default",
    "latent": "latent, bicubic",
    **{entry.name: entry.title for entry in upscaler_entries()},
}
# The title of an upscaler that is not on this machine, with how to get it.
UPSCALER_NOT_HERE = "{title} (not installed: {how})"
# How to get an upscaler without a command.
UPSCALER_NO_COMMAND = "see docs/methods.md"
# On the button of a refusal that sets the option "unblur" to 0.
NO_BLUR = "no blur"
# Titles of the choices of the option "network": how the network is patched.
NETWORK_TITLES = {
    "": "the method's default",
    "attention": "attention scaling",
    "scalecrafter": "ScaleCrafter",
    "hidiffusion": "HiDiffusion",
}

# The heading of the section with a method's settings, for a method without a first stage of about native size.
METHOD_SETTINGS = "Settings of this method"
# Shown in place of the number of windows if the network sees the whole picture at once.
WHOLE_PICTURE_AT_ONCE = "The whole picture at once"
# A clause below the curves, for a method that noises the enlarged picture and denoises it from a later step.
RESTARTS_AT_STEP = "starts at step {step} of {steps}, from the enlarged picture"
# In place of the curves of a stage that an upscaler makes.
MADE_BY_UPSCALER = "{title} makes this stage. It has no denoising steps."
