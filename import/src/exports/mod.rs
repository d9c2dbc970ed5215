//! The exports of other systems, read as streams in constant memory.
