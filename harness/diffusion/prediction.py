"""What a scheduler must be told of its UNet, so that it draws what the UNet was trained to."""

from __future__ import annotations

Changes = dict[str, str | bool]


def scheduler_changes(prediction: str | None, zero_terminal: bool) -> Changes:
    """Return what changes in the configuration of a base's scheduler; often nothing.

    With a last step of pure noise, sampling must begin at that very step: trailing spacing
    (arXiv:2305.08891, section 3.3).
    """
    changes: Changes = {"prediction_type": prediction} if prediction else {}
    if zero_terminal:
        changes |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    return changes
