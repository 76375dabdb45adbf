"""Starting from another model: a widened generator makes the same pictures as before."""

import pytest
import torch
from torch import nn

from models.checkpoint import write_tensors
from models.generator import LAYERS_PER_LEVEL, Generator, GeneratorConfig
from models.pretrained import load_pretrained_weights
from util.errors import UserError

SMALL = GeneratorConfig(ngf=4, num_classes=3, dim_per_class=2)


@pytest.mark.parametrize("change", [{}, {"equalized": False}, {"id_norm": "instance"}])
def test_a_wider_network_goes_on_from_the_pictures_of_a_narrower_one(tmp_path, monkeypatch, change):
    torch.manual_seed(0)
    config, path, classes = vars(SMALL) | change, tmp_path / "narrow.pth", ["a", "b", "c"]
    narrow, wider = Generator(GeneratorConfig(**config)), Generator(GeneratorConfig(**config | {"ngf": 12}))
    for name, parameter in narrow.named_parameters():
        if "bias" in name:
            nn.init.normal_(parameter, std=0.3)
    write_tensors(path, narrow.state_dict())
    images, codes = torch.rand(2, 3, 16, 16) * 2 - 1, torch.rand(2, SMALL.code_dim)
    with torch.no_grad():
        pictures, ages = narrow.synthesize(images, codes), narrow.age_encoder(images)

        def differences():
            load_pretrained_weights(wider, path, old=classes, new=classes, copies=3)
            made = wider.synthesize(images, codes)
            return (made - pictures).abs().mean(), (wider.age_encoder(images) - ages).abs().mean()

        parted = differences()
        first, _, copy = wider.state_dict()["decoder.StyledConvBlock_0.conv0.weight"].chunk(3, dim=1)
        assert not torch.equal(first, copy), "copies can part"
        monkeypatch.setattr("models.pretrained._FRESH_SHARE", 0)
        exact = differences()
    assert max(exact) < 1e-4
    assert max(exact) < max(parted) < 0.2 * pictures.std()


@pytest.mark.parametrize(("change", "option"), [({"ngf": 6}, "--ngf"), ({"dim_per_class": 6}, "--gen_dim_per_style")])
def test_only_channels_are_taken_several_times(tmp_path, change, option):
    path = tmp_path / "narrow.pth"
    write_tensors(path, Generator(SMALL).state_dict())
    wider, classes = Generator(GeneratorConfig(**vars(SMALL) | {"ngf": 12} | change)), ["a", "b", "c"]
    with pytest.raises(UserError, match=option):
        load_pretrained_weights(wider, path, old=classes, new=classes, copies=3)


@torch.no_grad()
def test_a_network_for_larger_pictures_holds_the_smaller_ones_inside(tmp_path):
    torch.manual_seed(0)
    path, classes = tmp_path / "small.pth", ["a", "b", "c"]
    small = Generator(GeneratorConfig(ngf=8, num_classes=3, dim_per_class=2))
    large = Generator(GeneratorConfig(ngf=4, num_classes=3, dim_per_class=2, downsamplings=3))
    write_tensors(path, small.state_dict())
    outer = large.state_dict()["id_encoder.encoder.5.conv.weight_orig"].clone()
    load_pretrained_weights(large, path, old=classes, new=classes, levels=1)
    maps, latents = torch.rand(1, 8, 16, 16), torch.rand(1, 256)
    # The layers inside the outermost resolution, and the blocks up to it.
    features = small.id_encoder.encoder[LAYERS_PER_LEVEL:](maps)
    assert torch.equal(large.id_encoder.encoder[2 * LAYERS_PER_LEVEL :](maps), features)
    assert torch.equal(large.state_dict()["id_encoder.encoder.5.conv.weight_orig"], outer)
    for name in ("StyledConvBlock_0", "StyledConvBlock_up1"):
        before, after = small.decoder.get_submodule(name), large.decoder.get_submodule(name)
        maps = torch.rand(1, before.conv0.weight.shape[1], 8, 8)
        assert torch.equal(after(maps, latents), before(maps, latents))
    assert torch.equal(large.latents(torch.ones(1, 6)), small.latents(torch.ones(1, 6)))
