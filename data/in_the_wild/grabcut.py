"""A face parser without downloads: GrabCut, seeded from the landmarks, finds what the mask needs."""

import cv2
import numpy as np

from data.masking import Label

_ITERATIONS = 4
_SEED = 0


def parse_by_grabcut(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Labels an aligned portrait: head, neck and clothes are found; what the face leaves of the head is hair.

    Args:
        pixels: (S, S, 3) uint8, aligned.
        landmarks: (68, 2) in pixels of it.

    Returns:
        (S, S) uint8 of `data.masking.Label`; left and right as the viewer sees them.
    """
    person = _cut_person(pixels, landmarks)
    head, neck = _part_body(pixels, landmarks, person)
    labels = np.full(person.shape, Label.BACKGROUND, np.uint8)
    labels[person] = Label.CLOTH
    labels[neck] = Label.NECK
    labels[head] = Label.HAIR
    face = _fill(person.shape, _face(landmarks, 0.3))
    labels[head & face & _skin(pixels, landmarks)] = Label.SKIN
    _draw_features(labels, landmarks)
    return labels


def _face_height(landmarks: np.ndarray) -> float:
    """The distance from the middle of the brows to the chin."""
    return float(landmarks[8, 1] - landmarks[17:27, 1].mean())


def _face(landmarks: np.ndarray, forehead: float) -> np.ndarray:
    """The face's outline (N, 2): jaw, and the brows raised by a share of the face's height."""
    raised = landmarks[17:27] - (0, forehead * _face_height(landmarks))
    hull: np.ndarray = cv2.convexHull(np.concatenate([landmarks, raised]).astype(np.float32))[:, 0]
    return hull


def _egg(size: int, landmarks: np.ndarray) -> np.ndarray:
    """A head with usual hair as an egg, (S, S): below 1 inside, 1 on the outline, more outside."""
    rows, columns = np.mgrid[:size, :size]
    height, width = _face_height(landmarks), float(np.ptp(landmarks[:17, 0]))
    x, y = landmarks[27] - (0, 0.1 * height)
    egg: np.ndarray = ((columns - x) / (0.82 * width)) ** 2 + ((rows - y) / (1.15 * height)) ** 2
    return egg


def _fill(shape: tuple[int, ...], *polygons: np.ndarray) -> np.ndarray:
    mask = np.zeros(shape[:2], np.uint8)
    for polygon in polygons:
        cv2.fillPoly(mask, [np.round(polygon).astype(np.int32)], 1)
    return mask.astype(bool)


def _cut_person(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The person in front of the background, (S, S) bool."""
    size = pixels.shape[0]
    width, chin = float(np.ptp(landmarks[:17, 0])), landmarks[8, 1]
    rows, columns = np.mgrid[:size, :size]
    seeds = np.full((size, size), cv2.GC_PR_BGD, np.uint8)
    # Hair probably lies in an egg around the face, and not beyond a wider one. Neck and shoulders lie below.
    egg = _egg(size, landmarks)
    seeds[egg < 1] = cv2.GC_PR_FGD
    seeds[(egg > 1.7) & (rows < chin)] = cv2.GC_BGD
    seeds[(rows > chin) & (np.abs(columns - landmarks[8, 0]) < 0.45 * width + 0.9 * (rows - chin))] = cv2.GC_PR_FGD
    border = max(2, size // 40)
    above = rows < chin
    seeds[above & ((columns < border) | (columns >= size - border))] = cv2.GC_BGD
    # Hair may touch the upper border above the head, not in its corners.
    seeds[(rows < border) & (np.abs(columns - landmarks[27, 0]) > 0.6 * width)] = cv2.GC_BGD
    seeds[_fill(seeds.shape, _face(landmarks, 0.15))] = cv2.GC_FGD
    cv2.setRNGSeed(_SEED)
    outside, inside = np.zeros((1, 65)), np.zeros((1, 65))
    unused = (0, 0, size, size)  # GrabCut takes a rectangle, but ignores it when the seeds are a mask.
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    cv2.grabCut(bgr, seeds, unused, outside, inside, _ITERATIONS, cv2.GC_INIT_WITH_MASK)
    found = (seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD)
    return _largest_part(_smooth(found, size // 64))


def _part_body(pixels: np.ndarray, landmarks: np.ndarray, person: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Separates the head with its hair, and the neck, from the clothes: two masks (S, S) bool."""
    size, height = pixels.shape[0], _face_height(landmarks)
    width, chin = float(np.ptp(landmarks[:17, 0])), landmarks[8]
    rows, columns = np.mgrid[:size, :size]
    jaw = np.interp(columns[0], landmarks[:17, 0], landmarks[:17, 1])  # The jaw line goes on level beside the face.
    below = rows > jaw[None]
    skin = _skin(pixels, landmarks)
    throat = (np.abs(columns - chin[0]) < 0.5 * width) & (rows < chin[1] + 0.55 * height)
    neck = _smooth(person & below & throat & skin, size // 48)
    face = _fill(person.shape, _face(landmarks, 0.15))
    neck &= _reachable(neck | face, face)
    # Far from the face, and beside the neck, only pixels that look like the hair above the forehead are hair.
    band = _fill(person.shape, _face(landmarks, 0.6)) & ~_fill(person.shape, _face(landmarks, 0.3))
    near = (_egg(size, landmarks) < 0.85) & ~below
    hair = person & (near | _alike(pixels, band & person, 20)) & (rows < chin[1] + 0.35 * height)
    head = _smooth(face | hair & ~neck, size // 32) | face
    return _largest_part(head) & ~neck, neck


def _skin(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Pixels with the colour of the cheeks and the nose, (S, S) bool."""
    cheeks = _fill(pixels.shape, landmarks[[1, 2, 3, 4, 48, 31, 28, 36]], landmarks[[15, 14, 13, 12, 54, 35, 28, 45]])
    return _alike(pixels, cheeks) | _fill(pixels.shape, _face(landmarks, 0.05))


def _alike(pixels: np.ndarray, sample: np.ndarray, limit: float = 9) -> np.ndarray:
    """Pixels with colours like the sample's (S, S) bool: the squared Mahalanobis distance is below the limit.

    Lightness counts less than hue because light falls unevenly.
    """
    if sample.sum() < 16:
        return np.zeros_like(sample)
    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB).astype(np.float32) * (0.5, 1, 1)
    known = lab[sample]
    covariance = np.cov(known.T) + 4 * np.eye(3)
    offset = lab - np.median(known, axis=0)
    distance = np.einsum("hwi,ij,hwj->hw", offset, np.linalg.inv(covariance), offset)
    likely: np.ndarray = distance < limit
    return likely


def _smooth(mask: np.ndarray, radius: int) -> np.ndarray:
    """The mask without specks and frayed edges."""
    kernel = 2 * max(1, radius) + 1
    smooth: np.ndarray = cv2.medianBlur(mask.astype(np.uint8) * 255, kernel) > 127
    return smooth


def _largest_part(mask: np.ndarray) -> np.ndarray:
    """The largest connected part, with its holes filled."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = np.zeros(mask.shape, np.uint8)
    if contours:
        cv2.drawContours(largest, [max(contours, key=cv2.contourArea)], -1, 1, cv2.FILLED)
    return largest.astype(bool)


def _reachable(mask: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The connected parts of a mask that touch `start`."""
    _, parts = cv2.connectedComponents(mask.astype(np.uint8))
    touched = np.unique(parts[start & mask])
    return np.isin(parts, touched[touched > 0])


def _draw_features(labels: np.ndarray, landmarks: np.ndarray) -> None:
    """Draws brows, eyes, nose and mouth as the landmarks outline them."""
    thickness = max(2, labels.shape[0] // 48)
    for first, label in ((17, Label.LEFT_BROW), (22, Label.RIGHT_BROW)):
        line = np.round(landmarks[first : first + 5]).astype(np.int32)
        cv2.polylines(labels, [line], False, int(label), thickness)
    outlines = (
        (landmarks[[27, 31, 32, 33, 34, 35]], Label.NOSE),
        (landmarks[36:42], Label.LEFT_EYE),
        (landmarks[42:48], Label.RIGHT_EYE),
        (landmarks[[*range(48, 55), *range(64, 59, -1)]], Label.UPPER_LIP),
        (landmarks[[54, *range(55, 60), 48, 60, 67, 66, 65, 64]], Label.LOWER_LIP),
        (landmarks[60:68], Label.MOUTH),
    )
    for outline, label in outlines:
        cv2.fillPoly(labels, [np.round(outline).astype(np.int32)], int(label))
