//! The JSON API and its description: each answer fits the schema of its path and status. And the
//! metrics, as Prometheus reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use gleaner::demo::{Demo, Fault, Options};
use serde_json::Value;

use super::super::program::{crawl, gleaner};
use super::super::several::Folder;
use super::super::{folder, site, sqlite, start};
use super::asked::Answered;
use super::{Server, until};
use crate::mongod::fresh_database;

/// The path of an item.
fn broken(demo: &Demo) -> String {
    format!("/api/book/{}/", demo.keys()[3])
}

/// The description, and what was compared with it.
struct Api {
    document: Value,
    met: BTreeSet<String>,
}

impl Api {
    fn of(server: &Server) -> Api {
        Api { document: server.json("/api/v1/openapi.json"), met: BTreeSet::new() }
    }

    /// Compares an answer with the schema of its path.
    fn fits(&mut self, path: &str, answered: &Answered) {
        let pointer = path.replace('/', "~1");
        let schema = format!(
            "/paths/{pointer}/get/responses/{}/content/application~1json/schema",
            answered.status
        );
        let schema = self.document.pointer(&schema).unwrap_or_else(|| panic!("no {schema}"));
        let value = answered.json();
        if let Err(why) = self.valid(schema, &value) {
            panic!("{path} {}: {why}\n{value:#}", answered.status);
        }
        self.met.insert(format!("{path} {}", answered.status));
    }

    /// Validates by the part of JSON Schema that the description uses. Other words are errors.
    fn valid(&self, schema: &Value, value: &Value) -> Result<(), String> {
        for (word, wanted) in schema.as_object().expect("a schema") {
            let is_fine = match word.as_str() {
                "description" => true,
                "$ref" => {
                    let name = wanted.as_str().expect("a name").trim_start_matches('#');
                    self.valid(self.document.pointer(name).expect("a schema"), value)?;
                    true
                }
                "type" => match wanted {
                    Value::Array(types) => types.iter().any(|wanted| is_a(wanted, value)),
                    wanted => is_a(wanted, value),
                },
                "enum" => wanted.as_array().expect("values").contains(value),
                "anyOf" => {
                    let mut schemas = wanted.as_array().expect("schemas").iter();
                    let tried: Vec<_> = schemas.by_ref().map(|it| self.valid(it, value)).collect();
                    let fits = tried.iter().any(Result::is_ok);
                    if !fits {
                        return Err(format!("{tried:?}"));
                    }
                    fits
                }
                "minimum" => value.as_f64().is_none_or(|it| it >= wanted.as_f64().expect("it")),
                "format" => {
                    assert_eq!(wanted, "date-time");
                    value.as_str().is_none_or(|it| it.parse::<jiff::Timestamp>().is_ok())
                }
                "items" => {
                    for value in value.as_array().into_iter().flatten() {
                        self.valid(wanted, value)?;
                    }
                    true
                }
                "properties" => {
                    for (name, schema) in wanted.as_object().expect("properties") {
                        if let Some(value) = value.get(name) {
                            self.valid(schema, value).map_err(|why| format!("{name}: {why}"))?;
                        }
                    }
                    true
                }
                "required" => {
                    let names = wanted.as_array().expect("names").iter();
                    names.map(|it| it.as_str().expect("it")).all(|it| value.get(it).is_some())
                }
                "additionalProperties" => {
                    let known = &schema["properties"];
                    let more = value.as_object().into_iter().flatten();
                    for (name, value) in more.filter(|(name, _)| known.get(name).is_none()) {
                        match wanted {
                            Value::Bool(false) => return Err(format!("{name} is not described")),
                            schema => self.valid(schema, value)?,
                        }
                    }
                    true
                }
                other => panic!("the description uses {other}"),
            };
            if !is_fine {
                return Err(format!("{word} {wanted}: {value}"));
            }
        }
        Ok(())
    }
}

fn is_a(wanted: &Value, value: &Value) -> bool {
    match wanted.as_str().expect("a type") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the description uses the type {other}"),
    }
}

#[test]
fn every_answer_fits_its_description() {
    let (_folder, path) = folder();
    for store in [sqlite(&path), fresh_database()] {
        let server = Server::of(&store);
        let mut api = Api::of(&server);
        let (all, one) = ("/api/v1/status", "/api/v1/sites/{site}");
        let sweep = "/api/v1/sites/{site}/sweeps/{sweep}";
        if store.starts_with("sqlite") {
            for (path, at) in
                [(all, all), (one, "/api/v1/sites/b"), (sweep, "/api/v1/sites/b/sweeps/1")]
            {
                api.fits(path, &server.get(at).with(503));
            }
        }
        let demo = start(Options { items: 12, ..Options::default() });
        // A failure, an incomplete sweep, a limited one, and one whose process was killed.
        demo.fault(Fault::on(broken(&demo)).status(500));
        crawl(demo.url(), &store, &["--retries", "0"]).run().with(3);
        crawl(demo.url(), &store, &["--limit", "2"]).run();
        let latency = Duration::from_millis(50);
        let slow = start(Options { items: 900, latency, ..Options::default() });
        let running = crawl(slow.url(), &store, &["--workers", "2", "--fresh"]).start();
        running.says("starting sweep");
        let books = "/api/v1/sites/books";
        until(&server, books, |it| it.status == 200 && !it.json()["running"]["progress"].is_null());
        for _ in 0..2 {
            api.fits(all, &server.get(all).with(200));
            let site = server.get(books).with(200);
            api.fits(one, &site);
            for row in site.json()["sweeps"].as_array().expect("sweeps") {
                let at = format!("{books}/sweeps/{}", row["sweep"].as_str().expect("an id"));
                api.fits(sweep, &server.get(&at).with(200));
            }
            running.signal("KILL");
            std::thread::sleep(Duration::from_secs(2));
        }
        api.fits(one, &server.get("/api/v1/sites/films").with(404));
        api.fits(sweep, &server.get(&format!("{books}/sweeps/1")).with(404));
        let all_but_away = 5;
        assert!(api.met.len() >= all_but_away, "{:?}", api.met);
        server.stop();
    }
}

