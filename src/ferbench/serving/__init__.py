"""Models as people use them: pictures in, faces with box, emotion and probabilities out.

A finished run is exported to a self-describing folder (`ferbench.serving.model_folder`). The
predictor reads such a folder and prepares pictures with the code that evaluation uses. Commands,
the registered MLflow model and the service all call it.

Importing this package outside a checkout moves the settings that ultralytics writes when it is
imported to the folder for temporary files: the current folder is the user's.
"""

import os
import tempfile
from pathlib import Path

from ferbench.environment import SWITCHES

__all__: list[str] = []

_SETTINGS = "YOLO_CONFIG_DIR"

if not Path("dvc.yaml").is_file() and os.environ.get(_SETTINGS) == SWITCHES[_SETTINGS]:
    _folder = Path(tempfile.gettempdir(), f"ferbench-ultralytics-{os.getuid()}")
    _folder.mkdir(mode=0o700, exist_ok=True)
    os.environ[_SETTINGS] = str(_folder)
