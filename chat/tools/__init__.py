"""What the model can do: plain typed functions that become tools, and the running of a model's calls."""
