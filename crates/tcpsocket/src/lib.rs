//! Connecting, accepting and stream sockets as dispatch targets.
