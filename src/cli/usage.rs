//! Usage errors: what is wrong with which flag or variable, and what help there is.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Exit;
use super::streams::say;

/// Tells what clap has to say, and says so where a bad value stands in a variable.
pub fn tell(error: &clap::Error, command: &clap::Command) -> Exit {
    // Standard output or error may be closed already; there is nobody left to tell then.
    let _ = error.print();
    if let Some(variable) = variable_behind(error, command) {
        say(&format!("\nThe value stands in the environment variable {variable}.\n"));
    }
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Complete,
        _ => Exit::Usage,
    }
}

/// Tells that a setting is wrong.
pub fn wrong(flag: &str, variable: &str, message: &str) -> Exit {
    refused(&format!("{flag} ({variable})"), message)
}

/// Tells that an argument without a variable is wrong.
pub fn refused(argument: &str, message: &str) -> Exit {
    say(&format!("error: {argument}: {message}\n\nFor more information, try '--help'.\n"));
    Exit::Usage
}

/// The variable that the value which clap refuses came from, where it came from one.
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
