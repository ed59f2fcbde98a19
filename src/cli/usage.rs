//! Usage errors: which flag or variable is wrong, why, and what help there is.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Exit;
use super::streams::print_message;
use crate::site::BuiltIn;

/// Prints clap's error or help. If the bad value comes from an environment variable, names the
/// variable.
pub fn tell(error: &clap::Error, command: &clap::Command) -> Exit {
    if lacks_site(error) {
        let subcommand = std::env::args().nth(1).unwrap_or_default();
        print_message(&needs_site(&subcommand));
        return Exit::Usage;
    }
    if error.use_stderr() {
        // The error quotes arguments and variables, which may contain control characters.
        print_message(&error.render().to_string());
    } else {
        // Standard output may be closed; then nobody is left to report it to.
        let _ = error.print();
    }
    if let Some(variable) = variable_behind(error, command) {
        print_message(&format!("\nThe value is from the environment variable {variable}.\n"));
    }
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Complete,
        _ => Exit::Usage,
    }
}

/// Reports a wrong setting, and returns the exit code.
pub fn wrong(flag: &str, variable: &str, message: &str) -> Exit {
    refused(&format!("{flag} ({variable})"), message)
}

/// Reports a wrong argument that has no variable, and returns the exit code.
pub fn refused(argument: &str, message: &str) -> Exit {
    print_message(&format!(
        "error: {argument}: {message}\n\nFor more information, try '--help'.\n"
    ));
    Exit::Usage
}

/// Returns true if the error is a missing SITE argument.
fn lacks_site(error: &clap::Error) -> bool {
    let missing = error.get(ContextKind::InvalidArg);
    error.kind() == ErrorKind::MissingRequiredArgument
        && matches!(missing, Some(ContextValue::Strings(names)) if names.iter().any(|name| name.contains("SITE")))
}

/// Explains how to name a site. There is no default: a crawl of a site that nobody chose would send
/// thousands of requests to a stranger's server.
fn needs_site(subcommand: &str) -> String {
    let names: Vec<&str> = BuiltIn::ALL.iter().map(|site| site.name).collect();
    let example = |site: &str| format!("gleaner {subcommand} {site}");
    format!(
        "error: no SITE was given: name a site file or a built-in site\n\n  \
         {:<30} a site file; `gleaner sites new URL` writes one\n  \
         {:<30} a built-in site: {}\n  \
         {:<30} a site on this machine, to try gleaner out\n\n\
         For more information, try '--help'.\n",
        example("mysite.toml"),
        example("books"),
        names.join(", "),
        "gleaner demo",
    )
}

/// Returns the environment variable that holds the value which clap refused, or `None` if the value
/// came from the command line.
fn variable_behind(error: &clap::Error, command: &clap::Command) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let (flag, value) = (text(ContextKind::InvalidArg)?, text(ContextKind::InvalidValue)?);
    let flag = flag.split_whitespace().next()?.trim_start_matches("--").to_owned();
    let given = format!("--{flag}");
    let in_arguments =
        |argument: String| argument == given || argument.starts_with(&format!("{given}="));
    if std::env::args().any(in_arguments) {
        return None;
    }
    let arguments = command.get_subcommands().flat_map(clap::Command::get_arguments);
    let argument = arguments.into_iter().find(|argument| argument.get_long() == Some(&flag))?;
    let variable = argument.get_env()?.to_str()?;
    let stands_there = std::env::var(variable).is_ok_and(|text| text.contains(&value));
    stands_there.then(|| variable.to_owned())
}
