"""Pages about runs: one HTML file of the folder that `cdl.callbacks.Run` wrote, or of several that are compared."""
from .page import write_report as write_report
from .read import RunFolder as RunFolder
