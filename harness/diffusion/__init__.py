"""SDXL in the real diffusers classes: its parts, how an image is drawn, how large it is on paper.

To add something: a scheduler in `schedulers.py`; names of another program's LoRA keys in
`layer_names.py`; a form of adapter file in `adapter_reader.py` and `adapter_writer.py`; what the
forecast counts of a network in `anatomy.py` and `memory.py`.
"""
