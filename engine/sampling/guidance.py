"""Classifier-free guidance: combine the predictions with and without the prompt."""

from torch import Tensor


def guide(prediction: Tensor, scale: float, rescale: float = 0.0) -> Tensor:
    """Return eps = u + w (c - u) for [u, c], with w the guidance scale; a single prediction stays as it is.

    With noise-damped guidance (He et al. 2023) the prediction is [u, c, m]. u and c are predictions of a strongly
    patched network, which has the right layout and wrong detail. m is the unconditional prediction of a mildly
    patched network: eps = m + w (c - u).

    rescale is phi of Lin et al. 2023, which removes the contrast that guidance adds:
    eps <- phi eps std(c) / std(eps) + (1 - phi) eps.
    """
    if prediction.shape[0] == 1:
        return prediction
    unconditional, conditional, *mild = prediction.split(1)
    guided = (mild[0] if mild else unconditional) + scale * (conditional - unconditional)
    if rescale == 0:
        return guided
    return guided * (rescale * conditional.std() / guided.std() + (1 - rescale))
