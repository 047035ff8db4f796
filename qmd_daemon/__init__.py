"""The daemon: one set of models, one fresh index, for everybody on this machine."""

__version__ = "0.1.0"
