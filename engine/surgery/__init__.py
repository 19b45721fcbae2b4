"""Bending a network for a while, and putting it back bit by bit."""
