//! The process's limit on open files and connections, and the number of workers that it allows.
//!
//! Each worker has a connection, and connections that it used before stay open for a while. Beyond
//! the system's limit every further connection fails, as if the site were unreachable. So the limit
//! is raised as far as the system allows, and if that is not enough, fewer workers run.

use rlimit::Resource;

use crate::fetch::ClientOptions;

/// Descriptors reserved for the store and its connections, the log, the report and the runtime.
const OWN: u64 = 64;

/// Raises the limit on open descriptors as far as the process may: to the hard limit. Go's runtime
/// does the same at the start of each program. Systems keep the soft limit low because of
/// `select(2)`, which nothing here uses.
pub fn raise() {
    // An error is ignored here: `limit` returns the limit that applies.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
}

/// Returns the number of descriptors that may be open at once, or `u64::MAX` if the system does not
/// say.
pub fn limit() -> u64 {
    Resource::NOFILE.get().map_or(u64::MAX, |(soft, _)| soft)
}

/// Returns how many of `workers` may run under a limit of `limit` descriptors, at least one, and a
/// warning if that is fewer.
///
/// A used connection stays open for the next request to the same host with the same proxy and
/// User-Agent. So there may be as many connections of each kind as there are workers. A site on
/// this machine may be served by this process, which then holds the other ends too.
pub fn fitted(workers: usize, options: &ClientOptions, limit: u64) -> (usize, Option<String>) {
    let hosts = options.home.hosts.len() + 1;
    let turns = options.user_agents.len().max(options.proxies.len()).max(1);
    let ends = if options.home.is_on_this_machine() { 2 } else { 1 };
    let each = (hosts * turns * ends) as u64;
    let most = usize::try_from(limit.saturating_sub(OWN) / each).unwrap_or(usize::MAX).max(1);
    if most >= workers {
        return (workers, None);
    }
    let said = format!(
        "{most} workers instead of {workers}: the system allows this process {limit} open files \
         and connections (ulimit -Hn; LimitNOFILE in a systemd unit)"
    );
    (most, Some(said))
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::fetch::Home;
    use crate::site::settings::Settings;

    fn most(workers: usize, site: &str, hosts: &[&str], agents: usize, limit: u64) -> usize {
        let hosts = hosts.iter().map(|host| (*host).into()).collect();
        let home = Home { site: Url::parse(site).unwrap(), hosts };
        let settings =
            Settings::default().with(|it| it.client.user_agents = vec!["me".to_owned(); agents]);
        let (fits, said) = fitted(workers, &settings.client_options(home), limit);
        assert_eq!(said.is_some(), fits < workers, "{said:?}");
        fits
    }

    #[test]
    fn w15_workers_are_as_many_as_the_limit_is_enough_for() {
        assert_eq!(most(16, "http://h/", &[], 1, 1024), 16);
        assert_eq!(most(960, "http://h/", &[], 1, 1024), 960);
        assert_eq!(most(961, "http://h/", &[], 1, 1024), 960);
        assert_eq!(most(5000, "http://h/", &["a", "b"], 1, 1024), 320);
        assert_eq!(most(5000, "http://h/", &["a"], 4, 1024), 120);
        assert_eq!(most(5000, "http://127.0.0.1/", &[], 1, 1024), 480);
        assert_eq!(most(5000, "http://h/", &[], 1, 20), 1, "one in any case");
        assert_eq!(most(10_000, "http://h/", &["a"; 9], 9, u64::MAX), 10_000);
    }
}
