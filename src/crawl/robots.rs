//! Before a crawl: what the site asks of crawlers.

use std::time::Duration;

use tracing::warn;

use super::{Crawl, CrawlError};
use crate::fetch::{Fetcher, retry, robots};
use crate::problems::Problems;
use crate::shutdown::Stage;

impl Crawl {
    /// What the site asks of crawlers; nothing where the crawl is to stop before that is known.
    pub(super) async fn robots(
        &self,
        fetcher: &Fetcher,
    ) -> Result<Option<robots::Rules>, CrawlError> {
        let request = robots::request(&self.site.home()).filter(|_| self.settings.robots);
        let Some(request) = request else { return Ok(Some(robots::Rules::none())) };
        let agent = self.settings.user_agents.first().map_or("", String::as_str);
        let mut attempt = 1;
        loop {
            let asked = fetcher.fetch(request.clone());
            let answer = tokio::select! {
                biased;
                () = self.shutdown.reached(Stage::Draining) => return Ok(None),
                answer = asked => answer,
            };
            let error = match robots::Rules::of(answer, robots::name(agent)) {
                Ok(rules) => return Ok(Some(rules)),
                Err(error) => error,
            };
            let Some(delay) =
                retry::after_no_rules(&error, attempt, self.settings.retries, fastrand::f64())
            else {
                return Err(CrawlError::Robots(error));
            };
            warn!("robots.txt cannot be read ({error}); asked for again in {delay:.1?}");
            attempt += 1;
            self.metrics.retried();
            tokio::select! {
                () = self.shutdown.reached(Stage::Draining) => return Ok(None),
                () = tokio::time::sleep(delay) => {}
            }
        }
    }

    /// What lies between two requests, by the settings and by what the site asks.
    pub(super) fn interval(&self, robots: &robots::Rules, problems: &Problems) -> Option<Duration> {
        let own = self.settings.rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
        let asked = robots.delay();
        if let Some((delay, is_capped)) = asked {
            let cap = if is_capped { ", which is as long as is granted" } else { "" };
            problems.note(format!("robots.txt asks for {delay:?} between requests{cap}"));
        }
        own.max(asked.map(|(delay, _)| delay))
    }
}
