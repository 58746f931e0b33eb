//! The laws are tested too: stores with planted bugs must break them.

mod broken;
mod caught;
