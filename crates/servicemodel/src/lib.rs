//! Connections joined from socket and machine, and the trait that decides who acts next.
