//! `gleaner sites`: lists the built-in sites, prints their files (as a start for one's own) and the
//! schema of site files. `gleaner sites new` drafts a file for another site.

mod new;

use clap::{Args, Subcommand};

use super::exit::Exit;
use super::streams::{self, print_message};
use crate::model::text::wrapped;
use crate::site::{self, BuiltIn};

/// Arguments of `gleaner sites`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct SitesArgs {
    #[command(subcommand)]
    command: Option<SitesCommand>,

    /// Print the file of a built-in site
    #[arg(conflicts_with = "schema")]
    name: Option<String>,

    /// Print the JSON Schema of site files, for editors
    #[arg(long)]
    schema: bool,
}

#[derive(Debug, Subcommand)]
enum SitesCommand {
    /// Draft a site file from the URL of a list
    #[command(after_help = new::AFTER_HELP)]
    New(new::NewArgs),
}

/// Prints the table of sites, a site's file or the schema, or drafts a new file.
pub async fn run(arguments: SitesArgs) -> Exit {
    let SitesArgs { command, name, schema } = arguments;
    match (command, name, schema) {
        (Some(SitesCommand::New(arguments)), ..) => new::run(arguments).await,
        (None, _, true) => print(site::SCHEMA),
        (None, Some(name), false) => match BuiltIn::named(&name) {
            Some(site) => print(site.text),
            None => unknown(&name),
        },
        (None, None, false) => print(&table(&BuiltIn::ALL)),
    }
}

fn print(text: &str) -> Exit {
    streams::print(text.as_bytes()).map_or_else(|exit| exit, |()| Exit::Complete)
}

/// Formats names and descriptions as an aligned table.
fn table(sites: &[BuiltIn]) -> String {
    let longest = sites.iter().map(|site| site.name.len()).max().unwrap_or_default();
    let mut table = String::new();
    for built_in in sites {
        let description = built_in.site().map(|site| site.description).unwrap_or_default();
        let first = format!("{:<longest$}  ", built_in.name);
        table.push_str(&wrapped(&first, &" ".repeat(longest + 2), &description));
    }
    table
}

fn unknown(name: &str) -> Exit {
    let names: Vec<&str> = BuiltIn::ALL.iter().map(|site| site.name).collect();
    let distance = |known: &&&str| strsim::damerau_levenshtein(name, known);
    let nearest = names.iter().min_by_key(distance);
    let near = nearest.filter(|known| distance(known) <= known.len().div_ceil(2));
    let meant = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    let known = names.join(", ");
    print_message(&format!(
        "error: no built-in site is called `{name}`{meant}\nbuilt in: {known}\n"
    ));
    Exit::Usage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_aligned_and_fits_80_columns() {
        let table = table(&BuiltIn::ALL);
        for site in BuiltIn::ALL {
            assert!(table.contains(&format!("{:<15}", site.name)), "{table}");
        }
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
        assert!(table.lines().all(|line| !line.ends_with(' ')), "{table}");
    }
}
