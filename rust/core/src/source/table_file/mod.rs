//! A kernel file with a line for each device, kept open.

pub(crate) mod diskstats;
pub(crate) mod line_table;
pub(crate) mod lines;
pub(crate) mod netdev;
