//! How values of rooms that know no serde stand in what is kept of a run, for `#[serde(with = …)]`.
//!
//! By name where they have one, so that another version reads them or says which it does not know.

use dispatch::{Instant, Signal};
use protocols::hostile::{Case, Chop};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Cases of hostility, by name.
pub mod cases {
    use super::*;

    /// Their names.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(cases: &[&Case], to: S) -> Result<S::Ok, S::Error> {
        cases.iter().map(|case| case.name).collect::<Vec<_>>().serialize(to)
    }

    /// The cases of these names.
    ///
    /// # Errors
    /// One is not known.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<&'static Case>, D::Error> {
        let names = Vec::<String>::deserialize(from)?;
        let case =
            |name: String| Case::named(&name).ok_or_else(|| D::Error::custom("no such case"));
        names.into_iter().map(case).collect()
    }
}

/// A way to cut.
pub mod chop {
    use super::*;

    #[derive(Serialize, Deserialize)]
    enum Kept {
        Whole,
        Each(u32),
        Split,
        Gaps,
    }

    /// The way.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(chop: &Chop, to: S) -> Result<S::Ok, S::Error> {
        let kept = match *chop {
            Chop::Whole => Kept::Whole,
            Chop::Each(bytes) => Kept::Each(bytes),
            Chop::Split => Kept::Split,
            Chop::Gaps => Kept::Gaps,
        };
        kept.serialize(to)
    }

    /// The way.
    ///
    /// # Errors
    /// It is none.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Chop, D::Error> {
        Ok(match Kept::deserialize(from)? {
            Kept::Whole => Chop::Whole,
            Kept::Each(bytes) => Chop::Each(bytes),
            Kept::Split => Chop::Split,
            Kept::Gaps => Chop::Gaps,
        })
    }
}

/// A signal, by name.
pub mod signal {
    use super::*;

    /// `SIGINT`.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(signal: &Signal, to: S) -> Result<S::Ok, S::Error> {
        signal.as_str().serialize(to)
    }

    /// The signal of that name.
    ///
    /// # Errors
    /// There is none.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Signal, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// A signal that may have come.
pub mod maybe_signal {
    use super::*;

    /// Its name, or none.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(signal: &Option<Signal>, to: S) -> Result<S::Ok, S::Error> {
        signal.map(Signal::as_str).serialize(to)
    }

    /// The signal of that name, or none.
    ///
    /// # Errors
    /// There is no such signal.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Signal>, D::Error> {
        let name = Option::<String>::deserialize(from)?;
        name.map(|name| name.parse().map_err(D::Error::custom)).transpose()
    }
}

/// Two instants that may have been, in nanoseconds of the monotonic clock of that run.
pub mod instants {
    use super::*;

    /// The two.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(
        instants: &Option<(Instant, Instant)>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        instants.map(|(first, last)| (first.as_nanos(), last.as_nanos())).serialize(to)
    }

    /// The two.
    ///
    /// # Errors
    /// They are no numbers.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<(Instant, Instant)>, D::Error> {
        let nanos = Option::<(u64, u64)>::deserialize(from)?;
        Ok(nanos.map(|(first, last)| (Instant::from_nanos(first), Instant::from_nanos(last))))
    }
}
