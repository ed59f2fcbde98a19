//! Tools for working out a site: check it, draft its file, find its limit.

pub mod check;
pub mod scaffold;
pub mod tune;
