"""Apply the patches of engine/planning/patches.py to a network, for one call.

A patch changes attributes, weights or hooks of modules. All of them are restored bit for bit after the call, also
after an exception. LoRA layers around a convolution are patched together with the convolution.
"""
