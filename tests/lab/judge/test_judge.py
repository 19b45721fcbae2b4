"""How the judge reads a picture."""

import pytest
import torch

from lab.judge import judge


def test_the_subject_is_read_where_the_location_map_has_its_peak():
    net = judge.Judge().eval()
    with torch.no_grad():
        net.cells.weight.zero_()
        net.cells.bias.zero_()
        # A cell's first feature decides whether a figure is there, the second one whether it is of class 0.
        net.cells.weight[0, 0], net.cells.weight[1, 1] = 1, 1
        wide = torch.zeros(1, net.cells.in_channels, 32, 32)
        wide[:, 0], wide[:, 1] = -20, -3
        wide[:, 0, 4, 20], wide[:, 1, 4, 20] = 20, 5
        net.joined = torch.nn.Identity()
        net.joined.forward = lambda x: wide
        scores, location_map = net(torch.zeros(1, 3, 256, 256))
    assert scores["subject"][0, 0] == pytest.approx(5, abs=0.01)
    assert location_map.argmax() == 4 * 32 + 20
