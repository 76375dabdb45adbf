"""The geometry of a head: its outline, and where its points lie in the frame.

Face units: the eyes of the average adult lie at y = 0, the chin at 1.07, the top of the skull at -1.02; x grows to
the viewer's right and is 0 on the nose.
"""

from dataclasses import dataclass

import numpy as np

from datasets.renderer.canvas import mirror, spline
from datasets.renderer.growth import Stage, stage, strain
from datasets.renderer.identity import Identity

# The right half of the average adult's outline, from the top of the skull to the chin.
_OUTLINE = np.array(
    [
        (0, -1.02),
        (0.38, -0.95),
        (0.62, -0.68),
        (0.70, -0.30),
        (0.695, 0.02),
        (0.66, 0.32),
        (0.58, 0.62),
        (0.40, 0.88),
        (0.20, 1.03),
        (0, 1.07),
    ]
)
# How far features lie in front of the outline, and so how far they move sideways when the head turns.
_DEPTH = 0.1


@dataclass(frozen=True)
class Pose:
    """What changes from picture to picture.

    Attributes:
        roll: radians.
        turn: to the viewer's left (negative) or right, -1 to 1.
        shift: how far the head is from its aligned place, in units of the frame.
        zoom: a factor on the size, about 1.
        smile: 0 to 1; above 0.7 the mouth opens.
        light: where the light comes from, -1 left to 1 right.
    """

    roll: float
    turn: float
    shift: tuple[float, float]
    zoom: float
    smile: float
    light: float


@dataclass(frozen=True)
class Head:
    """A person at an age, in a pose.

    Attributes:
        outline: (N, 2), face and skull in face units, from the top down the viewer's right side and back up.
        eyes: the distance of each pupil from the middle.
        nose_y, mouth_y, chin_y: y of the nose's base, the line of the mouth and the chin.
        scale: how many units of the frame a face unit has.
    """

    identity: Identity
    stage: Stage
    pose: Pose
    outline: np.ndarray
    eyes: float
    nose_y: float
    mouth_y: float
    chin_y: float
    scale: float
    rotation: np.ndarray
    center: np.ndarray

    def place(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 2) in face units -> units of the frame."""
        grown = strain(np.asarray(points, float), self.stage.strain)
        aside = np.clip(1 - (grown[:, 0] / 0.7) ** 2, 0, 1) * np.clip(1 - grown[:, 1] ** 2 / 1.4, 0, 1)
        grown[:, 0] += _DEPTH * self.pose.turn * aside
        return (grown - self.center) @ self.rotation.T * self.scale + 0.5 + np.array(self.pose.shift)

    def point(self, x: float, y: float) -> np.ndarray:
        """One point (2,) in units of the frame."""
        point: np.ndarray = self.place(np.array([(x, y)]))[0]
        return point


def make_head(identity: Identity, age: float, pose: Pose) -> Head:
    """A person's head. The frame lies around eyes and mouth as alignment would place it (docs/method.md, Photos)."""
    now = stage(identity, age)
    male = identity.gender == "male"
    grown = now.mature
    chin = 0.05 * identity.chin_length * (0.3 + 0.7 * grown) + (0.035 if male else -0.02) * grown
    half = _OUTLINE.copy()
    half[:3, 1] -= 0.03 * identity.forehead
    half[3:6, 0] += 0.03 * identity.cheeks * np.array([0.2, 0.6, 1])
    half[5:9, 0] *= 1 + (0.09 * identity.jaw_width + (0.06 if male else -0.05)) * grown
    half[5:9, 0] += np.array([0.02, 0.05, 0.05, 0.03]) * now.baby + np.array([0.0, 0.02, 0.03, 0.02]) * now.child
    half[5:9, 0] += np.array([0.02, 0.055, 0.065, 0.04]) * now.settled
    half[5:9, 0] += np.array([-0.012, 0.022, 0.045, 0.02]) * now.sag
    half[6:9, 1] += 0.03 * now.sag
    half[7:, 1] += chin * np.array([0.5, 0.9, 1])
    half[:, 0] *= 1 + 0.05 * identity.head_width
    curve = spline(half)
    outline = np.concatenate([curve, mirror(curve)[-2:0:-1]])

    eyes = 0.33 * (1 + 0.06 * identity.eye_spacing)
    mouth_y = 0.715 + 0.4 * chin + 0.02 * identity.nose_length
    ends = strain(np.array([(eyes, 0), (0.2, mouth_y)]), now.strain)
    eye_to_eye, eye_to_mouth = 2 * ends[0, 0], ends[1, 1] - ends[0, 1]
    cosine, sine = np.cos(pose.roll), np.sin(pose.roll)
    return Head(
        identity=identity,
        stage=now,
        pose=pose,
        outline=outline,
        eyes=eyes,
        nose_y=0.45 + 0.035 * identity.nose_length + 0.02 * now.sag,
        mouth_y=mouth_y,
        chin_y=float(half[-1, 1]),
        scale=pose.zoom * 0.5 / max(2.0 * eye_to_eye, 2.2 * eye_to_mouth),
        rotation=np.array([(cosine, -sine), (sine, cosine)]),
        center=np.array([0, ends[0, 1] + 0.1 * eye_to_mouth]),
    )
