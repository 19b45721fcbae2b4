"""How the built-in model is made, and how the methods are measured. Nothing in engine or ui imports it."""
