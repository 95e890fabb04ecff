"""How far a sound is from the one it should be: spectra at several resolutions, and mel (Yamamoto et al. 2020)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from imkit.model.vocoder import LogMel

WINDOWS = (1024, 512, 256, 128)
QUIET = 2e-3  # magnitudes below this count as silence


def spectral_loss(made: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Mean distance of log magnitudes, and spectral convergence, of sounds [batch, samples]."""
    log_distance, convergence = made.new_zeros(()), made.new_zeros(())
    for window in WINDOWS:
        taper = torch.hann_window(window)
        got, aim = (
            torch.stft(x, window, window // 4, window=taper, return_complex=True).abs().clamp(min=QUIET)
            for x in (made, wanted)
        )
        log_distance = log_distance + (got.log() - aim.log()).abs().mean()
        convergence = convergence + (got - aim).norm() / aim.norm()
    return log_distance / len(WINDOWS), convergence / len(WINDOWS)


def sound_loss(made: Tensor, wanted: Tensor, mel: LogMel) -> tuple[Tensor, dict[str, float]]:
    """Loss of a sound [batch, samples] that should be ``wanted``, and numbers worth logging."""
    log_distance, convergence = spectral_loss(made, wanted)
    mel_distance = F.l1_loss(mel(made), mel(wanted))
    loss = log_distance + convergence + 2 * mel_distance
    return loss, {
        "log_stft": float(log_distance.detach()),
        "convergence": float(convergence.detach()),
        "mel": float(mel_distance.detach()),
    }
