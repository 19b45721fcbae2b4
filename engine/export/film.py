"""Export a run as an endless film that zooms into its picture, from the smallest to the largest stage. No torch."""

from collections.abc import Sequence
from math import log
from pathlib import Path

from PIL import Image, ImageDraw

from engine.export.lettering import load_font, text_width
from engine.export.pictures import read_picture
from engine.runs.files import write_atomically

# The file's name in the run's folder.
FILM_FILE = "dive.webp"

# The longer side of a frame in px.
FRAME_SIDE = 512
# The number of frames, and the milliseconds for which each is shown.
FRAME_COUNT, FRAME_MS = 60, 50
# The numbers of frames that show the whole picture, zoom in, stay at the end of the zoom, and zoom out again.
WHOLE_FRAMES, ZOOM_IN_FRAMES, CLOSE_FRAMES, ZOOM_OUT_FRAMES = 5, 33, 9, 13
# The number of last frames that fade into the first frame, so that the loop has no visible cut.
LOOP_FADE_FRAMES = 3
# The smallest zoom at the end of the film, also for pictures that are not larger than a frame.
MIN_ZOOM = 2.0
# The largest factor by which a stage is enlarged in a frame; above it, the next larger stage is shown.
MAX_ENLARGEMENT = 1.5
# How long one stage fades into the next, as a fraction of the time of the zoom-in.
FADE_DURATION = 0.2
# The font's height in px in the sign, the label in a frame's corner that says the size of the picture.
SIGN_FONT_SIZE = 13
# The number of the EXIF field "ImageDescription", which contains the record.
EXIF_DESCRIPTION = 0x010E

# (left, top, right, bottom) as fractions of a picture.
Box = tuple[float, float, float, float]


def make_zoom_film(folders: Sequence[Path], path: Path, centre: tuple[float, float] = (0.5, 0.5)) -> Path:
    """Write a film of three seconds that zooms into a run's picture and back; return its path.

    At the end of the zoom one px of the largest stage is one px of a frame. Larger stages fade in during the zoom.

    folders: the folders of the run's stages.
    path: where the WebP file is written.
    centre: where the zoom ends, (row, column) as fractions of the picture.
    """
    stages = sorted((read_picture(folder) for folder in folders), key=lambda stage: max(stage[0].size))
    pictures, record = [picture for picture, _ in stages], stages[-1][1]
    reduction = FRAME_SIDE / max(pictures[-1].size)
    width, height = (max(1, round(side * reduction)) for side in pictures[-1].size)
    max_zoom = max(1 / reduction, MIN_ZOOM)
    fade_starts = _fade_starts(pictures, max_zoom)
    frames: list[Image.Image] = []
    for n in range(FRAME_COUNT):
        depth, zoom_time = _camera_position(n)
        box = _visible_box(max_zoom**depth, max_zoom, centre)
        position = sum(_ease((zoom_time - start) / FADE_DURATION) for start in fade_starts)
        frame = _blend_stages(pictures, position, box, (width, height))
        _draw_sign(frame, f"{max(pictures[round(position)].size)} px")
        frames.append(frame)
    for n in range(LOOP_FADE_FRAMES):
        index, fraction = n - LOOP_FADE_FRAMES, (n + 1) / (LOOP_FADE_FRAMES + 1)
        frames[index] = Image.blend(frames[index], frames[0], fraction)
    exif = Image.Exif()
    if record:
        exif[EXIF_DESCRIPTION] = record
    return write_atomically(path, lambda partial: _save_webp(frames, exif, partial))


def _save_webp(frames: Sequence[Image.Image], exif: Image.Exif, path: Path) -> None:
    """Save an endless animation in which every frame is complete.

    If frames were stored as differences, plain moving areas such as a sky would keep stripes of older frames.
    """
    quality = {"quality": 82, "method": 2, "kmin": 0, "kmax": 1}
    timing = {"duration": FRAME_MS, "loop": 0}
    frames[0].save(path, "WEBP", save_all=True, append_images=frames[1:], exif=exif, **quality, **timing)


def _camera_position(n: int) -> tuple[float, float]:
    """Return (depth, zoom_time) of the n-th frame.

    depth: the logarithm of the zoom, from 0 for the whole picture to 1 at the end of the zoom.
    zoom_time: the fraction of the zoom-in's time that has passed; 2 during the zoom-out, where all fades are over.
    """
    zoom_in_end = WHOLE_FRAMES + ZOOM_IN_FRAMES
    if n < zoom_in_end + CLOSE_FRAMES:
        zoom_time = max(0, n - WHOLE_FRAMES + 1) / ZOOM_IN_FRAMES
        return _ease(zoom_time), zoom_time
    return 1 - _ease((n - zoom_in_end - CLOSE_FRAMES + 1) / ZOOM_OUT_FRAMES), 2.0


