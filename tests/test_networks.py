"""The networks have the paper's shape, and the batched ones are the single ones several times."""

import pytest
import torch

from loopscope.detection.member_networks import MemberAutoEncoder
from loopscope.detection.networks import ELU_ALPHA, AutoEncoder, ResidualAutoEncoder


def test_layers_are_those_of_figure_3():
    net = AutoEncoder(1024)
    assert [tuple(layer.weight.shape) for layer in net.encoder] == [
        (512, 1024), (256, 512), (128, 256), (64, 128), (32, 64),
    ]  # fmt: skip
    assert [tuple(layer.weight.shape) for layer in net.decoder] == [
        (64, 32), (128, 64), (256, 128), (512, 256), (1024, 512),
    ]  # fmt: skip
    assert [layer.norm is None for layer in (*net.encoder, *net.decoder)] == [False] * 4 + [True] + [False] * 4 + [True]
    assert not any("bias" in name for name, _ in net.named_parameters() if "norm" not in name)
    assert all(layer.dropout.p == 0.2 for layer in net.encoder)


def test_skips_add_encoder_layer_i_to_the_input_of_decoder_layer_5_minus_i():
    net = ResidualAutoEncoder(40, layer_sizes=(20, 16, 12, 8, 4)).eval()
    x = torch.randn(6, 40, generator=torch.Generator().manual_seed(0))
    encoded = [x]
    for layer in net.encoder:
        encoded.append(layer(encoded[-1]))
    h = encoded[5]
    for j, layer in enumerate(net.decoder):
        h = layer(h + encoded[5 - j] if j else h)
    torch.testing.assert_close(net(x), h)
    torch.testing.assert_close(net(x, with_skips=False), AutoEncoder.forward(net, x))
    assert not torch.allclose(net(x), net(x, with_skips=False))


def test_activation_is_elu_with_the_published_slope():
    layer = AutoEncoder(40).eval().encoder[0]
    x = torch.randn(9, 40, generator=torch.Generator().manual_seed(0))
    linear = torch.nn.functional.linear(x, layer.weight) / (1 + layer.norm.eps) ** 0.5
    torch.testing.assert_close(layer(x), torch.where(linear > 0, linear, ELU_ALPHA * torch.expm1(linear)))


def test_dropout_zeroes_a_fifth_while_training_and_nothing_after():
    net = AutoEncoder(64, generator=torch.Generator().manual_seed(0))
    out = net.encoder[0](torch.randn(400, 64, generator=torch.Generator().manual_seed(1)))
    assert (out == 0).float().mean().item() == pytest.approx(0.2, abs=0.01)
    assert (net.eval().encoder[0](torch.ones(4, 64)) == 0).sum() == 0


@pytest.mark.parametrize("residual", [False, True])
def test_members_are_independent_autoencoders(residual):
    generator = torch.Generator().manual_seed(0)
    sizes = (20, 16, 12, 8, 4)
    members = MemberAutoEncoder(3, 40, residual, 0.0, generator, sizes)
    single = (ResidualAutoEncoder if residual else AutoEncoder)(40, sizes, dropout=0.0, generator=generator)
    for batched, alone in zip(
        (*members.encoder.layers, *members.decoder), (*single.encoder, *single.decoder), strict=True
    ):
        alone.weight.data = batched.weight[1].T.detach().clone()
    x = torch.randn(3, 10, 40, generator=generator)
    torch.testing.assert_close(members(x)[1], single(x[1]), rtol=1e-4, atol=1e-5)  # batch statistics, training mode
    torch.testing.assert_close(members.eval()(x)[1], single.eval()(x[1]), rtol=1e-4, atol=1e-5)  # running statistics


def test_skip_dropout_thins_skips_while_training_only():
    members = MemberAutoEncoder(2, 40, True, 1.0 - 1e-9, torch.Generator().manual_seed(0), (20, 16, 12, 8, 4))
    x = torch.randn(2, 10, 40, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(members(x), members(x, with_skips=False))
    members.eval()
    assert not torch.allclose(members(x), members(x, with_skips=False))
