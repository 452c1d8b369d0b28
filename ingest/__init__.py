"""Run the model: attribution and ablation, and the rows that they become in the graph."""
