//! Tools for working out a site (check it, draft its file, find its limit), and for watching all
//! sites in a store.

pub mod check;
pub mod overview;
pub mod scaffold;
pub mod telling;
pub mod tune;
