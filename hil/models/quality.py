"""Measures how well findings fit what is true about the frames. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hil.linedevice.camera import Box, Frame
from hil.linedevice.vision import THRESHOLD, Finding

HELD_SHARE: Final = 0.9
"""A crop holds a defect that it shows to this share of the defect's box."""


@dataclass(frozen=True, slots=True)
class Quality:
    """All are shares, 0 to 1; NaN where there was nothing to count."""

    accuracy: float
    auc: float
    """Of all pairs, those in which the defective frame scores higher."""
    missed: float
    """Of the defective frames."""
    false_alarms: float
    """Of the good frames."""
    crop_holds_defect: float
    """Of the defects that were found."""

    @classmethod
    def of(cls, frames: Sequence[Frame], findings: Sequence[Finding]) -> "Quality":
        """Compare each finding with its frame."""
        score = np.array([finding.score for finding in findings])
        bad = np.array([frame.defect is not None for frame in frames])
        alarm = score >= THRESHOLD
        pairs = score[bad][:, None] - score[~bad][None, :]
        shown = [
            share_held(frame.defect, finding.crop)
            for frame, finding in zip(frames, findings, strict=True)
            if frame.defect and finding.crop
        ]
        return cls(
            accuracy=float(np.mean(alarm == bad)),
            auc=float(np.mean(pairs > 0) + np.mean(pairs == 0) / 2),
            missed=float(np.mean(~alarm[bad])),
            false_alarms=float(np.mean(alarm[~bad])),
            crop_holds_defect=float(np.mean(np.array(shown) >= HELD_SHARE)),
        )


def share_held(defect: Box, crop: Box) -> float:
    """Return which share of the defect's box lies in the crop."""
    width = min(defect.right, crop.right) - max(defect.left, crop.left)
    height = min(defect.bottom, crop.bottom) - max(defect.top, crop.top)
    area = (defect.right - defect.left) * (defect.bottom - defect.top)
    return max(0, width) * max(0, height) / area
