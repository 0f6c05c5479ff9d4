//! The states of a slot, as one table: every state, every input.
//!
//! ```text
//! Starting ──ready──▶ Ready ──started──▶ Running ──stopping──▶ Draining
//!     │                 │                   │ final               │ final
//!     │                 │                   ▼                     ▼
//!     └──── exited ─────┴──── exited ──▶  Dead        Ended ◀─────┘
//!                                           │ succeeded
//!                                           ▼
//!                                       Replaced, and another generation is Starting
//! ```
//!
//! Dead is a child that ended without its last words: what it had in flight is lost. Whether another
//! generation of its slot follows is decided in `succession`.

/// The state of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Forked; it has not said that it is ready.
    Starting,
    /// Ready; waiting for the start instant.
    Ready,
    /// At work.
    Running,
    /// Told to stop; finishing what is in flight.
    Draining,
    /// Its last report is in.
    Ended,
    /// It ended without a last report.
    Dead,
    /// It is dead and another generation has its slot.
    Replaced,
}

/// What can happen to a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The child says that it is ready.
    ReadyHeard,
    /// We told it to start.
    Started,
    /// We told it to stop.
    Stopped,
    /// Its last report came.
    FinalHeard,
    /// The process is gone and its pipe is read to the end.
    Buried,
    /// Another generation is started in the slot.
    Succeeded,
}

impl State {
    /// All states.
    pub const ALL: [Self; 7] = [
        Self::Starting,
        Self::Ready,
        Self::Running,
        Self::Draining,
        Self::Ended,
        Self::Dead,
        Self::Replaced,
    ];

    /// The table. An input that means nothing in a state leaves it as it is.
    pub const fn after(self, input: Input) -> Self {
        use State::{Dead, Draining, Ended, Ready, Replaced, Running, Starting};
        match (self, input) {
            (Starting, Input::ReadyHeard) => Ready,
            (Ready, Input::Started) => Running,
            (Starting | Ready | Running, Input::Stopped) => Draining,
            (Starting | Ready | Running | Draining, Input::FinalHeard) => Ended,
            (Starting | Ready | Running | Draining, Input::Buried) => Dead,
            (Dead, Input::Succeeded) => Replaced,
            (state, _) => state,
        }
    }

    /// Whether nothing more is to be expected of it.
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Ended | Self::Dead | Self::Replaced)
    }
}

impl Input {
    /// All inputs.
    pub const ALL: [Self; 6] = [
        Self::ReadyHeard,
        Self::Started,
        Self::Stopped,
        Self::FinalHeard,
        Self::Buried,
        Self::Succeeded,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use Input::*;
    use State::*;

    #[test]
    fn the_whole_table() {
        let table = [
            (Starting, [Ready, Starting, Draining, Ended, Dead, Starting]),
            (Ready, [Ready, Running, Draining, Ended, Dead, Ready]),
            (Running, [Running, Running, Draining, Ended, Dead, Running]),
            (Draining, [Draining, Draining, Draining, Ended, Dead, Draining]),
            (Ended, [Ended, Ended, Ended, Ended, Ended, Ended]),
            (Dead, [Dead, Dead, Dead, Dead, Dead, Replaced]),
            (Replaced, [Replaced; 6]),
        ];
        for ((state, row), expected) in table.iter().zip(State::ALL) {
            assert_eq!(*state, expected);
            for (input, next) in Input::ALL.iter().zip(row) {
                assert_eq!(state.after(*input), *next, "{state:?} after {input:?}");
            }
        }
    }

    #[test]
    fn nothing_leaves_a_settled_state_but_a_successor() {
        for state in State::ALL.iter().filter(|state| state.is_settled()) {
            for input in [ReadyHeard, Started, Stopped, FinalHeard, Buried] {
                assert_eq!(state.after(input), *state);
            }
        }
    }
}
