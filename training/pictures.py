"""Pictures with boxes, as `cartlab dataset export --format coco` writes them, and batches of them.

What a batch holds depends on the seed and on its number alone, so that a training that was stopped goes on with the
batches that it would have seen.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

PADDING = 114
"""What fills an input where the picture does not; the bundle's manifest says the same."""


@dataclass
class Pictures:
    """One split of a data set: files, and for each its boxes as rows of class, left, top, right, bottom (pixels)."""

    files: list[Path]
    boxes: list[np.ndarray]
    labels: list[str]
    roles: list[str]
    ids: list[str | None]

    @classmethod
    def read(cls, directory: Path, split: str, least_visibility: float = 0.2) -> "Pictures":
        """Boxes of what is visible to a lesser share are left out: nobody could tell what it is."""
        document = json.loads((directory / "annotations" / f"instances_{split}.json").read_text())
        categories = document["categories"]
        index = {category["id"]: place for place, category in enumerate(categories)}
        place = {image["id"]: i for i, image in enumerate(document["images"])}
        rows: list[list] = [[] for _ in place]
        for a in document["annotations"]:
            if a.get("visibility", 1.0) >= least_visibility:
                x, y, w, h = a["bbox"]
                rows[place[a["image_id"]]].append([index[a["category_id"]], x, y, x + w, y + h])
        return cls(
            files=[directory / "images" / split / image["file_name"] for image in document["images"]],
            boxes=[np.array(r, np.float32).reshape(-1, 5) for r in rows],
            labels=[category["name"] for category in categories],
            roles=[category["supercategory"] for category in categories],
            ids=[category["catalogue_id"] for category in categories],
        )

    def __len__(self) -> int:
        return len(self.files)

    def load(self, index: int) -> np.ndarray:
        """A picture: height × width × RGB, bytes."""
        picture = cv2.imread(str(self.files[index]), cv2.IMREAD_COLOR)
        if picture is None:
            raise OSError(f"{self.files[index]}: cannot be read as a picture; export the data set anew")
        return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)

    def weights(self, empty: float = 0.15) -> np.ndarray:
        """How often each picture is drawn: a basket with nothing in it teaches little after the first hundred."""
        items = {place for place, role in enumerate(self.roles) if role != "hand"}
        weights = np.array([1.0 if any(int(b[0]) in items for b in boxes) else empty for boxes in self.boxes])
        return weights / weights.sum()


def fitted(picture: np.ndarray, width: int, height: int) -> tuple[np.ndarray, float]:
    """A picture as the cart puts it into the input: scaled to fit, at the top left. And the scale."""
    h, w = picture.shape[:2]
    scale = min(width / w, height / h)
    if scale != 1.0:
        picture = cv2.resize(picture, (round(w * scale), round(h * scale)), interpolation=cv2.INTER_LINEAR)
    out = np.full((height, width, 3), PADDING, np.uint8)
    out[: picture.shape[0], : picture.shape[1]] = picture
    return out, scale


def varied(
    picture: np.ndarray, boxes: np.ndarray, width: int, height: int, dice: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A picture moved, scaled and lit a little otherwise. The dummy cart varies lamps, cameras and wear already; this
    stands for a camera that is mounted or exposed another way. No mirror images: print is never mirrored."""
    h, w = picture.shape[:2]
    scale = min(width / w, height / h) * dice.uniform(0.85, 1.2)
    shift = dice.uniform(-0.12, 0.12, 2) * (width, height)
    centre = np.array([width, height * (h * width) / (w * height)]) / 2
    offset = centre + shift - np.array([w, h]) * scale / 2
    matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
    out = cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=(PADDING,) * 3)
    # Saturation about the grey of a pixel, contrast about the middle, brightness, and the tint of each channel: together
    # one affine map of colours.
    contrast, brightness, saturation = dice.uniform(0.8, 1.25), dice.uniform(-20, 20), dice.uniform(0.8, 1.2)
    tint = dice.uniform(0.95, 1.05, 3)
    colours = contrast * (saturation * np.eye(3) + (1 - saturation) / 3)
    lift = np.full((3, 1), 128 * (1 - contrast) + brightness)
    out = cv2.transform(out, np.hstack([colours, lift]) * tint[:, None])
    if len(boxes) == 0:
        return out, boxes
    moved = boxes.copy()
    moved[:, 1::2] = boxes[:, 1::2] * scale + offset[0]
    moved[:, 2::2] = boxes[:, 2::2] * scale + offset[1]
    before = (moved[:, 3] - moved[:, 1]) * (moved[:, 4] - moved[:, 2])
    moved[:, 1::2] = moved[:, 1::2].clip(0, width)
    moved[:, 2::2] = moved[:, 2::2].clip(0, height)
    sides = np.stack([moved[:, 3] - moved[:, 1], moved[:, 4] - moved[:, 2]], 1)
    kept = (sides.min(1) >= 3) & (sides.prod(1) >= 0.3 * before)
    return out, moved[kept]


class Batches:
    """Batch number → pictures and targets, for a `DataLoader` with `batch_size=None`."""

    def __init__(self, pictures: Pictures, width: int, height: int, batch: int, seed: int, first: int, last: int):
        self.pictures, self.width, self.height, self.batch = pictures, width, height, batch
        self.seed, self.first, self.last = seed, first, last
        self.weights = pictures.weights().cumsum()

    def __len__(self) -> int:
        return self.last - self.first

    def __getitem__(self, index: int):
        import torch

        cv2.setNumThreads(0)
        dice = np.random.default_rng([self.seed, self.first + index])
        drawn = np.minimum(np.searchsorted(self.weights, dice.random(self.batch)), len(self.pictures) - 1)
        images, targets = [], []
        for i in drawn:
            image, boxes = varied(self.pictures.load(i), self.pictures.boxes[i], self.width, self.height, dice)
            images.append(image)
            targets.append(boxes)
        most = max(1, max(len(t) for t in targets))
        # Rows that are not used are class −1 and an empty box, which no anchor can belong to.
        padded = np.zeros((self.batch, most, 5), np.float32)
        padded[:, :, 0] = -1
        for row, t in zip(padded, targets):
            row[: len(t)] = t / np.array([1, self.width, self.height, self.width, self.height], np.float32)
        return torch.from_numpy(np.stack(images)), torch.from_numpy(padded)
