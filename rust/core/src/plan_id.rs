//! The numbers that a poller gives its plans and their rows: none is given twice.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::Error;

/// A plan of a poller: what a sample is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanId {
    /// The poller, on any machine.
    pub poller: u128,
    /// Goes up with each of the poller's plans, from 1.
    pub number: i64,
}

impl PlanId {
    /// Refuses a sample of another poller: the two number their rows each by itself.
    pub fn same_poller(self, other: PlanId) -> Result<(), Error> {
        if self.poller == other.poller { Ok(()) } else { Err(Error::TwoPollers) }
    }
}

/// What a poller's plans draw their numbers from.
pub(crate) struct Numbers {
    poller: u128,
    plans: AtomicI64,
    rows: AtomicI64,
}

impl Numbers {
    pub(crate) fn new() -> Numbers {
        static POLLERS: AtomicU32 = AtomicU32::new(0);
        // A fork counts on from its parent's pollers, as another process.
        let in_process = u64::from(std::process::id()) << 32 | u64::from(POLLERS.fetch_add(1, Ordering::Relaxed));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        let poller = u128::from(now) << 64 | u128::from(in_process);
        Numbers { poller, plans: AtomicI64::new(1), rows: AtomicI64::new(0) }
    }

    pub(crate) fn plan(&self) -> PlanId {
        PlanId { poller: self.poller, number: self.plans.fetch_add(1, Ordering::Relaxed) }
    }

    pub(crate) fn row(&self) -> i64 {
        self.rows.fetch_add(1, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_given_twice() {
        let [one, other] = [Numbers::new(), Numbers::new()];
        assert_eq!(([one.plan().number, one.plan().number], [one.row(), one.row()]), ([1, 2], [0, 1]));
        assert!(one.plan().same_poller(one.plan()).is_ok());
        let refused = one.plan().same_poller(other.plan()).unwrap_err();
        assert!(matches!(refused, Error::TwoPollers), "{refused}");
    }
}
