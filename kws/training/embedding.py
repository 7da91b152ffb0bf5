"""Adds the embedding to the outputs of a TFLite network; the rest of the network stays the same to the byte.

The embedding is what the last block of EfficientNet (block 7) takes: the features of a few times and frequencies. The
last block and the pooling after it keep little but what tells the network's own words apart. With this, fewer
recordings of other words are missed.
"""

from __future__ import annotations

import math
import struct

from ai_edge_litert import schema_py_generated as schema

from kws.errors import ModelError

#: The place of a subgraph's outputs in its table (schema.fbs).
_OUTPUTS_SLOT = 8

#: Part of the name of the first tensor of the last block.
_LAST_BLOCK = b"/block7a_"


def expose_embedding(network: bytes) -> tuple[bytes, int]:
    """Return a network with the embedding as its second output, and the length of the embedding.

    A new list of outputs is appended to the file, and the offset of the old list is changed to the new one. No weight
    moves, so the posteriors are the same to the bit.

    Raises:
        ModelError: the network is no EfficientNet.
    """
    graph = schema.Model.GetRootAs(network, 0).Subgraphs(0)
    operators = map(graph.Operators, range(graph.OperatorsLength()))
    last_block = next((one for one in operators if _LAST_BLOCK in graph.Tensors(one.Outputs(0)).Name()), None)
    if last_block is None:
        raise ModelError("has no block 7 of EfficientNet, whose input is the embedding")
    tensor = last_block.Inputs(0)
    edited = bytearray(network) + bytes(-len(network) % 16)
    table = graph._tab  # noqa: SLF001 - flatbuffers has no other way to change a field
    offset = table.Pos + table.Offset(_OUTPUTS_SLOT)
    struct.pack_into("<I", edited, offset, len(edited) - offset)
    edited += struct.pack("<Iii", 2, graph.Outputs(0), tensor)
    return bytes(edited), math.prod(graph.Tensors(tensor).ShapeAsNumpy().tolist())
