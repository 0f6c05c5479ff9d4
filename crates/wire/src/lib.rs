//! The messages of the pipes and their frames.
