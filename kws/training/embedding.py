"""Adds the pooled features to the outputs of a TFLite network; the rest of the network stays the same to the byte."""

from __future__ import annotations

import struct

from ai_edge_litert import schema_py_generated as schema

from kws.errors import ModelError

#: The place of a subgraph's outputs in its table (schema.fbs).
_OUTPUTS_SLOT = 8


def expose_embedding(network: bytes) -> bytes:
    """Return a network with one more output: its pooled features, the input of the layer that makes posteriors.

    A new list of outputs is appended to the file, and the offset of the old list is changed to the new one. No weight
    moves, so the posteriors are the same to the bit.

    Raises:
        ModelError: the network has no pooling, or has a second output already.
    """
    model = schema.Model.GetRootAs(network, 0)
    graph = model.Subgraphs(0)
    if graph.OutputsLength() != 1:
        raise ModelError(f"has {graph.OutputsLength()} outputs already")
    pooled = None
    for operator in map(graph.Operators, range(graph.OperatorsLength())):
        code = model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()
        tensor = operator.Outputs(0)
        if code == schema.BuiltinOperator.MEAN and graph.Tensors(tensor).ShapeLength() == 2:  # (batch, features)
            pooled = tensor
    if pooled is None:
        raise ModelError("has no global average pooling")
    edited = bytearray(network) + bytes(-len(network) % 16)
    table = graph._tab  # noqa: SLF001 - flatbuffers has no other way to change a field
    offset = table.Pos + table.Offset(_OUTPUTS_SLOT)
    struct.pack_into("<I", edited, offset, len(edited) - offset)
    return bytes(edited + struct.pack("<Iii", 2, graph.Outputs(0), pooled))
