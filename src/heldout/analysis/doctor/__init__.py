"""What is wrong with predictions, and what mends it; see docs/doctor.md."""

from heldout.analysis.doctor.examine import examine, examine_arrays, examine_case, examine_rows
from heldout.analysis.doctor.finding import Finding

__all__ = ["Finding", "examine", "examine_arrays", "examine_case", "examine_rows"]
