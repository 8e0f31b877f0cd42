"""Physics-informed neural networks for the Allen–Cahn equation, with their own differentiation."""
