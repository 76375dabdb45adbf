"""Shows a training run: a visualizer hands its losses and pictures, plain numbers and arrays, to sinks."""

from util.visualizer.cut import cut_logs
from util.visualizer.history import History, Progress
from util.visualizer.html_log import HtmlLog
from util.visualizer.sinks import PictureSink, Sink, Visualizer, due
from util.visualizer.tensorboard import TensorBoard
from util.visualizer.text import LossLog, MetricsLog, Summary
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
    "cut_logs",
    "due",
]
