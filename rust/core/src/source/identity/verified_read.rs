//! A reading of tracked devices that counts: see `identity`.

use super::numbering::Identity;
use super::tracked_devices::{CHANGING, TrackedDevices};
use crate::rows::Rows;
use crate::source::Failure;

/// A poll reads at most this often. A replaced device takes three reads: after the first its old number is found to be
/// gone, after the second its new one is looked up, and the third is of the new one.
pub(crate) const MAX_READS: usize = 4;

/// Reads until no tracked device has changed meanwhile. A device that changes in every read remains unverified.
#[inline]
pub(crate) fn read_verified<I: Identity, V: Copy>(
    identity: Option<&mut I>,
    tracked: &mut TrackedDevices<I::Key, V>,
    rows: &mut Rows<'_>,
    calls: &mut usize,
    mut read: impl FnMut(&mut Rows<'_>, &mut TrackedDevices<I::Key, V>, &mut usize) -> Result<(), Failure>,
) -> Result<(), Failure> {
    tracked.begin_poll();
    tracked.begin();
    let Some(identity) = identity else { return read(rows, tracked, calls) };
    if identity.ready()? {
        tracked.missed_changes::<I>();
    }
    tracked.check(identity);
    let mut outcome = read(rows, tracked, calls);
    if !tracked.drain(identity, calls) && !tracked.has_unchecked() {
        return outcome;
    }
    // Without messages, or with a key for life, the same device after the reading as before it is the one that was read.
    let may_check = I::KEEPS_KEY || !identity.is_announced();
    for reads in 1.. {
        if may_check && tracked.check(identity) {
            break;
        }
        if reads == MAX_READS {
            // What is in doubt stays so until the next poll.
            return outcome.and(Err(identity.unreceived().map_or(CHANGING, Failure::Unannounced)));
        }
        tracked.check(identity);
        tracked.begin();
        outcome = read(rows, tracked, calls);
        if !tracked.drain(identity, calls) && !tracked.has_unchecked() {
            break;
        }
    }
    outcome
}
