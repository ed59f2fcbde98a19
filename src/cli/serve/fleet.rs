//! The arguments of the fleet of `gleaner serve DIR`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::cli::exit::{Exit, failed};
use crate::cli::usage::{refused, wrong};
use crate::cli::values;
use crate::serve::{Fleet, FleetOptions};
use crate::store::StoreUrl;

/// Default of `--at-once`.
pub const AT_ONCE: u64 = 4;
/// Default of `--min-free`, in bytes.
pub const MIN_FREE: usize = 1 << 30;

/// Arguments of the fleet.
#[derive(Debug, Args)]
pub struct FleetArgs {
    /// Folder of site files to run on their schedules
    ///
    /// Each *.toml in it is crawled when its [schedule] says so, by a process of its own. Variables of a
    /// crawl, such as secrets, are in NAME.env beside NAME.toml, which only its owner may read. The
    /// folder is looked at every 30 s and on SIGHUP.
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,

    /// Maximum sweeps of the fleet that run at once
    #[arg(long, env = "GLEANER_AT_ONCE", value_name = "N", value_parser = values::count)]
    at_once: Option<u64>,

    /// Free space below which no sweep starts
    ///
    /// On the disk of the store, and in memory; of memory, a tenth of all is enough.
    #[arg(long, env = "GLEANER_MIN_FREE", value_name = "SIZE", value_parser = values::size)]
    min_free: Option<usize>,

    /// Folder for the logs of the sweeps, one file for each site
    #[arg(long, env = "GLEANER_LOG_DIR", value_name = "DIR")]
    log_dir: Option<PathBuf>,
}

impl FleetArgs {
    /// Returns the fleet, or `None` without a folder.
    ///
    /// # Errors
    /// Returns the exit code, after printing which argument is wrong.
    pub fn fleet(self, store: &StoreUrl) -> Result<Option<Arc<Fleet>>, Exit> {
        let FleetArgs { folder, at_once, min_free, log_dir } = self;
        let Some(folder) = folder else {
            let given = [
                at_once.map(|_| "--at-once"),
                min_free.map(|_| "--min-free"),
                log_dir.as_ref().map(|_| "--log-dir"),
            ];
            return match given.into_iter().flatten().next() {
                Some(flag) => Err(refused(flag, "only with DIR, a folder of site files to run")),
                None => Ok(None),
            };
        };
        if let Err(error) = std::fs::read_dir(&folder) {
            return Err(refused("DIR", &format!("{}: {error}", folder.display())));
        }
        if let Some(path) = log_dir.as_deref().filter(|path| !path.is_dir()) {
            let why = format!("{} is not a folder", path.display());
            return Err(wrong("--log-dir", "GLEANER_LOG_DIR", &why));
        }
        if let Some(path) = store.folder()
            && let Err(error) = std::fs::create_dir_all(path)
        {
            return Err(wrong("--store", "GLEANER_STORE", &format!("{}: {error}", path.display())));
        }
        let program = std::env::current_exe().map_err(|error| failed(&error.into()))?;
        let at_once = at_once.unwrap_or(AT_ONCE);
        Ok(Some(Arc::new(Fleet::new(FleetOptions {
            folder,
            store: store.clone(),
            program,
            at_once: usize::try_from(at_once).unwrap_or(usize::MAX),
            min_free: min_free.unwrap_or(MIN_FREE) as u64,
            log_folder: log_dir,
        }))))
    }
}
