"""One file a metric: one function of the file's name, and what it says of itself.

`INPUT` tells what the function is called with.

- `prob`: `metric(prob, target)`, probabilities (N, C) of N labelled faces and their true classes
  (N,). A row of zeros is a miss: a face that a detector gave no answer for.
- `boxes`: `metric(detections)`, a `ferbench.detection.metrics.Detections`. Only detectors have
  these metrics.

A detector keeps quiet below the study's score threshold: faces whose answering box scores less
are misses. A metric of `prob` that wants another threshold says `THRESHOLD`; at 0, which metrics
of ranking and of the probabilities themselves take, only a face without any box is a miss. For
classifiers it has no effect. `Detections.threshold` is the study's.

`HIGHER_IS_BETTER` and `BOUNDS`, the least and the greatest value there can be, say the rest. A
value that the data do not define, as the AUROC of one class alone, is NaN, and is so in every
table: an empty field.
"""
