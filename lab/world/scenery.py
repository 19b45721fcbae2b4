"""Six skies, each with the light it casts, and six grounds, each a texture in layers of finer detail."""

from dataclasses import dataclass

import numpy as np

from lab.world.paint import (
    Brush,
    Colour,
    Texture,
    block,
    both,
    cell_random,
    disc,
    either,
    length,
    line,
    oval,
    shade,
)
from lab.world.textures import Layer, blades, layered_texture, mottle, ripples, scattered, specks

# A coordinate farther out than the edge of any picture.
FAR = 4.0


@dataclass(frozen=True)
class Sky:
    """The look of a sky. Colours that are None leave their part out."""

    # Colours at the zenith and at the horizon.
    top: Colour
    low: Colour
    # The light on ground and subject.
    light: Colour = (1.0, 1.0, 1.0)
    sun: Colour | None = None
    # Height of the sun above the horizon, as a share of the sky's height.
    sun_height: float = 0.7
    moon: Colour | None = None
    clouds: Colour | None = None
    # Density of the stars, 0 to 1.
    stars: float = 0.0


SKIES = {
    "day": Sky((0.32, 0.60, 0.93), (0.78, 0.90, 0.98), clouds=(1.0, 1.0, 1.0)),
    "noon": Sky((0.45, 0.75, 0.97), (0.93, 0.97, 0.99), (1.0, 1.0, 0.96), sun=(1.0, 0.93, 0.45)),
    "dawn": Sky(
        (0.62, 0.72, 0.92), (1.0, 0.84, 0.76), (1.0, 0.93, 0.92), sun=(1.0, 0.80, 0.62), sun_height=0.12,
        clouds=(1.0, 0.92, 0.90),
    ),
    "sunset": Sky(
        (0.48, 0.30, 0.55), (1.0, 0.58, 0.26), (0.96, 0.80, 0.72), sun=(1.0, 0.85, 0.42), sun_height=0.08,
        clouds=(0.86, 0.46, 0.48),
    ),
    "twilight": Sky(
        (0.13, 0.15, 0.38), (0.62, 0.45, 0.66), (0.72, 0.70, 0.86), moon=(0.98, 0.96, 0.84), stars=0.3
    ),
    "night": Sky(
        (0.03, 0.05, 0.15), (0.12, 0.17, 0.34), (0.60, 0.64, 0.82), moon=(0.97, 0.96, 0.88), stars=0.6
    ),
}  # fmt: skip


def paint_sky(brush: Brush, sky: Sky, seed: int, half: tuple[float, float], horizon: float) -> None:
    """Paint the sky over the whole image, with sun, moon and clouds at places that the seed decides.

    half: half the picture's height and width. horizon: its y coordinate. All in scene units.
    """
    high = np.clip((brush.y - horizon) / (half[0] - horizon), 0, 1)[:, None, None]
    brush.image[:] = np.asarray(sky.low, np.float32) + high**0.8 * (np.asarray(sky.top) - np.asarray(sky.low))
    draw = np.random.RandomState(seed)
    room = half[0] - horizon
    if sky.stars:
        _stars(brush, sky.stars)
    side = draw.choice([-1, 1]) * draw.uniform(0.45, 0.8) * half[1]
    if sky.sun:
        at = (side, horizon + sky.sun_height * room)
        glow = shade(sky.sun, 0.3)
        brush.fill(disc(*at, 0.13), glow, 0.35, glows=True)
        brush.fill(disc(*at, 0.075), sky.sun, glows=True)
    if sky.moon:
        at = (side, horizon + draw.uniform(0.6, 0.8) * room)
        brush.fill(disc(*at, 0.062), sky.moon, glows=True)
        for dx, dy, r in ((-0.018, 0.016, 0.014), (0.022, -0.008, 0.010), (-0.004, -0.028, 0.008)):
            brush.fill(
                disc(at[0] + dx, at[1] + dy, r), shade(sky.moon, -0.14), brush.visibility(2 * r), glows=True
            )
    if sky.clouds:
        for _ in range(draw.randint(2, 5)):
            x, y = draw.uniform(-1, 1) * half[1], horizon + draw.uniform(0.35, 0.92) * room
            _cloud(brush, (x, y), draw.uniform(0.10, 0.19), sky.clouds, draw.randint(1 << 30))


