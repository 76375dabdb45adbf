"""A model's folder: finding it by its name, and the options in its `opt.txt` that describe the model."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from data.age_classes import ANCHORS
from data.transforms import ResizeMode, Transform
from models.age_code import NOISE_SIGMA
from models.checkpoint import Network
from models.generator import GeneratorConfig
from models.layers import Activation
from util.errors import UserError
from util.opt_file import OPT_FILE, read_options

# Files that make a folder a model.
_WEIGHTS = "*_net_*.pth"
_PUBLISHED = ("males_model", "females_model")


@dataclass(frozen=True)
class ModelOptions:
    """The options that describe a generator and its pictures. The defaults are the published models'."""

    loadSize: int = 256
    fineSize: int = 256
    resize_or_crop: ResizeMode = "resize_and_crop"
    sort_order: tuple[str, ...] = ANCHORS
    input_nc: int = 3
    output_nc: int = 3
    ngf: int = 64
    gen_dim_per_style: int = 50
    n_downsample: int = 2
    n_adaptive_blocks: int = 4
    id_enc_norm: Literal["pixel", "instance"] = "pixel"
    decoder_norm: Literal["pixel", "none"] = "pixel"
    activation: Activation = "lrelu"
    use_modulated_conv: bool = True
    conv_weight_norm: bool = True
    normalize_mlp: bool = True
    use_resblk_pixel_norm: bool = False
    no_cond_noise: bool = False
    no_moving_avg: bool = False

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "ModelOptions":
        """Takes what describes a model out of the values of all options; what is missing keeps its default."""
        return cls(**{field.name: values[field.name] for field in fields(cls) if field.name in values})

    @property
    def generator_config(self) -> GeneratorConfig:
        """The sizes and variants of the generator."""
        return GeneratorConfig(
            ngf=self.ngf,
            num_classes=len(self.sort_order),
            dim_per_class=self.gen_dim_per_style,
            in_channels=self.input_nc,
            out_channels=self.output_nc,
            downsamplings=self.n_downsample,
            adaptive_blocks=self.n_adaptive_blocks,
            id_norm=self.id_enc_norm,
            decoder_pixel_norm=self.decoder_norm == "pixel",
            residual_pixel_norm=self.use_resblk_pixel_norm,
            activation=self.activation,
            modulated=self.use_modulated_conv,
            normalize_mlp=self.normalize_mlp,
            equalized=self.conv_weight_norm,
        )

    @property
    def network(self) -> Network:
        """The weights that are used: the moving average, or the last ones."""
        return "G" if self.no_moving_avg else "g_running"

    @property
    def noise_sigma(self) -> float:
        """The standard deviation of the noise in age codes."""
        return 0.0 if self.no_cond_noise else NOISE_SIGMA

    def transform(self, *, flip: bool) -> Transform:
        """The transform that brings pictures to the model's size."""
        return Transform(self.resize_or_crop, self.loadSize, self.fineSize, flip, 2**self.n_downsample)


def is_model(folder: Path) -> bool:
    """Whether a folder holds weights."""
    return any(folder.glob(_WEIGHTS))


def model_names(root: Path) -> list[str]:
    """The models in the folder `root`."""
    return sorted({path.parent.name for path in root.glob(f"*/{_WEIGHTS}")})


def find_model(name: str, root: Path) -> Path:
    """The folder of a model in the folder `root`.

    Raises:
        UserError: there is no such model; the message lists the existing ones, and says what fetches a published one.
    """
    folder = root / name
    if is_model(folder):
        return folder
    models = model_names(root)
    existing = f"it holds {', '.join(models)}" if models else "it holds no model"
    get = "python download_models.py fetches the published ones"
    if name in _PUBLISHED:
        get = (
            f"To fetch it and the face parser (678 MB; CC BY-NC-SA 4.0, not for commercial use): "
            f"python download_models.py --only {name} deeplab_model"
        )
    raise UserError(f"{name}: no such model in {root}; {existing}. {get}")


def read_model_options(folder: Path) -> ModelOptions:
    """What a model's opt.txt says of it. What it lacks has the published models' value.

    Raises:
        UserError: a line holds a value that the option cannot have.
    """
    path = folder / OPT_FILE
    texts = read_options(path) if path.is_file() else {}
    values = {}
    for name, kind in get_type_hints(ModelOptions).items():
        text = texts.get(name, "None")
        if text == "None":
            continue
        try:
            values[name] = _value(text, kind)
        except ValueError:
            raise UserError(f"{path}: '{name}: {text}' is not a valid value; correct the line") from None
    return ModelOptions(**values)


def _value(text: str | bool, kind: Any) -> Any:
    """The value of a field in opt.txt; raises ValueError if it is not of the kind."""
    if kind is int:
        return int(str(text))
    if kind is bool:
        if not isinstance(text, bool):
            raise ValueError(text)
        return text
    if choices := get_args(kind) if kind != tuple[str, ...] else ():
        if text not in choices:
            raise ValueError(text)
        return text
    # Saved lists of the original have brackets and quotes.
    return tuple(name.strip(" []'\"") for name in str(text).split(","))
