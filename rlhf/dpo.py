"""The losses of direct preference optimisation, as pure tensor functions of log-ratios."""

from typing import Literal

from torch import Tensor
from torch.nn.functional import relu, softplus

Loss = Literal["sigmoid", "ipo", "hinge"]


def log_ratios(log_probs: Tensor, reference: Tensor, tokens: Tensor, *, length_normalized: bool) -> Tensor:
    """log pi - log pi_ref of whole responses, in nats, or in nats a token where they are length-normalised.

    All of one shape: sums of log-probabilities by the policy and the reference, and how many tokens they are of.
    """
    found = log_probs - reference
    return found / tokens if length_normalized else found


def preference_losses(difference: Tensor, preference: Tensor, *, beta: float, loss: Loss = "sigmoid") -> Tensor:
    """The loss of each pair, with soft labels: p l(d) + (1 - p) l(-d); no mean is taken. Shape kept.

    difference: d, the first response's log-ratio minus the second's. preference: p, the probability that the first is
    better; 0.5 is a tie. l is, for

    - sigmoid, -log s(beta d) (Rafailov et al. 2023, eq. 7; with p < 1 the conservative DPO of Mitchell 2023),
    - ipo, (d - 1 / (2 beta))^2 (Azar et al. 2023, eq. 17; TRL takes it of length-normalised log-ratios only),
    - hinge, max(0, 1 - beta d) (Zhao et al. 2023, SLiC-HF, on log-ratios as in Liu et al. 2023, RSO).
    """

    def of(d: Tensor) -> Tensor:
        if loss == "ipo":
            return (d - 1 / (2 * beta)).square()
        return relu(1 - beta * d) if loss == "hinge" else softplus(-beta * d)

    return preference * of(difference) + (1 - preference) * of(-difference)
