//! The dispatch loop: iterate, contexts, targets, timers, signals.
