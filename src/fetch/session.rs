//! Sessions: logs in, and again when the site says that the session has ended.
//!
//! Each client in the rotation has a session of its own, since sites tie sessions to an address or
//! a User-Agent. One request at a time logs in; the others wait for it. A renewal costs no page an
//! attempt.
//!
//! A session that was refused and then renewed may be refused again: then the login does not help,
//! or not for this page. Each renewal that does not help doubles the number of refusals in a row
//! after which the next one is made, up to [`MOST_REFUSALS`].

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use reqwest::header::{COOKIE, HeaderMap, HeaderValue};
use tracing::{info, warn};
use url::Url;

use super::cookies::Jar;
use super::{
    Exchange, FetchError, Fetcher, Hosts, LARGEST_REFUSAL, Page, Reach, Request, body, retry,
};
use crate::model::text::secret::{Scrubber, shown};

/// Maximum number of times that a request is sent in sessions that replace each other.
const MOST_SENDS: usize = 3;
/// Number of refusals in a row after which a session that never gave a page is renewed.
const FIRST_REFUSALS: u32 = 2;
/// Maximum number of refusals in a row after which a session is renewed.
const MOST_REFUSALS: u32 = 8;
/// Minimum length of a cookie to hide; shorter ones cannot be told from ordinary words.
const SHORTEST_COOKIE: usize = 8;

/// A way to log in.
pub trait Login: fmt::Debug + Send + Sync {
    /// Returns what follows after these pages, the responses to the requests so far.
    ///
    /// # Errors
    /// Returns why the login has failed, in words.
    fn after(&self, pages: &[Page]) -> Result<LoginState, String>;
}

/// State of a login.
#[derive(Debug, Default)]
pub struct LoginState {
    /// Headers of the session, as far as they are known.
    pub headers: HeaderMap,
    /// Values that must not be shown.
    pub secrets: Vec<String>,
    /// Next request, or `None` if the login is done.
    pub next: Option<Request>,
}

/// Rules for sessions.
#[derive(Debug, Clone)]
pub struct SessionRules {
    /// Way to log in.
    pub login: Arc<dyn Login>,
    /// Statuses that mean that a session has ended.
    pub again: Vec<u16>,
    /// True if cookies are kept.
    pub cookies: bool,
    /// Maximum number of retries of a login.
    pub retries: u32,
    /// Learns the secrets of sessions.
    pub scrubber: Scrubber,
}

/// Sessions of all clients in the rotation.
#[derive(Debug)]
pub struct Sessions {
    rules: SessionRules,
    of_clients: Vec<Session>,
}

/// Sessions of a client, one after another.
#[derive(Debug, Default)]
struct Session {
    /// Held by the request that logs in.
    login: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    pass: Option<Arc<Pass>>,
    /// Number of finished logins, failed ones included.
    logins: u64,
    /// Reason why the last login failed.
    failure: Option<FetchError>,
    /// Number of refusals in a row.
    refusals: u32,
    /// Number of refusals in a row after which the session is renewed.
    needed: u32,
}

/// Headers and cookies that the requests of a session carry.
#[derive(Debug)]
pub struct Pass {
    /// Client to send them by.
    pub turn: usize,
    /// Number of the login.
    number: u64,
    headers: HeaderMap,
    jar: Option<Mutex<Jar>>,
    scrubber: Scrubber,
    again: Vec<u16>,
}

impl Default for State {
    fn default() -> State {
        State { pass: None, logins: 0, failure: None, refusals: 0, needed: FIRST_REFUSALS }
    }
}

impl Sessions {
    /// Creates the sessions of this many clients. None of them has logged in yet.
    pub fn new(rules: SessionRules, clients: usize) -> Sessions {
        Sessions { rules, of_clients: (0..clients).map(|_| Session::default()).collect() }
    }

