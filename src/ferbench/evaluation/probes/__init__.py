"""Protocols that show trained networks altered test images, a file each.

A part is a frozen dataclass. Its fields are the options of a row of `probes`, each with a default
and checked in `__post_init__`; `seed` draws whatever is left to chance. Its method

    run(trained: Trained, data: Stored, device: str) -> Probed

opens side test of the data, alters its pictures (`ferbench.evaluation.probing.Altered`) and hands
them to `ferbench.evaluation.predict.predict_faces`, so that answers are read as in `evaluate`. The
rows of what it returns keep the ids of the units. A part that has nothing to ask of a network says
why in `Probed.skipped`.
"""
