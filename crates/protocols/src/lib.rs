//! Sans-IO protocol machines: echo and HTTP/1.
