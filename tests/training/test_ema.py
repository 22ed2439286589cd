"""Averaged weights: parameters follow slowly, buffers are copies of their own."""

from __future__ import annotations

import torch

from holdfast.training import EMA


def storages(module):
    tensors = [*module.parameters(), *module.buffers()]
    return {tensor.untyped_storage().data_ptr() for tensor in tensors}


def test_nothing_is_shared_before_or_after_updates(net):
    average = EMA(net, 0.9)
    net(torch.rand(8, 1, 6, 6))  # moves the batch norm statistics
    average.update(net)
    assert not storages(net) & storages(average.module)
    copied = average.module[1].running_mean.clone()
    assert torch.equal(copied, net[1].running_mean)
    net(torch.rand(8, 1, 6, 6) + 5)
    assert torch.equal(average.module[1].running_mean, copied)
    assert not torch.equal(net[1].running_mean, copied)


def test_decay_warms_up(net):
    average = EMA(net, 0.5)
    expected = net[0].weight.detach().clone()
    generator = torch.Generator().manual_seed(0)
    for t in range(12):
        with torch.no_grad():
            net[0].weight.copy_(torch.rand(net[0].weight.shape, generator=generator))
        average.update(net)
        decay = min(0.5, (1 + t) / (10 + t))
        expected = decay * expected + (1 - decay) * net[0].weight.detach()
    assert torch.allclose(average.module[0].weight, expected, atol=1e-6)
    assert average.updates == 12


def test_the_average_needs_no_gradient(net):
    average = EMA(net, 0.9)
    assert not any(parameter.requires_grad for parameter in average.module.parameters())
    assert all(parameter.requires_grad for parameter in net.parameters())
