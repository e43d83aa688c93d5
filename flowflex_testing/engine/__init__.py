"""The other side of the wire, without I/O: what FlowFlex decides and holds. `routing.Engine` is the way in."""
