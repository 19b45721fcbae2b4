"""From two predictions of the whole canvas to one."""

from torch import Tensor


def guide(prediction: Tensor, strength: float, rescale: float = 0.0) -> Tensor:
    """eps = u + w (c - u) from [u, c]; a single prediction is returned as it is.

    rescale phi takes back the contrast that w adds (Lin et al. 2023):
    eps <- phi eps std(c) / std(eps) + (1 - phi) eps.
    """
    if prediction.shape[0] == 1:
        return prediction
    unconditional, conditional = prediction.chunk(2)
    guided = unconditional + strength * (conditional - unconditional)
    if rescale == 0:
        return guided
    return guided * (rescale * conditional.std() / guided.std() + (1 - rescale))
