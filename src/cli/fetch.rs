//! `gleaner fetch`: makes one request the way the crawler does, for people who write a site file.
//!
//! Standard output gets the body, or the matches of `--select`. Standard error gets the details of
//! the request. Control characters from the site never reach a terminal.

mod body;
mod request;
mod select;

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use indicatif::MultiProgress;
use url::Url;

use super::arguments::LogFormat;
use super::client::{ClientArgs, no_client, scrubber};
use super::exit::{Exit, failed};
use super::logging;
use super::overrides::with_secrets;
use super::streams::{Voice, print};
use super::usage::refused;
use crate::extract;
use crate::fetch::{Answer, ClientOptions, ConnectClock, Fetcher, Home, Method, Request};
use crate::model::text::secret::shown;
use crate::model::text::{millis, plain};
use crate::observe::metrics::Metrics;
use crate::select::Format;
use crate::site::Site;
use crate::site::settings::Settings;
use body::Shown;
use select::Expression;

/// Text below the arguments in `--help`.
pub const AFTER_HELP: &str = "\
Prints the body to standard output: unchanged to a pipe, as text to a terminal.
Everything else goes to standard error.

Exit codes: 0 a status below 400, 1 no answer, 2 usage, 3 a status of 400 or
above, or nothing matches --select.";

/// Arguments of `gleaner fetch`.
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// URL to fetch: http://… or https://…
    url: String,

    /// HTTP method [default: GET, or POST with a body]
    #[arg(long, value_name = "METHOD", ignore_case = true, hide_possible_values = true)]
    method: Option<MethodName>,

    /// Query parameter; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    param: Vec<String>,

    /// Form field to send; repeatable
    #[arg(long, value_name = "NAME=VALUE", conflicts_with_all = ["json", "data"])]
    form: Vec<String>,

    /// JSON body; @FILE reads a file, @- standard input
    #[arg(long, value_name = "TEXT", conflicts_with = "data")]
    json: Option<String>,

    /// Raw body, sent as a form unless --header sets Content-Type; @FILE reads a file, @- standard
    /// input
    #[arg(long, value_name = "TEXT")]
    data: Option<String>,

    /// Print only what EXPR matches, one line per match: a JSONPath ($.results[*].id), a CSS
    /// selector (h1::text, a::attr(href)), or a list of steps (["$.html", "a::attr(href)"])
    #[arg(long, value_name = "EXPR")]
    select: Option<String>,

    /// Format of the page for --select [default: by Content-Type]
    #[arg(long, value_name = "FORMAT")]
    format: Option<PageFormat>,

    /// Site file whose session and user agent the request uses; the URL must be of that site
    #[arg(long, value_name = "SITE")]
    site: Option<String>,

    /// Print only the body
    #[arg(long, short)]
    quiet: bool,

    #[command(flatten)]
    client: ClientArgs,
}

/// Values of `--method`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
enum MethodName {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Head,
    Options,
}

/// Values of `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PageFormat {
    Json,
    Html,
    Xml,
    Csv,
    Jsonl,
}

impl From<MethodName> for Method {
    fn from(name: MethodName) -> Method {
        match name {
            MethodName::Get => Method::GET,
            MethodName::Post => Method::POST,
            MethodName::Put => Method::PUT,
            MethodName::Patch => Method::PATCH,
            MethodName::Delete => Method::DELETE,
            MethodName::Head => Method::HEAD,
            MethodName::Options => Method::OPTIONS,
        }
    }
}

impl From<PageFormat> for Format {
    fn from(format: PageFormat) -> Format {
        match format {
            PageFormat::Json => Format::Json,
            PageFormat::Html => Format::Html,
            PageFormat::Xml => Format::Xml,
            PageFormat::Csv => Format::Csv,
            PageFormat::Jsonl => Format::Jsonl,
        }
    }
}

/// Makes the request and prints the response.
pub async fn run(arguments: FetchArgs) -> Exit {
    try_run(arguments).await.unwrap_or_else(|exit| exit)
}

