//! `gleaner tune`: measures how many concurrent requests a site handles.
//!
//! [`crate::tools::tune`] decides; this module makes the requests and shows the result. The table
//! goes to standard output, progress to standard error.

mod table;
mod targets;

use std::sync::Arc;
use std::time::Instant;

use anyhow::{anyhow, bail};
use clap::Args;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use indicatif::MultiProgress;

use super::arguments::LogFormat;
use super::client::{ClientArgs, no_client, scrubber};
use super::exit::{Exit, failed};
use super::logging;
use super::overrides::{at_base_url, with_secrets};
use super::signals::{Signals, StopSignal};
use super::streams::Voice;
use super::usage::refused;
use super::values;
use crate::extract;
use crate::fetch::{Fetcher, Home, Request, SessionRules, Statuses};
use crate::model::report::Kind;
use crate::model::text::plain;
use crate::model::text::secret::{Credentials, shown};
use crate::observe::metrics::Metrics;
use crate::site::Site;
use crate::site::settings::Settings;
use crate::system::clock;
use crate::tools::tune::{Decision, Level, Sample, Stop, decide, goes_on, is_trouble};

/// Default maximum number of requests.
pub const MOST_REQUESTS: usize = 1000;

/// Text below the arguments in `--help`.
pub const AFTER_HELP: &str = "\
This loads the site on purpose: ask its owner, or keep --max-requests low.
Concurrency rises through 1, 3, 5, 10, 20, 30, 50, 100, 200, 300 and 500
requests until throughput stops growing, requests fail, or answers take twice
as long. robots.txt and the rate of a site file are ignored.

Exit codes: 0 measured, 1 the site does not answer, 2 usage, 129, 130 or 143
interrupted (results so far are printed).";

/// Arguments of `gleaner tune`.
#[derive(Debug, Args)]
pub struct TuneArgs {
    /// URL to request repeatedly, or site (built-in, or a site file) whose items to request
    #[arg(value_name = "URL|SITE")]
    target: String,

    /// Maximum number of requests
    #[arg(long, value_name = "N", value_parser = values::requests)]
    max_requests: Option<usize>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    /// Base URL of another copy of the site
    #[arg(long, env = "GLEANER_BASE_URL", value_name = "URL", hide_env_values = true)]
    base_url: Option<String>,

    #[command(flatten)]
    client: ClientArgs,
}

/// Runs the measurement and prints the recommended setting.
pub async fn run(arguments: TuneArgs) -> Exit {
    try_run(arguments).await.unwrap_or_else(|exit| exit)
}

async fn try_run(arguments: TuneArgs) -> Result<Exit, Exit> {
    let target = target(&arguments)?;
    let settings = arguments.client.apply(match &target {
        Target::Url(_) => Settings::default(),
        Target::Site(site) => site.settings(),
    })?;
    let voice = Voice(scrubber(&settings, |of_site| target.credentials(of_site)));
    logging::begin(LogFormat::Text, None, MultiProgress::new(), voice.0.clone())
        .map_err(|error| failed(&anyhow::Error::msg(error)))?;
    let settings = Settings { scrubber: voice.0.clone(), ..settings };
    let metrics = Arc::new(Metrics::new());
    let options = settings.client_options(target.home());
    let fetcher = Fetcher::new(&options, metrics.clone()).map_err(no_client)?;
    let fetcher = fetcher.reading(target.statuses()).in_sessions(target.sessions(&settings));
    let mut signals = Signals::listen().map_err(|error| failed(&error.into()))?;
    let mut climb = Climb {
        fetcher,
        voice: voice.clone(),
        metrics,
        most: arguments.max_requests.unwrap_or(MOST_REQUESTS),
        targets: Vec::new(),
        turn: 0,
        cost: 1,
        levels: Vec::new(),
        trouble: None,
    };
    let first = tokio::select! {
        first = climb.prepare(&target) => first,
        signal = signals.next() => return Err(Exit::Interrupted(signal)),
    };
    first.map_err(|error| voice.failed(&error))?;
    let (stop, signal) = climb.climb(&mut signals).await;
    if climb.levels.is_empty() && signal.is_none() {
        return Err(failed(&anyhow!("--max-requests is too low to measure anything")));
    }
    match arguments.json {
        true => voice.show_json(&table::json(&climb.levels, stop))?,
        false => voice.show(&table::text(&climb.levels, stop))?,
    }
    Ok(signal.map_or(Exit::Complete, Exit::Interrupted))
}

/// Subject of the measurement.
enum Target {
    Url(url::Url),
    Site(Box<Site>),
}

impl Target {
    fn credentials(&self, into: &mut Credentials) {
        match self {
            Target::Url(url) => into.url(url.as_str()),
            Target::Site(site) => site.credentials(into),
        }
    }

    fn statuses(&self) -> Statuses {
        match self {
            Target::Url(_) => Statuses::default(),
            Target::Site(site) => site.statuses.clone(),
        }
    }

    fn sessions(&self, settings: &Settings) -> Option<SessionRules> {
        match self {
            Target::Url(_) => None,
            Target::Site(site) => extract::sessions(site, settings),
        }
    }

