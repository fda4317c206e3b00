//! rtnetlink: the counters of interfaces, and of a network card's virtual functions.

pub(crate) mod card;
pub(crate) mod getstats;
pub(crate) mod hedged;
mod interfaces;
mod link_thread;
mod recvmmsg;
mod socket;
pub(crate) mod vf_stats;
