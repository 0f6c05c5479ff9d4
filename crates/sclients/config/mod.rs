//! Options as typed, checked into a configuration.
