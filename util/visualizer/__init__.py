"""Shows a training run: the visualizer passes losses and pictures, as plain numbers and arrays, to sinks."""

from util.visualizer.history import History, Progress
from util.visualizer.html_log import HtmlLog
from util.visualizer.sinks import PictureSink, Sink, Visualizer, due
from util.visualizer.tensorboard import TensorBoard
from util.visualizer.text import LossLog, MetricsLog, Summary
from util.visualizer.truncate import truncate_logs
from util.visualizer.visdom_plots import VisdomPlots

__all__ = [
    "History",
    "HtmlLog",
    "LossLog",
    "MetricsLog",
    "PictureSink",
    "Progress",
    "Sink",
    "Summary",
    "TensorBoard",
    "VisdomPlots",
    "Visualizer",
    "due",
    "truncate_logs",
]
