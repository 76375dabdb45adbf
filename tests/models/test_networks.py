"""The networks against the golden numbers."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.age_code import anchor_blends, path_blends, position_blends, traversal_blends
from models.batch import Batch
from models.checkpoint import adopt_weights
from models.discriminator import DiscriminatorConfig, MultiScaleDiscriminator
from models.generator import Generator, GeneratorConfig
from models.initialization import initialize_centered
from models.layers import Blur, ModulatedConv2d, PixelNorm
from models.losses import LossWeights, discriminator_losses, fake_loss
from models.openvino_engine import Network, convert
from tests.golden_weights import GOLDEN, fill_from_names, golden_code, golden_input

SMALL_G, SMALL_D = GeneratorConfig(ngf=8, dim_per_class=4), DiscriminatorConfig(ndf=8, layers=4)
ALL = list(range(6))


def close(actual: torch.Tensor, expected: np.ndarray) -> None:
    assert tuple(actual.shape) == expected.shape
    np.testing.assert_allclose(actual.detach().numpy(), expected, rtol=0, atol=1e-4)


def keys(module: torch.nn.Module) -> list[list]:
    return [[name, list(tensor.shape)] for name, tensor in module.state_dict().items()]


@pytest.mark.parametrize(
    ("file", "module"),
    [
        ("keys_G", lambda: Generator(GeneratorConfig())),
        ("keys_G_small", lambda: Generator(SMALL_G)),
        ("keys_D", lambda: MultiScaleDiscriminator(DiscriminatorConfig())),
        ("keys_D_small", lambda: MultiScaleDiscriminator(SMALL_D)),
    ],
)
def test_state_dict_names_and_shapes_are_the_published_ones(file, module):
    assert sorted(keys(module())) == sorted(json.loads((GOLDEN / f"{file}.json").read_text()))


VARIANTS = {
    "no_normalize_mlp": {"normalize_mlp": False},
    "no_conv_weight_norm": {"equalized": False},
    "neither": {"normalize_mlp": False, "equalized": False},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_have_the_original_names_and_outputs(variant):
    generator = fill_from_names(Generator(replace(SMALL_G, **VARIANTS[variant])))
    assert keys(generator) == json.loads((GOLDEN / "keys_G_variants.json").read_text())[variant]
    code = golden_code("variants", [1, 4], 6, 4)
    pictures = generator.synthesize(golden_input("variants", (2, 3, 64, 64)), code)
    close(pictures, np.load(GOLDEN / "variants.npz")[f"G_{variant}"])


@pytest.mark.parametrize("variant", VARIANTS)
def test_files_with_the_names_of_earlier_versions_load(variant):
    """Those versions counted placeholders for norms, and had only plain layers with `--conv_weight_norm false`."""
    new = Generator(replace(SMALL_G, **VARIANTS[variant]))
    expected = new.state_dict()
    unnormalized, plain = "normalize" in variant or variant == "neither", variant != "no_normalize_mlp"
    old = {}
    for name, value in expected.items():
        if unnormalized:
            name = re.sub(r"(mlp\.model\.)(\d+)", lambda m: f"{m[1]}{int(m[2]) // 2 * 3 + 1}", name)
            name = re.sub(r"(mlp_class_std)\.", r"\1.0.", name)
        if plain and name.endswith("weight_orig"):
            name, value = name.removesuffix("_orig"), value * (2 / np.prod(value.shape[1:])) ** 0.5
        elif plain and re.search(r"_encoder\..*\.(weight|bias)$", name):
            name = re.sub(r"(weight|bias)$", r"conv.\1", name)
        old[name] = value
    assert set(old) != set(expected)
    fresh = Generator(new.config)
    adopt_weights(fresh, old, Path("old.pth"))
    for name, value in fresh.state_dict().items():
        torch.testing.assert_close(value, expected[name])


@pytest.fixture(scope="module")
def small():
    return np.load(GOLDEN / "small.npz")


@pytest.fixture(scope="module")
def generator():
    return fill_from_names(Generator(SMALL_G)).requires_grad_(False)


@pytest.fixture(scope="module")
def images():
    return torch.cat([golden_input("A", (2, 3, 64, 64)), golden_input("B", (2, 3, 64, 64))])


def test_mapping(generator, small):
    close(generator.latents(golden_code("x", ALL, 6, 4)), small["mapping"])


def test_encoders(generator, images, small):
    close(generator.encode(images), small["id_features"])
    close(generator.age_encoder(images), small["age_features"])


def test_decode(generator, images, small):
    code = golden_code("decode", [0, 2, 3, 5], 6, 4)
    close(generator.synthesize(images, code), small["decode"])


def test_discriminator(images, small):
    discriminator = fill_from_names(MultiScaleDiscriminator(SMALL_D))
    (scores,) = discriminator(images)
    close(scores, small["disc"])


def test_a_map_larger_than_the_head_has_a_score_and_a_loss_at_every_position():
    golden = json.loads((GOLDEN / "d_wide.json").read_text())
    config = DiscriminatorConfig(ndf=golden["ndf"], layers=golden["layers"])
    images = golden_input("wide", (4, 3, golden["size"], golden["size"])).requires_grad_()
    scores = fill_from_names(MultiScaleDiscriminator(config))(images)
    close(scores[0], np.load(GOLDEN / "variants.npz")["D_wide"])
    classes = torch.tensor(golden["classes"])
    batch = Batch(images[:2], images[2:], classes[:2], classes[2:])
    losses = discriminator_losses(
        LossWeights(), batch=batch, real_scores=scores, fake_scores=scores, penalised=images
    )
    assert losses["loss_D_real"].item() == pytest.approx(golden["real_loss"], rel=1e-3)
    assert fake_loss(scores, classes).item() == pytest.approx(golden["fake_loss"], rel=1e-3)
    assert losses["loss_D_reg"].item() == pytest.approx(golden["r1"], rel=2e-3)


def by_torch(generator):
    """A function that makes pictures (F, 3, H, W) in [-1, 1] of an image, anchors' codes and blends."""

    def render(image, codes, blends):
        latents = blends @ generator.latents(codes)
        return generator.decode(generator.encode(image).expand(len(latents), -1, -1, -1), latents)

    return render


