//! How a connection or request can fail, by class; and whose fault each class is.

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The server under test.
    Target,
    /// What lies between.
    Network,
    /// This host or this program: a figure that holds such failures says nothing of the target.
    Tester,
    /// Nobody: a limit that was asked for, which a target may pass in good faith, or a storm. It spoils no
    /// figure either.
    Asked,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Target, Self::Network, Self::Tester, Self::Asked];

    /// The name in reports; stable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Network => "network",
            Self::Tester => "tester",
            Self::Asked => "asked",
        }
    }
}

/// Declares an enum whose variants have a stable name each, in order, as array indices.
macro_rules! named {
    (
        $(#[$outer:meta])*
        $type:ident { $( $(#[$inner:meta])* $variant:ident = $name:literal, )+ }
    ) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(usize)]
        pub enum $type { $( $(#[$inner])* $variant, )+ }

        impl $type {
            /// All of them, in the order of their indices.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The name in reports; stable.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }
        }
    };
}
pub(crate) use named;

named! {
    /// A class of failure, of a connection or of a request. Names are those of the report.
    Outcome {
        /// Nobody listens there.
        ConnectRefused = "connect.refused",
        /// Not established within the connect timeout, or the kernel gave up.
        ConnectTimeout = "connect.timeout",
        /// Reset while connecting.
        ConnectReset = "connect.reset",
        /// No route.
        ConnectUnreachable = "connect.unreach",
        /// The process may open no more files.
        LocalFileLimit = "local.fd_limit",
        /// The host may open no more files.
        LocalFileTable = "local.file_table",
        /// No source port is left.
        LocalPorts = "local.ports",
        /// The kernel has no buffers or memory.
        LocalNoBuffers = "local.nobufs",
        /// The poller may watch no more descriptors.
        LocalWatches = "local.epoll_watches",
        /// A firewall or the like of this host.
        LocalNotPermitted = "local.not_permitted",
        /// Another refusal of this host's kernel.
        LocalOther = "local.other",
        /// No byte of the answer in time.
        TimeoutFirstByte = "timeout.first_byte",
        /// The answer began, and then nothing came for too long.
        TimeoutIdle = "timeout.idle",
        /// The answer did not end in time.
        TimeoutTotal = "timeout.total",
        /// The connection was reset.
        Reset = "reset",
        /// The connection ended within the answer.
        Truncated = "truncated",
        /// The connection ended before the answer began, on its first request.
        ClosedBeforeResponse = "closed_before_response",
        /// The same, on a connection that had answered before.
        StaleKeepalive = "stale_keepalive",
        /// Bytes that no request asked for.
        Unsolicited = "unsolicited",
        /// Bytes that are no answer, before the request had left.
        ExtraData = "extra_data",
        /// Not an HTTP start line.
        HttpStatusLine = "http.status_line",
        /// Not HTTP/1.0 or 1.1.
        HttpVersion = "http.version",
        /// Not a status code of 100 to 599.
        HttpStatusCode = "http.status_code",
        /// A header line that breaks the grammar.
        HttpHeader = "http.header",
        /// Head, trailer or chunk extensions over the limit.
        HttpTooLarge = "http.too_large",
        /// A body length that is malformed or contradicts itself.
        HttpLength = "http.length",
        /// A chunk that is malformed.
        HttpChunk = "http.chunk",
        /// A transfer coding that was not asked for or is not known.
        HttpEncoding = "http.encoding",
        /// Interim responses without end.
        HttpInterimLimit = "http.interim_limit",
        /// A protocol switch that was not asked for.
        HttpUpgrade = "http.upgrade",
        /// The data of an answer's body over the limit that was asked for.
        BodyLimit = "body_limit",
        /// A storm closed its connection, as it was asked to.
        Storm = "storm",
        /// An echo that differs from what was sent.
        EchoMismatch = "echo.mismatch",
    }
}

impl Outcome {
    /// Whose fault it is.
    pub const fn fault(self) -> Fault {
        match self {
            Self::ConnectTimeout | Self::ConnectUnreachable => Fault::Network,
            Self::LocalFileLimit
            | Self::LocalFileTable
            | Self::LocalPorts
            | Self::LocalNoBuffers
            | Self::LocalWatches
            | Self::LocalNotPermitted
            | Self::LocalOther => Fault::Tester,
            Self::BodyLimit | Self::Storm => Fault::Asked,
            _ => Fault::Target,
        }
    }
}

named! {
    /// Why a request that was due was never sent.
    NotSent {
        /// Its connection could not be had.
        NoConnection = "no_connection",
        /// The queue for a free connection was full.
        QueueFull = "queue_full",
        /// This host refused.
        Local = "local",
        /// Its worker was lost.
        WorkerLost = "worker_lost",
        /// The run ended first.
        RunEnded = "run_ended",
        /// A session's value would have broken the request: a line end in a head, or no path.
        BadValue = "bad_value",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_local_ones_are_the_testers_fault() {
        let names: std::collections::BTreeSet<_> = Outcome::ALL.iter().map(|o| o.name()).collect();
        assert_eq!(names.len(), Outcome::COUNT);
        for outcome in Outcome::ALL {
            let local = outcome.name().starts_with("local.");
            assert_eq!(outcome.fault() == Fault::Tester, local, "{}", outcome.name());
        }
    }

    #[test]
    fn a_limit_that_was_asked_for_is_nobodys_fault() {
        let asked = Outcome::ALL.iter().filter(|outcome| outcome.fault() == Fault::Asked);
        assert!(asked.eq(&[Outcome::BodyLimit, Outcome::Storm]));
    }

    #[test]
    fn indices_follow_the_list() {
        for (index, outcome) in Outcome::ALL.iter().enumerate() {
            assert_eq!(*outcome as usize, index);
        }
    }
}
