"""Switches that other packages read when they are imported; set once, here, before any of them.

No package of ours phones home, looks for updates, installs anything by itself or writes its
settings into the user's home. A variable that the user has set already is left alone.
"""

import os
import tempfile
from pathlib import Path

__all__ = ["CACHE", "SWITCHES"]

CACHE = Path(os.environ.get("FERBENCH_CACHE", ".cache")).absolute()

SWITCHES = {
    "YOLO_OFFLINE": "1",
    "YOLO_AUTOINSTALL": "false",
    "YOLO_VERBOSE": "false",
    "YOLO_CONFIG_DIR": str(CACHE / "ultralytics"),
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # A silent tracking server is given up after half a minute, not after a quarter of an hour.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "8",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "PGCONNECT_TIMEOUT": "8",
    # The addresses that it prints hold the credentials of MLFLOW_TRACKING_URI.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "DVC_NO_ANALYTICS": "1",
    "MPLBACKEND": "Agg",
    "MPLCONFIGDIR": str(Path(tempfile.gettempdir()) / f"ferbench-matplotlib-{os.getuid()}"),
    # One thread a process: runs are trained in parallel, and two OpenMP threads on a busy machine
    # are slower than one. Raise it by hand on a quiet machine.
    "OMP_NUM_THREADS": "1",
}

for _name, _value in SWITCHES.items():
    os.environ.setdefault(_name, _value)