def by_openvino(generator):
    """The same with the networks that OpenVINO's engine has, but without its rounding to bytes."""
    image, code, latent = torch.zeros(1, 3, 16, 16), torch.zeros(1, generator.config.code_dim), torch.zeros(1, 256)
    parts = (generator.id_encoder, image), (generator.decoder.mlp, code)
    encode, to_latents = (Network(convert(part, example), "fp32") for part, example in parts)
    decode = Network(convert(generator.decoder, generator.encode(image), latent), "fp32")

    def render(image, codes, blends):
        features, latents = encode(image.numpy()), blends.numpy() @ to_latents(codes.numpy())
        return torch.from_numpy(np.concatenate([decode(features, latent[None]) for latent in latents]))

    return render


@pytest.mark.parametrize("engine", [by_torch, by_openvino])
def test_deploy_and_traverse(engine, generator, images, small):
    codes, render = golden_code("x", ALL, 6, 4), engine(generator)
    close(render(images[:1], codes, anchor_blends(6)), small["deploy"])
    close(render(images[:1], codes, traversal_blends(6, 0.25)), small["traverse"])


@pytest.mark.parametrize(("engine", "frames"), [(by_torch, 11), (by_openvino, 2)])
def test_default_size(engine, frames):
    golden = np.load(GOLDEN / "default.npz")
    images = golden_input("default", (2, 3, 256, 256))
    codes = golden_code("default", ALL, 6, 50)
    with torch.no_grad():
        render = engine(fill_from_names(Generator(GeneratorConfig())))
        for name, blends in (("deploy", anchor_blends(6)), ("traverse", traversal_blends(6, 0.5))):
            pictures = render(images[:1], codes, blends[:frames])
            close(pictures[:, :, ::8, ::8], golden[name][:frames])
            statistics = torch.stack(
                [pictures.mean(dim=(1, 2, 3)), pictures.std(dim=(1, 2, 3), unbiased=False)], dim=1
            )
            np.testing.assert_allclose(statistics.numpy(), golden[f"{name}_mean_std"][:frames], rtol=0, atol=1e-4)


def test_discriminator_of_default_size():
    golden = np.load(GOLDEN / "default.npz")
    images = golden_input("default", (2, 3, 256, 256))
    with torch.no_grad():
        discriminator = fill_from_names(MultiScaleDiscriminator(DiscriminatorConfig()))
        close(discriminator(images)[0], golden["disc"])


@pytest.mark.parametrize(
    ("step", "frames"), [(0.5, 11), (0.3, 21), (0.25, 21), (0.2, 26), (0.1, 51), (0.06, 86), (0.05, 101)]
)
def test_frames_of_a_traversal(step, frames):
    blends = traversal_blends(6, step)
    assert len(blends) == frames
    torch.testing.assert_close(blends.sum(dim=1), torch.ones(frames))
    torch.testing.assert_close(blends[[0, -1]], torch.eye(6)[[0, 5]])