    fn state(&self, turn: usize) -> MutexGuard<'_, State> {
        self.of_clients[turn].state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the current session of a client, or a new one if there is none or its number is
    /// `ended`.
    ///
    /// # Errors
    /// Returns why the login failed: this one, or the one that this request waited for.
    async fn enter(
        &self,
        turn: usize,
        ended: Option<u64>,
        fetcher: &Fetcher,
        hosts: Option<&Hosts>,
    ) -> Result<Arc<Pass>, FetchError> {
        let before = {
            let state = self.state(turn);
            if let Some(pass) = state.current(ended)? {
                return Ok(pass);
            }
            state.logins
        };
        let _one_at_a_time = self.of_clients[turn].login.lock().await;
        {
            let state = self.state(turn);
            if let Some(pass) = state.current(ended)? {
                return Ok(pass);
            }
            if let Some(failure) = state.failure.clone().filter(|_| state.logins != before) {
                return Err(failure);
            }
        }
        let number = self.state(turn).logins + 1;
        let made = fetcher.log_in(&self.rules, turn, number, hosts).await;
        self.state(turn).logged_in(made)
    }
}

impl State {
    /// Returns the session, or `None` if a login is needed.
    ///
    /// # Errors
    /// Returns an error if the site refused the login for good.
    fn current(&self, ended: Option<u64>) -> Result<Option<Arc<Pass>>, FetchError> {
        if let Some(failure @ FetchError::Login(_)) = &self.failure {
            return Err(failure.clone());
        }
        let is_new = |pass: &&Arc<Pass>| ended.is_none_or(|ended| pass.number > ended);
        Ok(self.pass.as_ref().filter(is_new).cloned())
    }

    fn logged_in(&mut self, made: Result<Pass, FetchError>) -> Result<Arc<Pass>, FetchError> {
        self.logins += 1;
        match made {
            Err(error) => {
                self.failure = Some(error.clone());
                Err(error)
            }
            Ok(pass) => {
                let pass = Arc::new(pass);
                let is_first = self.pass.replace(pass.clone()).is_none();
                if !is_first {
                    self.needed = (self.needed * 2).min(MOST_REFUSALS);
                }
                (self.failure, self.refusals) = (None, 0);
                Ok(pass)
            }
        }
    }

    /// Records a page. `was_refused` is true if an earlier session did not get it.
    fn accepted(&mut self, was_refused: bool) {
        self.refusals = 0;
        if was_refused || self.logins == 1 {
            self.needed = 1;
        }
    }

    /// Records a refusal of the session with this number. Returns true if the request is to be sent
    /// in a newer session.
    fn refused(&mut self, number: u64) -> bool {
        if self.pass.as_ref().is_some_and(|pass| pass.number > number) {
            return true;
        }
        self.refusals += 1;
        self.refusals >= self.needed
    }
}

impl Pass {
    /// Returns true if a response with this status means that the session has ended.
    pub fn is_refusal(&self, status: u16) -> bool {
        self.again.contains(&status)
    }

    /// Returns the headers of the session.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the header with the cookies of the session for a request to `url`, after those that
    /// are given, or `None` if there are none.
    pub fn cookies(&self, url: &Url, given: Option<&HeaderValue>) -> Option<HeaderMap> {
        let cookies = self.jar()?.header(url, SystemTime::now())?;
        let joined = match given {
            Some(given) => [given.as_bytes(), b"; ", cookies.as_bytes()].concat(),
            None => cookies.into_bytes(),
        };
        let mut value = HeaderValue::from_bytes(&joined).ok()?;
        value.set_sensitive(true);
        Some(HeaderMap::from_iter([(COOKIE, value)]))
    }

    /// Keeps the cookies of a response from `url`, which is of the site's own origin.
    pub fn keep(&self, url: &Url, headers: &HeaderMap) {
        let Some(mut jar) = self.jar() else { return };
        let new = jar.keep(url, headers, SystemTime::now());
        new.iter().filter(|it| it.len() >= SHORTEST_COOKIE).for_each(|it| self.scrubber.learn(it));
    }

