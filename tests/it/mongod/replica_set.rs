//! Three real servers as a replica set of a test's own, whose primary can be taken away.

use std::thread;
use std::time::{Duration, Instant};

use mongodb::Client;
use mongodb::bson::{Document, doc};

use super::Mongod;

const NAME: &str = "gleaner";
/// A primary that is told to end goes on for 15 s otherwise, for clients to notice.
const OPTIONS: [&str; 4] =
    ["--replSet", NAME, "--setParameter", "shutdownTimeoutMillisForSignaledShutdown=500"];
const LONGEST: Duration = Duration::from_secs(60);

/// A replica set of real servers. Its functions block: they are for threads outside of runtimes.
pub struct ReplicaSet {
    members: Vec<Mongod>,
}

impl ReplicaSet {
    /// Starts three servers and waits until one of them is primary. A primary that is silent is
    /// replaced after 1 s instead of the usual 10, so that tests need not wait.
    pub fn start() -> ReplicaSet {
        let starting: Vec<_> = (0..3).map(|_| thread::spawn(|| Mongod::with(&OPTIONS))).collect();
        let members: Vec<Mongod> =
            starting.into_iter().map(|it| it.join().expect("the server starts")).collect();
        let set = ReplicaSet { members };
        let hosts = set.members.iter().enumerate();
        let hosts: Vec<Document> =
            hosts.map(|(at, member)| doc! { "_id": at as i32, "host": member.place() }).collect();
        let settings = doc! { "electionTimeoutMillis": 1000, "heartbeatIntervalMillis": 200 };
        let config = doc! { "_id": NAME, "members": hosts, "settings": settings };
        ask(&set.members[0], doc! { "replSetInitiate": config }).expect("the set is made");
        set.primary();
        set
    }

    /// URI of a database.
    pub fn uri(&self, database: &str) -> String {
        let places: Vec<String> = self.members.iter().map(Mongod::place).collect();
        format!("mongodb://{}/{database}?replicaSet={NAME}", places.join(","))
    }

    /// Takes a member away by `how`.
    pub fn lose(&mut self, member: usize, how: fn(&mut Mongod)) {
        how(&mut self.members[member]);
    }

    /// Starts a member again and waits until it follows.
    pub fn bring_back(&mut self, member: usize) {
        self.members[member].restart();
        self.wait_for("a member that follows", |set| {
            ask(&set.members[member], doc! { "hello": 1 })
                .is_some_and(|said| said.get_bool("secondary").unwrap_or(false))
        });
    }

    /// Waits for a primary; says which member it is.
    pub fn primary(&self) -> usize {
        let mut primary = None;
        self.wait_for("a primary", |set| {
            primary = set.members.iter().position(|member| {
                member.keeper.is_some()
                    && ask(member, doc! { "hello": 1 })
                        .is_some_and(|said| said.get_bool("isWritablePrimary").unwrap_or(false))
            });
            primary.is_some()
        });
        primary.expect("it was waited for")
    }

    fn wait_for(&self, what: &str, mut so: impl FnMut(&ReplicaSet) -> bool) {
        let deadline = Instant::now() + LONGEST;
        while !so(self) {
            assert!(Instant::now() < deadline, "the replica set has never {what}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Mongod {
    fn place(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// What this very member answers; nothing where it does not.
fn ask(member: &Mongod, command: Document) -> Option<Document> {
    let uri = format!(
        "mongodb://{}/?directConnection=true&serverSelectionTimeoutMS=2000",
        member.place()
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let client = Client::with_uri_str(uri).await.expect("a URI");
        client.database("admin").run_command(command).await.ok()
    })
}
