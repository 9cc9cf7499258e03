"""What a prompt does in a model: the functional scan.

`record` holds what was measured, `running` measures it (the one place that imports torch), the
other rooms compute from numbers: numpy in, numpy out.
"""