def _ease(x: float) -> float:
    """Return the smoothstep function of x: 0 below 0, 1 above 1, with slope 0 at both ends."""
    x = min(max(x, 0.0), 1.0)
    return x * x * (3 - 2 * x)


def _fade_starts(pictures: Sequence[Image.Image], max_zoom: float) -> list[float]:
    """Return when each picture but the smallest begins to fade in, as fractions of the zoom-in's time.

    A picture fades in when the next smaller one would be enlarged more than MAX_ENLARGEMENT times. Picture n of N
    never fades in before depth n / N, so that every picture is visible for a while.

    pictures: the pictures of all stages, the smallest first.
    max_zoom: the zoom at depth 1.
    """
    starts = []
    for n, smaller in enumerate(pictures[:-1], 1):
        zoom = MAX_ENLARGEMENT * max(smaller.size) / FRAME_SIDE
        depth = min(max(log(zoom) / log(max_zoom), n / len(pictures)), 1.0)
        starts.append(_zoom_time_at_depth(depth))
    return starts


def _zoom_time_at_depth(depth: float) -> float:
    """Return the fraction of the zoom-in's time after which a depth is reached, rounded up to whole frames."""
    return next(
        n / ZOOM_IN_FRAMES for n in range(ZOOM_IN_FRAMES + 1) if _ease(n / ZOOM_IN_FRAMES) >= depth - 1e-9
    )


def _visible_box(zoom: float, max_zoom: float, centre: tuple[float, float]) -> Box:
    """Return the part of the picture that a frame shows at a zoom.

    During the zoom one point of the picture does not move. At the largest zoom `centre` is in the middle of the
    frame, or as near to the middle as the picture's edges allow.

    zoom: 1 shows the whole picture.
    centre: (row, column) as fractions of the picture.
    """
    side, last_side = 1 / zoom, 1 / max_zoom
    row, col = (_box_start(position, side, last_side) for position in centre)
    return col, row, col + side, row + side


def _box_start(position: float, side: float, last_side: float) -> float:
    """Return where the visible part begins on one axis, as a fraction of the picture.

    position: the middle of the part that is visible at the end of the zoom.
    side, last_side: the lengths of the part that is visible now and at the end of the zoom.
    """
    last_start = min(max(position - last_side / 2, 0.0), 1 - last_side)
    return last_start * (1 - side) / (1 - last_side)


def _blend_stages(
    pictures: Sequence[Image.Image], position: float, box: Box, size: tuple[int, int]
) -> Image.Image:
    """Return a frame: the part `box` of one picture, or of two successive pictures blended.

    position: an index of pictures with a fraction: 1.25 is pictures[1] with a quarter of pictures[2].
    box: the visible part.
    size: (width, height) of the frame in px.
    """
    index, fraction = int(position), position - int(position)
    frame = _crop(pictures[index], box, size)
    if fraction > 1e-6:
        return Image.blend(frame, _crop(pictures[index + 1], box, size), fraction)
    return frame


def _draw_sign(frame: Image.Image, text: str) -> None:
    """Draw a small label with a text into a frame's lower left corner."""
    font = load_font(SIGN_FONT_SIZE)
    draw = ImageDraw.Draw(frame, "RGBA")
    bottom, right = frame.height - SIGN_FONT_SIZE, 2.2 * SIGN_FONT_SIZE + text_width(text, font)
    draw.rounded_rectangle(
        (SIGN_FONT_SIZE, bottom - 1.9 * SIGN_FONT_SIZE, right, bottom),
        SIGN_FONT_SIZE / 2,
        fill=(0, 0, 0, 130),
    )
    baseline = (1.6 * SIGN_FONT_SIZE, bottom - 0.6 * SIGN_FONT_SIZE)
    draw.text(baseline, text, fill=(255, 255, 255), font=font, anchor="ls")


def _crop(picture: Image.Image, box: Box, size: tuple[int, int]) -> Image.Image:
    """Return a part of a picture, resized to (width, height) in px."""
    width, height = picture.size
    px = (box[0] * width, box[1] * height, box[2] * width, box[3] * height)
    return picture.resize(size, Image.Resampling.BICUBIC, box=px, reducing_gap=2.0)