def test_blends_of_positions_and_paths():
    torch.testing.assert_close(
        position_blends(3, [0.0, 0.25, 2.0]), torch.tensor([[1.0, 0, 0], [0.75, 0.25, 0], [0, 0, 1]])
    )
    torch.testing.assert_close(
        path_blends(4, 1, 3, 0.5), torch.tensor([[0.0, 1, 0, 0], [0, 0.5, 0, 0.5], [0, 0, 0, 1]])
    )


def test_modulated_convolution_equals_its_definition():
    """One kernel for each sample, scaled, demodulated, on the upsampled and padded map."""
    torch.manual_seed(0)
    layer = ModulatedConv2d(6, 5, 256, upsample=True).double()
    x, latent = torch.randn(3, 6, 7, 9).double(), torch.randn(3, 256).double()
    expected = []
    for sample, style in zip(x, layer.mlp_class_std(latent), strict=True):
        weight = layer.weight * (2 / 54) ** 0.5 * (1 + style)[None, :, None, None]
        weight = weight * torch.rsqrt(weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-5)
        up = sample[None].repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        up = torch.nn.functional.pad(up, (1, 1, 1, 1), mode="reflect")
        expected.append(layer.blur(torch.nn.functional.conv2d(up, weight) + layer.bias))
    torch.testing.assert_close(layer(x, latent), torch.cat(expected))


def test_blur_is_twice_differentiable():
    blur = Blur(2).double()
    assert torch.autograd.gradgradcheck(blur, torch.randn(1, 2, 4, 4, dtype=torch.double, requires_grad=True))


@pytest.mark.parametrize("shape", [(2, 5, 3, 4), (3, 6)])
def test_pixel_norm_has_the_gradient_of_its_formula(shape):
    x = torch.randn(shape, dtype=torch.double, requires_grad=True)
    expected = x / (x.square().mean(dim=1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(PixelNorm()(x), expected)
    assert torch.autograd.gradcheck(PixelNorm(), x)


def test_scales_see_a_pyramid():
    discriminator = MultiScaleDiscriminator(DiscriminatorConfig(ndf=4, layers=4, scales=3))
    images = torch.randn(2, 3, 64, 64)
    scores = discriminator(images)
    assert [tuple(score.shape) for score in scores] == [(2, 6, 1, 1)] * 3
    coarse = torch.nn.functional.avg_pool2d(images, 4)
    torch.testing.assert_close(scores[2], discriminator.coarser[1](coarse)[0])


def test_variants_run():
    """Every architecture option builds a network that maps pictures to pictures."""
    images = torch.randn(2, 3, 16, 16)
    for change in (
        {"id_norm": "instance"},
        {"modulated": False},
        {"equalized": False},
        {"normalize_mlp": False},
        {"decoder_pixel_norm": False},
        {"residual_pixel_norm": True},
        {"activation": "relu"},
        {"downsamplings": 1, "adaptive_blocks": 2},
    ):
        config = GeneratorConfig(ngf=4, num_classes=3, dim_per_class=2, **change)
        pictures = Generator(config).synthesize(images, torch.randn(2, 6))
        assert pictures.shape == images.shape, change
        assert torch.isfinite(pictures).all(), change


def test_centered_kernels_have_no_mean():
    generator = Generator(SMALL_G)
    initialize_centered(generator)
    weight = generator.id_encoder.encoder[5].conv.weight_orig
    torch.testing.assert_close(weight.mean(dim=(1, 2, 3)), torch.zeros(len(weight)), atol=1e-6, rtol=0)
    assert generator.age_encoder.encoder[4].conv.weight_orig.mean(dim=(1, 2, 3)).abs().max() > 1e-3


@pytest.mark.parametrize("change", [{}, {"modulated": False}, {"normalize_mlp": False}])
def test_centered_styles_differ_little_between_channels(change):
    spreads = []
    for initialize in (lambda generator: None, initialize_centered):
        torch.manual_seed(0)
        generator = Generator(replace(SMALL_G, **change))
        initialize(generator)
        latents = generator.latents(torch.randn(20, SMALL_G.code_dim))
        styles = generator.decoder.StyledConvBlock_0.conv1.mlp_class_std(latents)
        assert styles.std(dim=0).mean() > 0, "styles still depend on the age"
        spreads.append(((1 + styles).std(dim=1) / (1 + styles).mean(dim=1).abs()).median())
    assert spreads[1] < 0.35 < spreads[0]