/// Checks Prometheus' text format, and returns the samples.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let (mut family, mut families) = (None::<(&str, &str)>, BTreeSet::new());
    let mut samples = BTreeMap::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect("a help");
            assert!(help.ends_with('.') && families.insert(name), "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a type");
            assert!(["counter", "gauge", "summary"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            family = Some((name, kind));
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let (name, _) = series.split_once('{').unwrap_or((series, ""));
            assert_eq!(Some(name), family.map(|(name, _)| name), "{line}");
            let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!(samples.insert(series.to_owned(), value).is_none(), "twice: {line}");
        }
    }
    samples
}

#[test]
fn metrics_are_prometheus_text_and_say_what_the_ledgers_say() {
    let folder = Folder::new();
    for store in [folder.store(), fresh_database()] {
        let other = site(5);
        crawl(other.url(), &store, &["--collection", "one"]).run().with(0);
        let server = Server::of(&store);
        until(&server, "/metrics", |it| it.body.contains("gleaner_store_up 1"));
        let demo = start(Options { items: 12, ..Options::default() });
        demo.fault(Fault::on(broken(&demo)).status(500));
        crawl(demo.url(), &store, &["--retries", "0"]).run().with(3);
        crawl(other.url(), &store, &["--collection", "two"]).run().with(0);
        let is_fine = "collection=\"two\",state=\"fine\"} 1";
        until(&server, "/metrics", |it| it.body.contains(is_fine));
        let answered = server.get("/metrics").with(200);
        assert_eq!(answered.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
        let found = samples(&answered.body);
        let value = |name: &str, collection: &str, more: &str| {
            let series = format!("{name}{{site=\"books\",collection=\"{collection}\"{more}}}");
            found.get(&series).copied().unwrap_or_else(|| panic!("no {series}: {}", answered.body))
        };
        assert_eq!(value("gleaner_site_state", "books", ",state=\"incomplete\""), 1.0);
        assert_eq!(value("gleaner_site_state", "two", ",state=\"fine\""), 1.0);
        assert_eq!(value("gleaner_items", "two", ",state=\"new\""), 5.0);
        assert_eq!(value("gleaner_items_listed", "two", ""), 5.0);
        assert_eq!(value("gleaner_failures", "books", ",reason=\"status\""), 1.0);
        // They began after the first look.
        assert_eq!(value("gleaner_sweeps_total", "books", ",outcome=\"incomplete\""), 1.0);
        assert_eq!(value("gleaner_items_total", "books", ",verdict=\"new\""), 11.0);
        assert!(value("gleaner_requests_total", "two", ",class=\"2xx\"") > 5.0);
        assert_eq!(value("gleaner_field_found_ratio", "two", ",field=\"id\""), 1.0);
        assert_eq!(found["gleaner_store_up"], 1.0);
        promtool(&answered.body);
        server.stop();
    }
    let (_folder, path) = super::super::folder();
    let server = Server::of(&sqlite(&path));
    assert_eq!(samples(&server.get("/metrics").with(200).body)["gleaner_store_up"], 0.0);
    server.stop();
}

/// Checks with Prometheus' own tool, where there is one; `make test-browser` needs it.
fn promtool(text: &str) {
    let mut tool = Command::new("promtool");
    tool.args(["check", "metrics"]).stdin(Stdio::piped());
    let tool = tool.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut tool) = tool else { return };
    tool.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    let said = tool.wait_with_output().expect("it ends");
    let errors = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.success() && errors.is_empty(), "{errors}");
}

#[test]
fn the_sweeps_that_were_there_before_are_not_counted() {
    let (_folder, path) = folder();
    let demo = site(4);
    crawl(demo.url(), &sqlite(&path), &[]).run().with(0);
    let server = Server::of(&sqlite(&path));
    until(&server, "/readyz", |it| it.status == 200);
    let series = "gleaner_sweeps_total{site=\"books\",collection=\"books\",outcome=\"complete\"}";
    assert_eq!(samples(&server.get("/metrics").body)[series], 0.0);
    crawl(demo.url(), &sqlite(&path), &[]).run().with(0);
    until(&server, "/metrics", |it| samples(&it.body)[series] == 1.0);
    server.stop();
    let listed = gleaner(&["sweeps", "books", "--store", &sqlite(&path)]).run().with(0).out;
    assert!(listed.contains("complete"), "{listed}");
}
