//! Defaults of the arguments, for `--help`, the man pages and `docs/configuration.md`.
//!
//! The values are those that the code uses: [`Settings::default`] and constants. No doc comment of
//! an argument repeats one. The man pages and the table in the documentation are generated from the
//! same [`Command`]; tests compare them with the files, and `make docs` writes them.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use clap::{Arg, Command, ValueEnum};

use super::arguments::{LogFormat, Progress};
use super::demo::DEMO_STORE;
use super::holdings::DEFAULT_STORE;
use super::{serve, sweeps, telling, tune};
use crate::demo::Options;
use crate::site::settings::{
    ClientSettings, PaceSettings, RefreshSettings, Settings, StoreSettings,
};

/// Default of an argument.
enum Shown {
    /// A value, as it would be given.
    Value(String),
    /// A description.
    Words(&'static str),
}

impl Display for Shown {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Shown::Value(value) => f.write_str(value),
            Shown::Words(words) => f.write_str(words),
        }
    }
}

/// Adds `[default: …]` to the help of the arguments of a command and its subcommands.
pub fn shown(command: Command) -> Command {
    let is_demo = command.get_name() == "demo";
    command
        .mut_args(|argument| match of(argument.get_id().as_str(), is_demo) {
            Some(default) => with_default(argument, &default),
            None => argument,
        })
        .mut_subcommands(shown)
}

fn with_default(argument: Arg, default: &Shown) -> Arg {
    let text = |text: Option<&clap::builder::StyledStr>| text.map(ToString::to_string);
    let Some(help) = text(argument.get_help()) else { return argument };
    let long = text(argument.get_long_help());
    let first = format!("{help} [default: {default}]");
    let argument = match long.as_deref().and_then(|long| long.strip_prefix(&help)) {
        Some(details) => argument.long_help(format!("{first}{details}")),
        None => argument,
    };
    argument.help(first)
}

/// Returns the default of the argument with this id, or `None` if it has none.
fn of(id: &str, is_demo: bool) -> Option<Shown> {
    let Settings { scope, refresh, pace, client, store, files, grace, expect: _, scrubber: _ } =
        Settings::default();
    let shown = match id {
        "store" if is_demo => value(DEMO_STORE),
        "store" => value(DEFAULT_STORE),
        "grace" => time(grace),
        "fresh" => switch(scope.fresh),
        "full" => switch(scope.full),
        "limit" => or_words(scope.limit, "all"),
        "pages" => {
            or_words(scope.pages.map(|pages| format!("{}..{}", pages.from, pages.to)), "all")
        }
        "base_url" | "collection" | "page_size" => Shown::Words("the site file's"),
        "adopt" => switch(false),
        "every" | "report" | "on_change" | "notify_url" | "ping_url" | "state" => {
            Shown::Words("none")
        }
        "files" => Shown::Words("none"),
        "max_files" => value(files.most),
        "allow_seeds" => Shown::Words("the sites before it"),
        "log_format" => named(LogFormat::default()),
        "log_file" => Shown::Words("standard error"),
        "progress" => named(Progress::default()),
        "max_requests" => value(tune::MOST_REQUESTS),
        "most" => value(sweeps::MOST),
        "listen" => value(serve::LISTEN),
        "listen_host" => Shown::Words("none"),
        "at_once" => value(serve::AT_ONCE),
        "min_free" => value(bytesize::ByteSize(serve::MIN_FREE as u64).display().iec()),
        "log_dir" => Shown::Words("standard error"),
        "after" => value(telling::AFTER),
        "repeat" => time(telling::REPEAT),
        id => {
            return of_refresh(id, refresh)
                .or_else(|| of_pace(id, pace))
                .or_else(|| of_client(id, &client))
                .or_else(|| of_store(id, store))
                .or_else(|| is_demo.then(|| of_demo(id)).flatten());
        }
    };
    Some(shown)
}

fn of_refresh(id: &str, refresh: RefreshSettings) -> Option<Shown> {
    Some(match id {
        "conditional" => switch(refresh.conditional),
        "max_age" => refresh.max_age.map_or(Shown::Words("none"), time),
        "accept_changes" => switch(refresh.accept_changes),
        "gone_limit" => value(refresh.gone_limit),
        _ => return None,
    })
}

fn of_pace(id: &str, pace: PaceSettings) -> Option<Shown> {
    Some(match id {
        "workers" => value(pace.workers),
        "adaptive" => switch(pace.adaptive),
        "rate" => or_words(pace.rate, "none"),
        "robots" => switch(pace.robots),
        "retries" => value(pace.retries),
        "site_wait" => time(pace.site_wait),
        "block_after" => value(pace.block_after),
        _ => return None,
    })
}

fn of_client(id: &str, client: &ClientSettings) -> Option<Shown> {
    Some(match id {
        "timeout" => time(client.timeout),
        "connect_timeout" => time(client.connect_timeout),
        "read_timeout" => time(client.read_timeout),
        "max_body" => value(format!("{}MiB", client.max_body >> 20)),
        "user_agent" => value(client.user_agents.join(", ")),
        "proxy" => Shown::Words("the system's"),
        "header" => Shown::Words("none"),
        _ => return None,
    })
}

fn of_store(id: &str, store: StoreSettings) -> Option<Shown> {
    Some(match id {
        "batch" => value(store.batch),
        "flush" => time(store.flush),
        "store_wait" => time(store.wait),
        _ => return None,
    })
}

fn of_demo(id: &str) -> Option<Shown> {
    let options = Options::default();
    Some(match id {
        "items" => value(options.items),
        "latency" => time(options.latency),
        "seed" => value(options.seed),
        "bandwidth" => Shown::Words("unlimited"),
        "etags" => switch(options.etags),
        "churn" => value(options.churn),
        "faults" => value(0),
        "port" => Shown::Words("a free one"),
        _ => return None,
    })
}

fn value(value: impl ToString) -> Shown {
    Shown::Value(value.to_string())
}

fn time(time: Duration) -> Shown {
    value(humantime::format_duration(time))
}

fn switch(is_on: bool) -> Shown {
    value(if is_on { "on" } else { "off" })
}

fn named(name: impl ValueEnum) -> Shown {
    value(name.to_possible_value().map_or_else(String::new, |it| it.get_name().to_owned()))
}

fn or_words(set: Option<impl ToString>, words: &'static str) -> Shown {
    set.map_or(Shown::Words(words), value)
}

#[cfg(test)]
mod tests;
