"""An app whose tools do what no tool should."""
