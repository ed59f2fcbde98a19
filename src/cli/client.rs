//! Arguments of the HTTP client, shared by all commands that make requests.

use std::time::Duration;

use clap::Args;

use super::exit::{Exit, failed};
use super::usage::wrong;
use super::values;
use crate::fetch::{ClientError, Header};
use crate::model::text::secret::{Credentials, Scrubber, Secret};
use crate::site::settings::{ClientSettings, Settings};

/// Arguments of the HTTP client.
#[derive(Debug, Args)]
pub struct ClientArgs {
    /// Timeout of a whole request
    #[arg(long, env = "GLEANER_TIMEOUT", value_name = "D", value_parser = values::timeout)]
    timeout: Option<Duration>,

    /// Timeout of connecting
    #[arg(long, env = "GLEANER_CONNECT_TIMEOUT", value_name = "D", value_parser = values::timeout)]
    connect_timeout: Option<Duration>,

    /// Timeout of waiting for the next bytes of a response
    #[arg(long, env = "GLEANER_READ_TIMEOUT", value_name = "D", value_parser = values::timeout)]
    read_timeout: Option<Duration>,

    /// Maximum size of a body, decoded
    #[arg(long, env = "GLEANER_MAX_BODY", value_name = "SIZE", value_parser = values::size)]
    max_body: Option<usize>,

    /// User-Agent header; repeat to rotate
    ///
    /// The variable holds one per line.
    #[arg(long, env = "GLEANER_USER_AGENT", value_name = "S", value_delimiter = '\n')]
    user_agent: Vec<String>,

    /// Proxy URL: http, https or socks5; repeat to rotate
    ///
    /// The variable holds one per line. Proxies rotate evenly and independently of User-Agents. The
    /// system's proxies are those of HTTP_PROXY, HTTPS_PROXY and ALL_PROXY; a bad one is an error.
    #[arg(
        long,
        env = "GLEANER_PROXY",
        value_name = "URL",
        value_delimiter = '\n',
        hide_env_values = true
    )]
    proxy: Vec<String>,

    /// Header for requests to the site's own origin; repeatable
    ///
    /// The variable holds one per line. With an origin before it (https://HOST: K: V), the header
    /// is sent to that origin only, so one variable can hold headers for several sites.
    #[arg(
        long,
        env = "GLEANER_HEADERS",
        value_name = "K: V",
        value_delimiter = '\n',
        hide_env_values = true
    )]
    header: Vec<String>,
}

impl ClientArgs {
    /// Returns `settings` with the overrides of the client arguments.
    ///
    /// # Errors
    /// Returns the exit code, after printing which header is wrong.
    pub fn apply(&self, settings: Settings) -> Result<Settings, Exit> {
        let (client, user_agents) = (settings.client, lines(&self.user_agent));
        let client = ClientSettings {
            timeout: self.timeout.unwrap_or(client.timeout),
            connect_timeout: self.connect_timeout.unwrap_or(client.connect_timeout),
            read_timeout: self.read_timeout.unwrap_or(client.read_timeout),
            max_body: self.max_body.unwrap_or(client.max_body),
            user_agents: if user_agents.is_empty() { client.user_agents } else { user_agents },
            proxies: lines(&self.proxy).iter().map(|url| Secret::new(url)).collect(),
            headers: headers(&lines(&self.header))?,
        };
        Ok(Settings { client, ..settings })
    }

    /// Returns the arguments without proxies.
    pub fn without_proxy(self) -> ClientArgs {
        ClientArgs { proxy: Vec::new(), ..self }
    }
}

/// Builds the scrubber of a run. It hides the credentials of headers, of proxies (also those from
/// the environment), and those that `of_site` adds.
pub fn scrubber(settings: &Settings, of_site: impl FnOnce(&mut Credentials)) -> Scrubber {
    let mut credentials = Credentials::default();
    of_site(&mut credentials);
    settings.client.headers.iter().for_each(|it| credentials.header(&it.name, &it.value));
    settings.client.proxies.iter().for_each(|proxy| credentials.url(proxy.expose()));
    for (name, proxy) in std::env::vars_os() {
        if name.to_ascii_lowercase().to_string_lossy().ends_with("_proxy") {
            credentials.url(&proxy.to_string_lossy());
        }
    }
    credentials.scrubber()
}

/// Prints why the HTTP client cannot be built, and returns the exit code.
pub fn no_client(error: ClientError) -> Exit {
    let is_usage = matches!(error, ClientError::Proxy(..) | ClientError::Header(..));
    let exit = failed(&error.into());
    if is_usage { Exit::Usage } else { exit }
}

fn lines(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
}

/// Parses headers. They may hold credentials, so an error names the position of the bad one, not
/// its text.
fn headers(lines: &[String]) -> Result<Vec<Header>, Exit> {
    let header = |(at, line): (usize, &String)| {
        values::header(line).map_err(|error| {
            wrong("--header", "GLEANER_HEADERS", &format!("number {}: {error}", at + 1))
        })
    };
    lines.iter().enumerate().map(header).collect()
}
