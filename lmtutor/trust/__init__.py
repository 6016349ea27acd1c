"""Whether a model can be trusted: the influence of data, robustness, interpretability."""
