"""The network has the paper's shape, and several members are single ones several times."""

import pytest
import torch

from loopscope.detection.networks import ELU_ALPHA, AutoEncoder, Dropout

SIZES = (20, 16, 12, 8, 4)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_layers_are_those_of_figure_3():
    net = AutoEncoder(1024, False, seeded(), dropout=0.2)
    assert [tuple(layer.weight.shape) for layer in net.encoder] == [
        (1, 1024, 512), (1, 512, 256), (1, 256, 128), (1, 128, 64), (1, 64, 32),
    ]  # fmt: skip
    assert [tuple(layer.weight.shape) for layer in net.decoder] == [
        (1, 32, 64), (1, 64, 128), (1, 128, 256), (1, 256, 512), (1, 512, 1024),
    ]  # fmt: skip
    assert [layer.norm is None for layer in (*net.encoder, *net.decoder)] == [False] * 4 + [True] + [False] * 4 + [True]
    assert not any("bias" in name for name, _ in net.named_parameters() if "norm" not in name)
    assert all(layer.dropout.p == 0.2 for layer in net.encoder)


def test_skips_add_encoder_layer_i_to_the_input_of_decoder_layer_5_minus_i():
    net = AutoEncoder(40, True, seeded(), layer_sizes=SIZES).eval()
    plain = AutoEncoder(40, False, seeded(), layer_sizes=SIZES).eval()
    x = torch.randn(1, 6, 40, generator=seeded())
    encoded = [x]
    for layer in net.encoder:
        encoded.append(layer(encoded[-1]))
    h = encoded[5]
    for j, layer in enumerate(net.decoder):
        h = layer(h + encoded[5 - j] if j else h)
    torch.testing.assert_close(net(x), h)
    torch.testing.assert_close(net(x, with_skips=False), plain(x))
    assert not torch.allclose(net(x), net(x, with_skips=False))


def test_activation_is_elu_with_the_published_slope():
    layer = AutoEncoder(40, False, seeded()).eval().encoder[0]
    x = torch.randn(1, 9, 40, generator=seeded())
    linear = x @ layer.weight / (1 + layer.norm.eps) ** 0.5
    torch.testing.assert_close(layer(x), torch.where(linear > 0, linear, ELU_ALPHA * torch.expm1(linear)))


def test_dropout_zeroes_a_fifth_while_training_and_nothing_after():
    net = AutoEncoder(64, False, seeded(), dropout=0.2)
    out = net.encoder[0](torch.randn(1, 400, 64, generator=seeded(1)))
    assert (out == 0).float().mean().item() == pytest.approx(0.2, abs=0.01)
    assert (net.eval().encoder[0](torch.ones(1, 4, 64)) == 0).sum() == 0


def test_a_single_network_is_drawn_and_multiplied_as_torch_does_it():
    layer = AutoEncoder(40, False, seeded(), layer_sizes=SIZES).encoder[0]
    expected = torch.empty(20, 40)
    torch.nn.init.kaiming_uniform_(expected, a=5**0.5, generator=seeded())
    x = torch.randn(32, 40, generator=seeded(1))
    assert torch.equal(layer.weight[0].T, expected)
    assert torch.equal(torch.bmm(x[None], layer.weight)[0], torch.nn.functional.linear(x, expected))


@pytest.mark.parametrize("residual", [False, True])
def test_members_are_independent_autoencoders(residual):
    members = AutoEncoder(40, residual, seeded(), n_members=3, layer_sizes=SIZES)
    single = AutoEncoder(40, residual, seeded(1), layer_sizes=SIZES)
    for batched, alone in zip((*members.encoder, *members.decoder), (*single.encoder, *single.decoder), strict=True):
        alone.weight.data = batched.weight[1:2].detach().clone()
    x = torch.randn(3, 10, 40, generator=seeded())
    torch.testing.assert_close(members(x)[1:2], single(x[1:2]), rtol=1e-4, atol=1e-5)  # batch statistics, training mode
    members.eval(), single.eval()  # running statistics
    torch.testing.assert_close(members(x)[1:2], single(x[1:2]), rtol=1e-4, atol=1e-5)


def test_skip_dropout_thins_skips_while_training_only():
    members = AutoEncoder(40, True, seeded(), n_members=2, layer_sizes=SIZES, skip_dropout=1.0 - 1e-9)
    x = torch.randn(2, 10, 40, generator=seeded())
    torch.testing.assert_close(members(x), members(x, with_skips=False))
    members.eval()
    assert not torch.allclose(members(x), members(x, with_skips=False))


def test_skips_are_left_out_by_the_row():
    x = torch.ones(2, 500, 16)
    thinned = Dropout(0.5, seeded(), whole_rows=True)(x)
    kept = (thinned == 2).all(dim=2)
    assert torch.equal(kept, ~(thinned == 0).all(dim=2))
    assert kept.float().mean().item() == pytest.approx(0.5, abs=0.06)
