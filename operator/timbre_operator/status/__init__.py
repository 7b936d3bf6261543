"""What was observed -> the VoiceModel's status. Pure: the clock is an argument."""

from timbre_operator.status.conditions import AutoscalerState, DeploymentState, Observation, Problem
from timbre_operator.status.failures import Failure
from timbre_operator.status.report import build_status, invalid_status

__all__ = ["AutoscalerState", "DeploymentState", "Failure", "Observation", "Problem", "build_status", "invalid_status"]
