"""Configs of other trainers, read into recipe pages: every figure in its place, or told why not.

read.py knows a config by its content. One module a trainer says what its figures mean and how it
counts; translate.py turns meanings into fields; page.py writes them with a comment for each figure
that means something else here. The way back is delivery/configs/.
"""