    fn home(&self) -> Home {
        match self {
            Target::Url(url) => Home { site: url.clone(), hosts: Vec::new() },
            Target::Site(site) => site.home(),
        }
    }
}

fn target(arguments: &TuneArgs) -> Result<Target, Exit> {
    let text = &arguments.target;
    if text.contains("://") {
        return values::url(text).map(Target::Url).map_err(|error| refused("URL", &error));
    }
    let site = Site::load(text)
        .map_err(|error| refused("SITE", &format!("{error}; a URL begins with https://")))?;
    let site = at_base_url(with_secrets(site)?, arguments.base_url.as_deref())?;
    Ok(Target::Site(Box::new(site.of_sweep(Kind::Full, clock::now()))))
}

/// A measurement that raises concurrency level by level.
struct Climb {
    fetcher: Fetcher,
    voice: Voice,
    metrics: Arc<Metrics>,
    /// Maximum number of requests in total.
    most: usize,
    /// Requests to make, in rotation.
    targets: Vec<Request>,
    turn: usize,
    /// Number of requests that one target takes, including redirects.
    cost: usize,
    levels: Vec<Level>,
    /// Last error of the level being measured, in words.
    trouble: Option<String>,
}

impl Climb {
    /// Determines what to request, and makes one request: a site that does not answer one request
    /// must not receive many.
    async fn prepare(&mut self, target: &Target) -> anyhow::Result<()> {
        self.targets = match target {
            Target::Url(url) => vec![Request::get(url.clone())],
            Target::Site(site) => targets::of(site, &self.fetcher).await?,
        };
        let Some(first) = self.targets.first().cloned() else {
            bail!("there is no page to request")
        };
        let url = shown(&first.url);
        let answer = self.fetcher.answer(first).await?;
        if let Some(to) = answer.leads_to {
            bail!("{url} redirects to {}: another host, or no longer https", plain(&to));
        }
        if answer.status.as_u16() >= 400 {
            bail!("{url} answered {}", answer.status.as_u16());
        }
        match target {
            Target::Url(_) => self.targets = vec![Request::get(answer.page.url)],
            Target::Site(_) => self.cost = 1 + answer.redirects.len(),
        }
        self.voice.print_message(&match self.targets.len() {
            1 => format!("requesting {url}, at most {} requests; Ctrl-C stops\n", self.most),
            pages => format!(
                "requesting {pages} pages, the first {url}, at most {} requests; Ctrl-C stops\n",
                self.most
            ),
        });
        Ok(())
    }

    /// Raises concurrency until that no longer pays or a signal arrives.
    async fn climb(&mut self, signals: &mut Signals) -> (Stop, Option<StopSignal>) {
        loop {
            let at_once = match decide(&self.levels, self.left()) {
                Decision::Climb(at_once) => at_once,
                Decision::Stop(stop) => return (stop, None),
            };
            let samples = tokio::select! {
                samples = self.level(at_once) => samples,
                signal = signals.next() => return (Stop::Interrupted, Some(signal)),
            };
            let level = Level::of(at_once, &samples);
            let trouble = self
                .trouble
                .take()
                .map_or_else(String::new, |last| format!(", the last: {}", plain(&last)));
            self.voice.print_message(&format!("  {}{trouble}\n", table::line(&level)));
            self.levels.push(level);
        }
    }

    /// Returns how many more targets may be requested.
    fn left(&self) -> usize {
        let made = usize::try_from(self.metrics.snapshot().requests.total).unwrap_or(usize::MAX);
        self.most.saturating_sub(made) / self.cost
    }

    /// Measures one level, with `at_once` requests in flight.
    async fn level(&mut self, at_once: usize) -> Vec<Sample> {
        let begun = Instant::now();
        let fetcher = &self.fetcher;
        let mut running = FuturesUnordered::new();
        let mut samples = Vec::new();
        loop {
            let made = samples.len() + running.len();
            if running.len() < at_once && goes_on(at_once, made, begun.elapsed()) {
                let request = self.targets[self.turn % self.targets.len()].clone();
                self.turn += 1;
                running.push(ask(fetcher, request, begun));
                continue;
            }
            match running.next().await {
                Some(Ok(sample)) => samples.push(sample),
                Some(Err((sample, trouble))) => {
                    samples.push(sample);
                    self.trouble = Some(trouble);
                }
                None => return samples,
            }
        }
    }
}

/// Makes one request and measures it. On an error or a bad status, also returns the reason in
/// words.
async fn ask(
    fetcher: &Fetcher,
    request: Request,
    begun: Instant,
) -> Result<Sample, (Sample, String)> {
    let sent = Instant::now();
    let answer = fetcher.answer(request).await;
    let status = answer.as_ref().ok().map(|answer| answer.status.as_u16());
    let trouble = is_trouble(status);
    let sample = Sample { ended: begun.elapsed(), took: sent.elapsed(), trouble };
    match answer {
        Err(error) => Err((sample, error.to_string())),
        Ok(answer) if trouble => Err((sample, format!("answer {}", answer.status.as_u16()))),
        Ok(_) => Ok(sample),
    }
}