async fn try_run(arguments: FetchArgs) -> Result<Exit, Exit> {
    let request = request::of(&arguments)?;
    let wrong = |message: String| refused("--select", &message);
    let expression = arguments.select.as_deref();
    let format = arguments.format.map(Format::from);
    let expression = expression.map(|text| Expression::parse(text, format)).transpose();
    let expression = expression.map_err(wrong)?;
    if expression.is_some() && request.method == Method::HEAD {
        return Err(wrong("an answer to HEAD has no body to select from".to_owned()));
    }
    let site = arguments.site.as_deref().map(|name| site_of(name, &request.url)).transpose()?;
    let settings = site.as_ref().map_or_else(Settings::default, Site::settings);
    let settings = arguments.client.apply(settings)?;
    let voice = Voice(scrubber(&settings, |of_site| {
        of_site.url(request.url.as_str());
        site.iter().for_each(|site| site.credentials(of_site));
    }));
    let settings = Settings { scrubber: voice.0.clone(), ..settings };
    logging::begin(LogFormat::Text, None, MultiProgress::new(), voice.0.clone())
        .map_err(|error| failed(&anyhow::Error::msg(error)))?;
    let alone = || Home { site: request.url.clone(), hosts: Vec::new() };
    let home = site.as_ref().map_or_else(alone, Site::home);
    let options = ClientOptions {
        connect_clock: Some(ConnectClock::default()),
        ..settings.client_options(home)
    };
    let fetcher = Fetcher::new(&options, Arc::new(Metrics::new())).map_err(no_client)?;
    let sessions = site.as_ref().and_then(|site| extract::sessions(site, &settings));
    let fetcher = fetcher.in_sessions(sessions);
    let request = Request { url: fetcher.with_credentials(request.url), ..request };
    let tell = |text: &str| {
        if !arguments.quiet {
            voice.print_message(text);
        }
    };
    tell(&format!("{} {}\n", request.method, shown(&request.url)));
    let answer = fetcher.answer(request).await.map_err(|error| voice.failed(&error.into()))?;
    tell(&transcript(&answer));
    let exit = match expression {
        None => print_body(&answer, &voice)?,
        Some(expression) => {
            let (found, exit) = print_selected(&answer, &expression, format, &voice)?;
            tell(&format!("{found} found\n"));
            exit
        }
    };
    Ok(conclude(&answer, exit, &voice))
}

/// Loads the site that a URL is of.
///
/// # Errors
/// Returns the exit code, after printing why there is no such site, or that the URL is of another.
fn site_of(name: &str, url: &Url) -> Result<Site, Exit> {
    let site = Site::load(name).map_err(|error| refused("--site", &error.to_string()))?;
    if !site.home().is_own(url) {
        let own = shown(&site.base_url);
        let message =
            format!("the URL is of another site than {own}, and only that gets the session");
        return Err(refused("--site", &message));
    }
    with_secrets(site)
}

/// Returns `exit`, or the exit code for a response with a status of 400 or above. Reports such a
/// status, and a redirect that was not followed.
fn conclude(answer: &Answer, exit: Exit, voice: &Voice) -> Exit {
    if let Some(to) = &answer.leads_to {
        voice.print_message(&format!(
            "redirect to {} not followed: it is another host, or no longer https; fetch that URL directly\n",
            plain(to)
        ));
    }
    if answer.status.as_u16() < 400 {
        return exit;
    }
    voice.print_message(&format!("error: the site answered {}\n", status(answer)));
    Exit::Incomplete
}

fn print_body(answer: &Answer, voice: &Voice) -> Result<Exit, Exit> {
    match body::shown(&answer.page, io::stdout().is_terminal()) {
        Shown::Bytes(bytes) => print(&bytes)?,
        Shown::Described(description) => voice.print_message(&format!("{description}\n")),
    }
    Ok(Exit::Complete)
}

/// Prints the matches of the expression. Returns their number and the exit code.
fn print_selected(
    answer: &Answer,
    expression: &Expression,
    format: Option<Format>,
    voice: &Voice,
) -> Result<(usize, Exit), Exit> {
    let page = answer.page.clone().unpacked(Settings::default().client.max_body);
    let found = match expression.find(&page, format) {
        Ok(found) => found,
        Err(error) => {
            voice.failed(&error);
            return Ok((0, Exit::Incomplete));
        }
    };
    let on_terminal = io::stdout().is_terminal();
    let mut lines = String::new();
    for text in &found {
        lines.push_str(&if on_terminal { body::printable(text) } else { text.clone() });
        lines.push('\n');
    }
    print(lines.as_bytes())?;
    if found.is_empty() {
        voice.print_message(&format!("error: nothing matches {expression}\n"));
        return Ok((0, Exit::Incomplete));
    }
    Ok((found.len(), Exit::Complete))
}

fn status(answer: &Answer) -> String {
    let reason = answer.status.canonical_reason().unwrap_or_default();
    format!("{} {reason}", answer.status.as_str()).trim_end().to_owned()
}

/// Formats the response without its body: redirects, status, headers and timing.
fn transcript(answer: &Answer) -> String {
    let mut text = String::new();
    for redirect in &answer.redirects {
        let (from, to) = (plain(&redirect.from), plain(&redirect.to));
        let _ = writeln!(text, "  {} {from} → {to}", redirect.status);
    }
    let _ = writeln!(text, "{} {}", answer.version, status(answer));
    for (name, value) in &answer.page.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let _ = writeln!(text, "  {name}: {}", plain(&value));
    }
    let connection = match answer.connect {
        Some(time) => millis(time),
        None => "kept".to_owned(),
    };
    let _ = writeln!(
        text,
        "connection {connection} · head after {} · body after {} · {} bytes decoded",
        millis(answer.head_after),
        millis(answer.body_after),
        answer.page.body.len()
    );
    text
}
