"""What may listen to a fit, each on the public events of `kansym.events`: a CSV file, TensorBoard, a live plot.

with CsvFile("events.csv") as listener:
    kansym.fit("data.csv", on_event=listener)
"""

from kansym.listeners.csv_file import CsvFile
from kansym.listeners.live_plot import LivePlot
from kansym.listeners.several import several
from kansym.listeners.tensorboard import TensorBoard

__all__ = ["CsvFile", "LivePlot", "TensorBoard", "several"]
