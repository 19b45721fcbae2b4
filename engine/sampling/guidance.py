"""From two predictions of the whole canvas to one."""

from torch import Tensor


def guide(prediction: Tensor, strength: float, rescale: float = 0.0) -> Tensor:
    """eps = u + w (c - u) from [u, c]; a single prediction is returned as it is.

    Of [u, c, m] the first two are those of a strongly bent network, whose layout is right and whose detail is
    not, and m is a gentler bent one's: eps = m + w (c - u), noise-damped guidance (He et al. 2023).

    rescale phi takes back the contrast that w adds (Lin et al. 2023):
    eps <- phi eps std(c) / std(eps) + (1 - phi) eps.
    """
    if prediction.shape[0] == 1:
        return prediction
    unconditional, conditional, *mild = prediction.split(1)
    guided = (mild[0] if mild else unconditional) + strength * (conditional - unconditional)
    if rescale == 0:
        return guided
    return guided * (rescale * conditional.std() / guided.std() + (1 - rescale))
