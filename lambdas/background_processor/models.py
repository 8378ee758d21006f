"""The names that the SQS version of the system had, for the code that imports them from here."""

from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.models import SubmissionStatus, UserSubmission

__all__ = ["DatabaseManager", "SubmissionStatus", "UserSubmission"]
