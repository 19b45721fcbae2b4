"""The methods in words: what each does, and when one would want it."""

METHOD, METHOD_IS = "Method", "Method: {title}"
METHODS = {
    "demofusion": "DemoFusion", "direct": "Direct", "attention": "Attention scaling",
    "multidiffusion": "MultiDiffusion", "sdedit": "SDEdit cascade", "scalecrafter": "ScaleCrafter",
    "hidiffusion": "HiDiffusion",
}  # fmt: skip
METHOD_LINES = {
    "demofusion": "Grows in stages, by windows and by looks at the whole. The one to begin with.",
    "direct": "Asks for the large picture outright. To see what the others are for: it repeats itself.",
    "attention": "Direct, with attention sharpened for the size. Costs nothing more; helps a little.",
    "multidiffusion": "Overlapping windows, no look at the whole. For textures; repeats subjects.",
    "sdedit": "Enlarges, adds noise, draws again. Quick, near the small picture; little new detail.",
    "scalecrafter": "One large picture by a network that looks further. For twice the size; coarse beyond.",
    "hidiffusion": "One large picture by a network whose depth sees it small. The quickest; may distort.",
}
METHOD_CHOICE = "{title}. {line}"
VIEWS = {
    "": "as the method does", "windows": "native windows", "large": "windows of twice the side",
    "whole": "the whole picture",
}  # fmt: skip
NETWORKS = {
    "": "as the method has it", "attention": "attention scaling", "scalecrafter": "ScaleCrafter",
    "hidiffusion": "HiDiffusion",
}  # fmt: skip
OF_THE_METHOD = "Settings of this method"
ALL_AT_ONCE = "The whole picture at once"
BEGINS_AT = "begins at step {step} of {steps}, from the enlarged picture"
