//! rtnetlink: the counters of interfaces, and those that a card keeps of its virtual functions.

mod card_asker;
pub(crate) mod getstats;
pub(crate) mod hedged;
mod interfaces;
mod recvmmsg;
mod socket;
pub(crate) mod vf_stats;
