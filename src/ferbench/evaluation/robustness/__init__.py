"""Robustness tests: trained networks are shown altered test images; one file a test.

A file offers one class, built with the options of its row of `robustness` in params.yaml, with a
method `run(trained, data, device) -> RobustnessResult`; see `ferbench.evaluation.robustness_test`.
"""