def _stars(brush: Brush, density: float) -> None:
    """Paint stars in three layers; smaller stars appear in larger pictures only."""
    x, y = brush.x[None, :], brush.y[:, None]
    for layer, (cell, radius, share) in enumerate(
        ((0.15, 0.03, 0.5), (0.09, 0.017, 0.4), (0.05, 0.0085, 0.35))
    ):
        visibility = brush.visibility(1.5 * radius)
        if not visibility:
            continue
        i, j = np.floor(x / cell) + 50, np.floor(y / cell) + 50
        dx = x / cell - i + 50 - 0.25 - 0.5 * cell_random(i, j, layer)
        dy = y / cell - j + 50 - 0.25 - 0.5 * cell_random(i, j, layer + 20)
        lit = cell_random(i, j, layer + 40) < share * density
        points = (np.sqrt(np.abs(dx)) + np.sqrt(np.abs(dy))) ** 2 * cell / radius
        halo = length(dx, dy) * cell / radius
        shine = (
            visibility * lit * np.maximum(np.clip(2.2 - 2.2 * points, 0, 1), np.clip(1 - 2.2 * halo, 0, 1))
        )
        brush.image[:] += shine[..., None] * (np.float32([1.0, 0.98, 0.88]) - brush.image)


def _cloud(brush: Brush, at: tuple[float, float], size: float, colour: Colour, seed: int) -> None:
    """Paint a cloud at this place, its shape decided by the seed."""
    draw = np.random.RandomState(seed)
    puffs = [
        disc(dx, 0.12 + draw.uniform(0.0, 0.16), draw.uniform(0.26, 0.36)) for dx in (-0.55, -0.2, 0.15, 0.5)
    ]
    body = both(either(*puffs, oval(0, 0.05, 0.95, 0.2)), block(-1.2, -0.02, 1.2, 1))
    puff = brush.with_frame(at, size)
    puff.fill(body, colour, 0.92, glows=True)
    puff.fill(both(body, oval(0.1, -0.12, 1.0, 0.28)), shade(colour, -0.1), 0.8, glows=True)


GROUNDS: dict[str, Texture] = {
    "snow": layered_texture(
        (0.91, 0.94, 0.98), Layer(mottle(1, 0.3), 0.3, 0.55), Layer(mottle(2, 0.6), 0.05, 0.35),
        Layer(specks(3, 0.14), 0.0135, 1.0),
    ),
    "grass": layered_texture(
        (0.36, 0.62, 0.24), Layer(mottle(4, 0.4), 0.22, 0.4), Layer(blades(5), 0.026, 0.27),
        Layer(blades(6), 0.0125, 0.28),
    ),
    "sand": layered_texture(
        (0.90, 0.78, 0.55), Layer(ripples(1.0), 0.09, 0.12), Layer(ripples(1.4), 0.028, 0.14),
        Layer(mottle(7), 0.0125, 0.5),
    ),
    "water": layered_texture(
        (0.20, 0.47, 0.67), Layer(ripples(0.9, 4), 0.085, 0.18), Layer(ripples(1.3, 4), 0.028, 0.16),
        Layer(specks(8, 0.1), 0.0135, 0.9),
    ),
    "cobblestones": layered_texture(
        (0.57, 0.55, 0.54), Layer(scattered(9, 1.0), 0.075, 0.42), Layer(mottle(12), 0.026, 0.3),
        Layer(mottle(13), 0.0125, 0.3),
    ),
    "autumn leaves": layered_texture(
        (0.78, 0.45, 0.18), Layer(mottle(14, 0.5), 0.16, 0.4), Layer(scattered(15, 0.7), 0.05, 0.32),
        Layer(scattered(18, 0.6), 0.025, 0.26), Layer(mottle(21, 0.6), 0.0125, 0.3),
    ),
}  # fmt: skip


def paint_ground(brush: Brush, ground: str, horizon: float) -> None:
    """Paint the ground below the horizon, and a faint light line along it."""
    land = block(-FAR, -FAR, FAR, horizon)
    brush.fill(land, GROUNDS[ground])
    brush.fill(line(0.02, (-FAR, horizon - 0.01), (FAR, horizon - 0.01)), (1.0, 1.0, 1.0), 0.10)


def paint_shadow(brush: Brush, at: tuple[float, float], width: float) -> None:
    """Paint a soft dark oval, the shadow of a subject that stands there."""
    brush.fill(oval(at[0], at[1], width, 0.22 * width), (0.0, 0.02, 0.06), 0.28)
