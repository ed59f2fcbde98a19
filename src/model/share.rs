//! Shares of a sweep's requests, where several machines make them.

use serde::{Deserialize, Serialize};

/// A share of the requests of a sweep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Maximum number of concurrent requests to each host.
    pub most: u32,
    /// Maximum number of requests per second to each host, or `None` for no limit.
    pub rate: Option<f64>,
}

/// A wait that a host asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostWait {
    /// Host and port.
    pub host: Box<str>,
    /// Time until its end, in milliseconds.
    pub ms: u64,
}
