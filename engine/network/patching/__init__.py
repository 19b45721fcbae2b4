"""Bending a network for a while, and putting it back bit by bit.

What is bent is an attribute, a weight or a hook of a module, for the time of one call of the network; each is
put back as it was, whatever happens meanwhile. What a LoRA wraps around a convolution is bent with it.
"""
