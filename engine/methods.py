"""The table of methods: which stages a method has, how a stage starts, what the network sees, and how the
network is patched.

Each row describes one method. The loop reads only the values of the row, never the method's name. An ablation is
a row with one value changed. engine/recipe/effects.py applies a recipe's settings to a row.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Method:
    """One row of the table of methods."""

    # Whether the first stage is a base of about native size. If not, the final size is the only stage.
    has_base: bool = True
    # Whether there is a stage for every scale of the recipe, not just for the first and the last.
    progressive: bool = True
    # Whether each stage is pulled to the noised enlargement of the previous stage (skip residual, weight c1).
    skip_residual: bool = False
    # Where each stage above the first starts, unless the option `restart` says otherwise: from the enlargement of the
    # previous stage, noised to this fraction of all training timesteps. 1 is pure noise.
    start: float = 1.0
    # Whether each stage above the first starts with block noise and with its blocks blurred, and undoes the blur
    # over its steps (Relay Diffusion). A block is the area of one latent cell of the stage below.
    relays: bool = False
    # Whether the stages above the base are made in pixels, by an upscaler, without denoising. A start image takes the
    # place of the base.
    upscales: bool = False
    # Whether the network sees dilated views too, blended with the local views by c2.
    dilated: bool = False
    # The kind of local views: "windows" of native size, "large" windows of twice the native side, or one view of
    # the "whole" canvas.
    views: str = "whole"
    # Whether SDXL's size ids of a window give its position. If not, they describe the final picture.
    true_size_ids: bool = True
    # Whether the setting `jitter` shifts each window of this method at random at every step.
    jitters: bool = True
    # The patch of the network for local views above native size: a key of PATCH_FUNCTIONS in
    # engine/planning/patch_schedule.py, or "" for none.
    network: str = ""
    # The settings and options that this method reads. Those that every method reads are left out.
    reads: frozenset[str] = frozenset()

    @property
    def restarts(self) -> bool:
        """Whether stages start at a middle step (SDEdit)."""
        return self.start < 1

    @property
    def takes_start_image(self) -> bool:
        """Whether the method can start from an image in place of noise."""
        return self.skip_residual or self.restarts or self.upscales


# Settings that have an effect only if stages are pulled to an anchor (skip residual).
SKIP_RESIDUAL_SETTINGS = frozenset({"alpha1"})
# Settings that have an effect only with dilated views.
DILATED_SETTINGS = frozenset({"alpha2", "alpha3", "sigma1", "sigma2", "kernel", "lattice"})
# Settings that have an effect only if the local views are windows.
WINDOW_SETTINGS = frozenset({"stride", "jitter", "feather"})
# Settings that each switch off one part of DemoFusion.
ABLATION_SETTINGS = frozenset({"progressive", "skip_residual", "dilated"})
# Options that give a method the local views or the network patch of another method.
COMBINATION_OPTIONS = frozenset({"views", "network"})
# Settings whose values `faithful` overrides.
FAITHFUL_SETTINGS = frozenset({"economy", "kernel", "lattice", "feather", "restart", "restart_stages"})
# Settings that have an effect only with classifier-free guidance.
GUIDANCE_SETTINGS = frozenset({"negative", "guidance_rescale"})
# Settings of a start image.
START_IMAGE_SETTINGS = frozenset({"image", "fidelity"})
# The options that each patch of the network reads; "" is no patch.
NETWORK_OPTIONS = {
    "": frozenset(),
    "attention": frozenset(),
    "scalecrafter": frozenset({"bent_until", "dispersed", "damped"}),
    "hidiffusion": frozenset({"bent_until", "windowed"}),
}
# The options that any patch of the network reads.
ALL_NETWORK_OPTIONS = frozenset().union(*NETWORK_OPTIONS.values())
# Settings that have no effect without denoising.
DENOISING_SETTINGS = frozenset(
    {"prompt", "seed", "steps", "guidance", "scheduler", "controls", "loras", "view_batch"}
)
# Options that set where a stage starts.
RESTART_OPTIONS = frozenset({"restart", "restart_stages"})
# Settings that have an effect only with several stages.
STAGE_SETTINGS = frozenset({"progressive", "enlarge"})

# The table: its rows by the name of the method, which is the recipe's setting `method`.
METHODS = {
    "demofusion": Method(
        skip_residual=True,
        dilated=True,
        views="windows",
        reads=SKIP_RESIDUAL_SETTINGS
        | DILATED_SETTINGS
        | WINDOW_SETTINGS
        | ABLATION_SETTINGS
        | COMBINATION_OPTIONS
        | ALL_NETWORK_OPTIONS
        | START_IMAGE_SETTINGS
        | STAGE_SETTINGS
        | RESTART_OPTIONS
        | {"economy", "faithful"},
    ),
    "direct": Method(has_base=False, true_size_ids=False),
    "attention": Method(has_base=False, true_size_ids=False, network="attention"),
    "multidiffusion": Method(
        has_base=False,
        views="windows",
        true_size_ids=False,
        jitters=False,
        reads=frozenset({"stride", "feather", "placed"}) | COMBINATION_OPTIONS | ALL_NETWORK_OPTIONS,
    ),
    "sdedit": Method(
        start=0.6,
        reads=frozenset({"image"})
        | RESTART_OPTIONS
        | WINDOW_SETTINGS
        | COMBINATION_OPTIONS
        | ALL_NETWORK_OPTIONS
        | STAGE_SETTINGS,
    ),
    "relay": Method(
        start=0.6,
        relays=True,
        views="windows",
        reads=frozenset({"block", "unblur", "image"})
        | RESTART_OPTIONS
        | WINDOW_SETTINGS
        | COMBINATION_OPTIONS
        | ALL_NETWORK_OPTIONS
        | STAGE_SETTINGS,
    ),
    "scalecrafter": Method(
        has_base=False, true_size_ids=False, network="scalecrafter", reads=NETWORK_OPTIONS["scalecrafter"]
    ),
    "hidiffusion": Method(
        has_base=False, true_size_ids=False, network="hidiffusion", reads=NETWORK_OPTIONS["hidiffusion"]
    ),
    "upscaler": Method(progressive=False, upscales=True, reads=frozenset({"image", "enlarge"})),
}
