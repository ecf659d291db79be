"""Conditions of a picture (pose, light, camera, occlusion) and what they do to its pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from synthfaces.drawing import OUTLINE, Drawing, Pose
from synthfaces.landmarks import Points
from synthfaces.person import RGB

__all__ = ["Picture", "Shot", "compose", "degrade", "draw_background", "draw_occluder", "draw_shot"]

Picture = NDArray[np.float32]  # (H, W, 3), RGB in [0, 1]

# Pixels per half width below which a face is drawn four times too large, not twice.
_SMALL_SCALE = 24.0


@dataclass(frozen=True)
class Shot:
    """Everything about a picture that is neither person nor emotion.

    Args:
        intensity: of the expression.
        yaw: see `Pose`.
        pitch: see `Pose`.
        roll: see `Pose`.
        shift: (2,) of the face out of the picture's middle, in half widths.
        zoom: of the face.
        gaze: (2,) where the eyes look.
        shirt: colour of the clothes.
        light: angle the light comes from, radians.
        contrast: of the light's gradient over the face.
        gain: brightness of the picture.
        blur: standard deviation in pixels.
        noise: standard deviation, as a share of full brightness.
        occluder: what covers a part of the face: `none`, `hand`, `bar`.
        hidden: (2,) where it is, in half widths.
    """

    intensity: float
    yaw: float
    pitch: float
    roll: float
    shift: Points
    zoom: float
    gaze: Points
    shirt: RGB
    light: float
    contrast: float
    gain: float
    blur: float
    noise: float
    occluder: str
    hidden: Points

    def next_frame(self, rng: np.random.Generator) -> Shot:
        """The same conditions a moment later."""
        return replace(
            self,
            intensity=min(1.0, self.intensity * rng.uniform(0.75, 1.2)),
            yaw=self.yaw + rng.normal(0, 0.05),
            pitch=self.pitch + rng.normal(0, 0.03),
            roll=self.roll + rng.normal(0, 0.03),
            shift=self.shift + rng.normal(0, 0.02, 2),
            gaze=np.clip(self.gaze + rng.normal(0, 0.2, 2), -1, 1),
        )


def draw_shot(rng: np.random.Generator, min_intensity: float, variation: float = 1.0) -> Shot:
    """Random conditions of a picture.

    Args:
        rng: source of all randomness.
        min_intensity: of the weakest expression; 1 is the strongest.
        variation: of pose, light, camera and occlusion. At 0 every face is frontal, evenly lit,
            sharp and in full view, as in a laboratory; at 1 pictures differ as photographs do.
    """
    red, green, blue = rng.uniform(30, 220, 3)
    v = variation
    return Shot(
        intensity=rng.uniform(min_intensity, 1.0),
        yaw=float(np.clip(rng.normal(0, 0.15 * v), -0.35, 0.35)),
        pitch=float(np.clip(rng.normal(0, 0.08 * v), -0.2, 0.2)),
        roll=float(np.clip(rng.normal(0, 0.06 * v), -0.2, 0.2)),
        shift=np.clip(rng.normal(0, 0.035 * v, 2), -0.1, 0.1),
        zoom=rng.uniform(1 - 0.05 * v, 1 + 0.07 * v),
        gaze=np.clip(rng.normal(0, 0.35 * v, 2), -1, 1),
        shirt=(red, green, blue),
        light=rng.uniform(0, 2 * np.pi),
        contrast=rng.uniform(0.0, 0.35 * v),
        gain=rng.uniform(1 - 0.25 * v, 1 + 0.2 * v),
        blur=rng.uniform(0.0, 0.7 * v),
        noise=rng.uniform(0.004, 0.004 + 0.021 * v),
        occluder=str(
            rng.choice(["none", "hand", "bar"], p=[1 - 0.08 * v - 0.04 * v, 0.08 * v, 0.04 * v])
        ),
        hidden=rng.uniform((-0.9, -0.4), (0.9, 1.2)),
    )


def draw_occluder(drawing: Drawing, shot: Shot, skin: RGB) -> None:
    """A hand with four fingers, or a bar, before the face."""
    x, y = shot.hidden
    if shot.occluder == "hand":
        for finger in range(4):
            top = np.array([(x + 0.17 * finger, y), (x + 0.17 * finger + 0.1, y + 2.0)])
            drawing.line(top, tuple(0.72 * c for c in skin), 0.19, OUTLINE)  # type: ignore[arg-type]
            drawing.line(top + np.array((0.01, 0.03)), tuple(0.95 * c for c in skin), 0.14, OUTLINE)  # type: ignore[arg-type]
    elif shot.occluder == "bar":
        bar = np.array([(-1.3, y), (1.3, y + 0.4 * x), (1.3, y + 0.4 * x + 0.22), (-1.3, y + 0.22)])
        drawing.fill(bar, shot.shirt, OUTLINE)


def draw_background(width: int, height: int, rng: np.random.Generator) -> Picture:
    """Soft patches of colour with a few straight edges, as a room has."""
    base, tint = rng.uniform(0.2, 0.75), rng.normal(0, 0.05, 3)
    patches = rng.normal(0, 0.11, (4, 5, 1)) + rng.normal(0, 0.025, (4, 5, 3))
    small = np.clip(base + tint + patches, 0, 1).astype(np.float32)
    picture: Picture = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(int(rng.integers(0, 4))):
        x0, x1 = np.sort(rng.integers(0, width + 1, 2))
        y0, y1 = np.sort(rng.integers(0, height + 1, 2))
        picture[y0:y1, x0:x1] += rng.normal(0, 0.1)
    return np.clip(picture, 0, 1)


def compose(below: Picture, drawing: Drawing, pose: Pose, shot: Shot) -> Picture:
    """A lit face over its background."""
    supersample = 4 if pose.scale < _SMALL_SCALE else 2
    ink, shade = drawing.layers(below.shape[1], below.shape[0], pose, supersample)
    lit = ink[..., :3] * (shade * _light(shade.shape, pose, shot))[..., None]
    picture: Picture = lit + below * (1 - ink[..., 3:])
    return picture


def _light(shape: tuple[int, ...], pose: Pose, shot: Shot) -> NDArray[np.float32]:
    """Brightness (H, W) of a round head lit from one side."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    nx = np.clip((x + 0.5 - pose.x) / (1.25 * pose.scale), -1, 1).astype(np.float32)
    ny = np.clip((y + 0.5 - pose.y) / (1.75 * pose.scale), -1, 1).astype(np.float32)
    front = np.sqrt(np.maximum(0, 1 - nx**2 - ny**2))
    side = np.float32(np.cos(shot.light)) * nx + np.float32(np.sin(shot.light)) * ny
    factor: NDArray[np.float32] = 0.82 + 0.28 * front + np.float32(shot.contrast) * side
    return factor


def degrade(picture: Picture, shot: Shot, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Apply the camera: gain, blur, noise, eight bits."""
    if shot.blur > 0.25:
        picture = cv2.GaussianBlur(picture, (0, 0), shot.blur)
    noise = rng.standard_normal(picture.shape, dtype=np.float32)
    noisy = shot.gain * picture + np.float32(shot.noise) * noise
    eight_bits: NDArray[np.uint8] = np.rint(255 * np.clip(noisy, 0, 1)).astype(np.uint8)
    return eight_bits
