"""Temporary patches of a network, as engine/planning/patches.py describes them, undone bit by bit.

A patch changes attributes, weights or hooks of modules for one call of the network. All are restored
afterwards, also after an exception. LoRA layers around a convolution are patched with it.
"""
