//! Who does how much.
