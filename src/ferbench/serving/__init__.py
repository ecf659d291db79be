"""Models as people use them: pictures in, faces with box, emotion and probabilities out.

A finished run is exported to a self-describing folder (`ferbench.serving.model_folder`). The
predictor reads such a folder and prepares pictures with the code that evaluation uses. Commands,
the registered MLflow model and the service all call it.
"""
