//! Machines in conversation: samples, hostile peers, garbage, and the two sides against each other.
//!
//! Every stream is presented whole, in two pieces at every place, and byte by byte; what happens is the same.

mod client;
mod driver;
mod echo;
mod garbage;
mod hostile;
mod server;
mod wire;
