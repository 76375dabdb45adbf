"""Entry point of torch.hub: torch.hub.load(FOLDER, "lifespan", "demo_model", source="local")."""

from pathlib import Path
from typing import Any

from models.transformer import AgeTransformer

dependencies = ["torch", "torchvision", "numpy", "scipy", "PIL", "pi_heif", "cv2", "av", "dlib", "unidecode", "tqdm"]


def lifespan(name: str = "demo_model", **settings: Any) -> AgeTransformer:
    """A model for `age` and `video`, from the checkpoints beside this file.

    Args:
        name: of the model; what `AgeTransformer.from_pretrained` says of a missing one also says how to fetch it.
        settings: other arguments of `AgeTransformer.from_pretrained`.
    """
    settings = {"checkpoints_dir": Path(__file__).parent / "checkpoints", **settings}
    return AgeTransformer.from_pretrained(name, **settings)
