//! Counters, histograms and outcome classes.