    fn jar(&self) -> Option<MutexGuard<'_, Jar>> {
        self.jar.as_ref().map(|jar| jar.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Fetcher {
    /// Makes requests to the site's own origin in sessions.
    pub fn in_sessions(self, rules: Option<SessionRules>) -> Fetcher {
        let sessions = rules.map(|rules| Sessions::new(rules, self.clients.count()));
        Fetcher { sessions, ..self }
    }

    /// Makes a request and follows its redirects. If the site has sessions, makes it in one, and
    /// again in a new one if that has ended.
    pub(super) async fn exchange(
        &self,
        request: Request,
        hosts: Option<&Hosts>,
    ) -> Result<Exchange, FetchError> {
        match self.sessions.as_ref().filter(|_| self.home.is_own(&request.url)) {
            None => self.follow(request, Reach::Site, hosts, None).await,
            Some(sessions) => Box::pin(self.exchange_in(sessions, request, hosts)).await,
        }
    }

    async fn exchange_in(
        &self,
        sessions: &Sessions,
        request: Request,
        hosts: Option<&Hosts>,
    ) -> Result<Exchange, FetchError> {
        let turn = self.clients.take_turn();
        let mut pass = sessions.enter(turn, None, self, hosts).await?;
        let mut sends = 0;
        loop {
            sends += 1;
            let mut exchange =
                self.follow(request.clone(), Reach::Site, hosts, Some(&pass)).await?;
            let status = exchange.response.status().as_u16();
            exchange.has_ended_session =
                pass.is_refusal(status) && self.home.is_own(&exchange.request.url);
            if !exchange.has_ended_session {
                if self.statuses.is_ok(status) || status == 304 {
                    sessions.state(turn).accepted(sends > 1);
                }
                return Ok(exchange);
            }
            if !sessions.state(turn).refused(pass.number) || sends == MOST_SENDS {
                return Ok(exchange);
            }
            exchange.log(0);
            // Read to its end, so that the connection can be used again.
            let _ = body(&mut exchange.response, &[], LARGEST_REFUSAL).await;
            pass = sessions.enter(turn, Some(pass.number), self, hosts).await?;
            self.retried();
            if let Some(hosts) = hosts {
                hosts.of(&request.url).take_turn().await;
            }
        }
    }

    /// Logs in, and retries that while the site has trouble. Returns what the requests of the session
    /// carry.
    ///
    /// Errors that concern the host as a whole are left to the page's own task, which waits for the
    /// host and logs in again.
    async fn log_in(
        &self,
        rules: &SessionRules,
        turn: usize,
        number: u64,
        hosts: Option<&Hosts>,
    ) -> Result<Pass, FetchError> {
        let mut attempt = 1;
        loop {
            let (url, error) = match self.try_login(rules, turn, number, hosts).await {
                Ok(pass) => return Ok(pass),
                Err(failed) => failed,
            };
            if is_of_host(&error) {
                return Err(error);
            }
            let place = url.as_ref().map_or_else(String::new, |url| format!(" at {}", shown(url)));
            let delay = retry::after_single(&error, attempt, rules.retries, fastrand::f64());
            let Some(delay) = delay else {
                let why = match error {
                    FetchError::Login(why) => why,
                    error => error.to_string(),
                };
                return Err(FetchError::Login(format!("{place}: {why}")));
            };
            warn!("the login{place} failed ({error}); retrying in {delay:.1?}");
            attempt += 1;
            self.retried();
            tokio::time::sleep(delay).await;
        }
    }

    /// Makes the requests of a login. An error comes with the URL that was requested.
    async fn try_login(
        &self,
        rules: &SessionRules,
        turn: usize,
        number: u64,
        hosts: Option<&Hosts>,
    ) -> Result<Pass, (Option<Url>, FetchError)> {
        let mut pass = Pass {
            turn,
            number,
            headers: HeaderMap::new(),
            jar: rules.cookies.then(Mutex::default),
            scrubber: rules.scrubber.clone(),
            again: rules.again.clone(),
        };
        let mut pages: Vec<Page> = Vec::new();
        loop {
            let last = pages.last().map(|page| page.url.clone());
            let state = rules.login.after(&pages);
            let state = state.map_err(|why| (last.clone(), FetchError::Login(why)))?;
            state.secrets.iter().for_each(|secret| rules.scrubber.learn(secret));
            pass.headers = state.headers;
            let Some(request) = state.next else {
                if let Some(url) = last {
                    info!(url = shown(&url), "logged in");
                }
                return Ok(pass);
            };
            if let Some(hosts) = hosts {
                hosts.of(&request.url).take_turn().await;
            }
            let url = request.url.clone();
            let page = self.login_page(request, &pass, hosts).await;
            pages.push(page.map_err(|error| (Some(url), error))?);
        }
    }

    async fn login_page(
        &self,
        request: Request,
        pass: &Pass,
        hosts: Option<&Hosts>,
    ) -> Result<Page, FetchError> {
        let mut exchange = self.follow(request, Reach::Login, hosts, Some(pass)).await?;
        if let Some(to) = exchange.leads_to.take() {
            exchange.log(0);
            return Err(FetchError::RedirectRefused { to });
        }
        match exchange.response.status().is_success() {
            true => self.read(exchange).await,
            false => Err(self.refusal(exchange).await),
        }
    }
}

/// Returns true if a failed login says something about the host, whose limits and waits then apply.
fn is_of_host(error: &FetchError) -> bool {
    matches!(
        error,
        FetchError::Away(_)
            | FetchError::Connect(_)
            | FetchError::Later { .. }
            | FetchError::Status { status: 429, .. }
            | FetchError::Status { status: 503, wait: Some(_), .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(number: u64) -> Result<Pass, FetchError> {
        Ok(Pass {
            turn: 0,
            number,
            headers: HeaderMap::new(),
            jar: None,
            scrubber: Scrubber::default(),
            again: vec![401],
        })
    }

    /// Logins of a state after these outcomes of requests: a page, or a refusal that may lead to a
    /// renewal, after which it is refused again or not.
    fn logins(outcomes: impl Iterator<Item = (bool, bool)>) -> u64 {
        let mut state = State::default();
        state.logged_in(pass(1)).unwrap();
        for (is_page, helps) in outcomes {
            if is_page {
                state.accepted(false);
            } else if state.refused(state.logins) {
                state.logged_in(pass(state.logins + 1)).unwrap();
                if helps {
                    state.accepted(true);
                } else {
                    state.refused(state.logins);
                }
            }
        }
        state.logins
    }

    #[test]
    fn w29_renewals_that_do_not_help_become_rare() {
        // Nothing but refusals.
        assert!(logins((0..20).map(|_| (false, false))) <= 5);
        // One page in ten is refused whatever the session, as one for another account is.
        assert_eq!(logins((0..10_000).map(|at| (at % 10 != 1, false))), 2);
        // Sessions that last ten pages.
        assert_eq!(logins((0..100).map(|at| (at % 10 != 9, true))), 11);
        // After renewals that did not help, an end of the session is noticed all the same.
        let refused_for_ever = (0..100).map(|at| (at % 2 == 0, false));
        let ended = std::iter::once((false, true));
        assert_eq!(logins(refused_for_ever.chain(ended)), 2 + 1);
    }

    #[test]
    fn w29_a_login_that_was_refused_is_not_repeated() {
        let mut state = State::default();
        let refused = FetchError::Login("no".to_owned());
        assert_eq!(state.logged_in(Err(refused.clone())).unwrap_err(), refused);
        assert_eq!(state.current(None).unwrap_err(), refused);
        let mut state = State::default();
        let away = FetchError::Away("no".to_owned());
        state.logged_in(Err(away)).unwrap_err();
        assert!(state.current(None).unwrap().is_none(), "tried again with the next request");
    }
}
