//! Steps: what they find, what they refuse, and what they may cost.

use std::time::Duration;

use super::*;
use crate::select::budget::used;
use crate::select::{Part, Select, SelectError};

fn parts(steps: &[&str]) -> Vec<Part> {
    let part = |step: &&str| match step.strip_prefix('~') {
        Some(regex) => Part::Regex(regex.to_owned()),
        None => Part::Selector((*step).to_owned()),
    };
    steps.iter().map(part).collect()
}

fn json(text: &str) -> JsonPage {
    JsonPage::parse(bytes::Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn html(text: &str) -> HtmlPage {
    let url = Url::parse("https://shop.test/list/").unwrap();
    HtmlPage::parse(text.as_bytes(), Some("text/html; charset=utf-8"), &url).unwrap()
}

/// All that the steps find, values as JSON.
fn found(steps: &[&str], scope: Scope<'_>) -> Result<Vec<String>, StepError> {
    let on = match scope {
        Scope::Json { .. } => Finds::Values,
        Scope::Html(_) => Finds::Elements,
    };
    let mut all = Vec::new();
    Select::parse(&parts(steps), on).unwrap().each(scope, |one| {
        all.push(match one {
            Match::Text(text) => text.into_owned(),
            Match::Place(Scope::Json { value, .. }) => crate::model::document::value_to_text(value),
            Match::Place(Scope::Html(element)) => element.text(),
        });
        ControlFlow::Continue(())
    })?;
    Ok(all)
}

fn of_json(steps: &[&str], page: &str) -> Result<Vec<String>, StepError> {
    found(steps, json(page).scope())
}

fn of_html(steps: &[&str], page: &str) -> Result<Vec<String>, StepError> {
    found(steps, Scope::Html(html(page).scope()))
}

#[test]
fn json_holds_html_and_html_holds_json() {
    let api = r#"{"html":"<li class=card><a href='/1'>Tom &amp; Jerry</a></li><li>ad</li>","n":null,
        "title":{"rendered":"A &#8211; B"},"d":"{\"id\":12345678901234567890123}","x":"<tr><td>1<td>2"}"#;
    let next = "<script>var no;</script><script id=__NEXT_DATA__ type=application/json>
        {\"props\":{\"items\":[{\"t\":\"a  b &amp;\"},{\"t\":\"</p>\"}]}}</script>
        <div data-props='{&quot;id&quot;:7}'></div>";
    for (steps, page, expected) in [
        (&["$.html", "li.card"][..], api, &["Tom & Jerry"][..]),
        (&["$.html", "li.card", "a::attr(href)"], api, &["/1"]),
        (&["$.html", "> li::text"], api, &["Tom & Jerry", "ad"]),
        (&["$.title.rendered", "::text"], api, &["A – B"]),
        (&["$.d", "$.id"], api, &["12345678901234567890123"]),
        (&["$.x", "td::text"], api, &["1", "2"]),
        (&["$.x", "tr > td:nth-child(2)::text"], api, &["2"]),
        (&["$.n", "li"], api, &[]),
        (&["$.n", "$.x"], api, &[]),
        (&["$.none", "li"], api, &[]),
        (&["$.title", "$.rendered", "~(.) "], api, &["A"]),
        (&["$.d", "$", "$.id"], api, &["12345678901234567890123"]),
        (
            &["script#__NEXT_DATA__::text", "$.props.items[*].t"],
            next,
            &["\"a  b &amp;\"", "\"</p>\""],
        ),
        (&["div::attr(data-props)", "$.id"], next, &["7"]),
        (&["div", "::attr(data-props)", "$.id"], next, &["7"]),
        (&["div", "p::text"], next, &[]),
    ] {
        let made = if page == api { of_json(steps, page) } else { of_html(steps, page) };
        assert_eq!(
            made.as_deref(),
            Ok(expected.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>().as_slice()),
            "{steps:?}"
        );
    }
}

#[test]
fn after_a_regex_json_ends_where_its_value_ends() {
    let of = |script: &str, regex: &str, path: &str| {
        of_html(
            &["script::text", &format!("~{regex}"), path],
            &format!("<script>{script}</script>"),
        )
    };
    let state = r"S\s*=\s*(.*)";
    for (script, path, expected) in [
        ("window.S = {\"a\":{\"b\":\"}{\"}}; window.T = {};", "$.a.b", "\"}{\""),
        ("S=[1,[2,\"]\\\"\"]];(function(){}())", "$[1][1]", "\"]\\\"\""),
        ("S = \"x\\\"y\";", "$", "\"x\\\"y\""),
        ("S = -12.5e3;", "$", "-12500.0"),
        ("S = true", "$", "true"),
        ("S = {\n  \"a\": {\n \"b\": 1 }\n};\nT = 2;", "$.a.b", "1"),
        ("S = {\"a\":1}", "$.a", "1"),
        ("S = {\"a\":\"tab\there\"};", "$.a", "\"tab\u{fffd}here\""),
    ] {
        assert_eq!(of(script, state, path).as_deref(), Ok(&[expected.to_owned()][..]), "{script}");
    }
    // A regex that ends too early costs nothing.
    assert_eq!(of("S = {\"n\":\"a};b\",\"a\":1};", r"S = (\{.*?\});", "$.a").unwrap(), ["1"]);
    // Scripts that the regex does not match are passed over.
    let page = "<script>var a = 1;</script><script>S = {\"a\":2};</script>";
    assert_eq!(of_html(&["script::text", "~S = (.*)", "$.a"], page).unwrap(), ["2"]);
    for (script, words) in [
        ("S = {a: 1};", "reads a text as JSON, and \"{a: 1}\" is none"),
        ("S = undefined;", "\"undefined\" is none"),
        ("S = 'x'", "\"'x'\" is none"),
        ("S = {\"a\":1", "is none"),
    ] {
        let error = of(script, state, "$.a").unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("`$.a`"), "{script}: {error}");
    }
    // Without a regex, nothing may follow.
    assert!(of_html(&["script::text", "$.a"], "<script>{\"a\":1};</script>").is_err());
}

#[test]
fn what_is_no_text_is_an_error_and_no_end_of_the_list() {
    for (page, words) in [
        ("{\"html\":{\"a\":1}}", "`li` reads a text, and what is there is an object"),
        ("{\"html\":[1]}", "`li` reads a text, and what is there is a list"),
    ] {
        let error = of_json(&["$.html", "li"], page).unwrap_err().to_string();
        assert_eq!(error, words);
    }
    for page in ["{\"html\":null}", "{\"html\":\"\"}", "{\"html\":7}", "{}"] {
        assert_eq!(of_json(&["$.html", "li"], page), Ok(vec![]), "{page}");
    }
    let source = |page: &str| {
        let Ok(Select::Steps(steps)) = Select::parse(&parts(&["$.html", "li"]), Finds::Values)
        else {
            unreachable!()
        };
        steps.has_source(json(page).scope()).unwrap()
    };
    assert_eq!(source("{\"html\":\"\"}"), Some(true));
    assert_eq!(source("{\"error\":1}"), Some(false));
}

#[test]
fn steps_that_do_not_fit_are_refused() {
    let wrong = |steps: &[&str], on| Select::parse(&parts(steps), on).unwrap_err().to_string();
    for (steps, on, words) in [
        (
            &["li", "$.a"][..],
            Finds::Elements,
            "step 2: it reads a text, and the step before it selects elements; write `::text`",
        ),
        (&["li", "~x"], Finds::Elements, "step 2: it reads a text"),
        (&["~x", "$.a"], Finds::Values, "step 1: a regex reads a text"),
        (&["li::text", "$.["], Finds::Elements, "step 2: `$.[` is not a JSONPath"),
        (&["$.a", "li >"], Finds::Values, "step 2: `li >` is not a CSS selector"),
        (&["$.a", "~("], Finds::Values, "step 2: `(` is not a regular expression"),
        (&["li", "a"], Finds::Values, "step 1: `li` is not a JSONPath"),
        (&["$.a"], Finds::Elements, "JSONPath, which is for JSON pages"),
    ] {
        let error = wrong(steps, on);
        assert!(error.contains(words), "{steps:?}: {error}");
    }
    assert_eq!(Select::parse(&[], Finds::Values), Err(SelectError::Empty));
    assert_eq!(Select::parse(&parts(&["$.a"; 9]), Finds::Values), Err(SelectError::TooMany));
    assert!(matches!(Select::parse(&parts(&["$.a"]), Finds::Values), Ok(Select::Json(_))));
}

#[test]
fn links_and_characters_belong_to_the_page_around() {
    let page = html("<base href='/b/'><template-x data-x='&lt;a href=x&gt;'></template-x>");
    let mut resolved = None;
    let select =
        Select::parse(&parts(&["template-x::attr(data-x)", "a"]), Finds::Elements).unwrap();
    select
        .each_place(Scope::Html(page.scope()), |place| {
            if let Scope::Html(element) = place {
                resolved = element.page().resolve("x").map(String::from);
            }
            ControlFlow::Break(())
        })
        .unwrap();
    assert_eq!(resolved.as_deref(), Some("https://shop.test/b/x"));
    let page = html("<p data-x='{\"a\":\"\\ud83c\"}'>");
    found(&["p::attr(data-x)", "$.a"], Scope::Html(page.scope())).unwrap();
    assert_eq!(page.decoding().replaced, 1);
}

#[test]
fn p9_each_step_is_within_the_time_of_the_page() {
    // Each of many texts is a page that takes its time.
    let text = format!("{}{}", "<p>".repeat(300), "<b>x</b>".repeat(2000));
    let list = format!("[{}]", vec![format!("\"{text}\""); 3000].join(","));
    let page = json(&list);
    let start = used();
    let error = found(&["$[*]", "p ~ b::text"], page.scope()).unwrap_err();
    let took = used() - start;
    assert!(
        matches!(error, StepError::Limit(LimitError::Time(_) | LimitError::Text(_))),
        "{error}"
    );
    assert!(took < Duration::from_secs(20), "{took:?}");
    if matches!(error, StepError::Limit(LimitError::Time(_))) {
        assert!(found(&["$[*]", "b::text"], page.scope()).is_err(), "no time is left");
    }
}

#[test]
fn p9_steps_multiply_no_places_and_no_texts() {
    let nested = format!("{}1{}", "[[[[[[[[".repeat(10), "]]]]]]]]".repeat(10));
    let steps = ["$..*"; 8];
    let error = of_json(&steps, &nested).unwrap_err();
    assert!(
        matches!(error, StepError::Limit(LimitError::Places(_) | LimitError::Time(_))),
        "{error}"
    );
    // One long text, reached by very many ways.
    let page = format!("{{\"a\":\"<p>{}\"}}", "x".repeat(1 << 20));
    let many = format!("[{}]", vec!["$.a"; 100].join(",")).replace("$.a", "'a'");
    let path = format!("${many}");
    let error = of_json(&[&path, "b::text"], &page).unwrap_err();
    assert!(
        matches!(error, StepError::Limit(LimitError::Text(_) | LimitError::Time(_))),
        "{error}"
    );
}

#[test]
fn p9_a_page_within_a_page_has_what_is_left_of_its_nodes() {
    let page = json(&format!("{{\"a\":\"{}\"}}", "<b>".repeat(600)));
    let error = found(&["$.a", "b::text"], page.scope()).unwrap_err();
    assert_eq!(error, StepError::Limit(LimitError::Depth(512)));
    // 600 elements fit by themselves, and so do those within one of them.
    let inner = "&lt;i&gt;&lt;/i&gt;".repeat(600);
    let outer = format!("<p data-x='{inner}'></p>{}", "<b></b>".repeat(600));
    let page = json(&format!("{{\"a\":\"{outer}\"}}"));
    let within = |nodes: usize, steps: &[&str]| {
        let Ok(Select::Steps(steps)) = Select::parse(&parts(steps), Finds::Values) else {
            unreachable!()
        };
        let limits = Limits { nodes, ..Limits::default() };
        let (scope, mut count) = (page.scope(), 0);
        let walked = steps.walk(limits, Match::Place(scope), &Around::of(scope), true, &mut |_| {
            count += 1;
            ControlFlow::Continue(())
        });
        walked.map(|_| count)
    };
    assert_eq!(within(1000, &["$.a", "b"]), Ok(600));
    assert_eq!(within(2000, &["$.a", "p::attr(data-x)", "i"]), Ok(600));
    let error = within(1000, &["$.a", "p::attr(data-x)", "i"]).unwrap_err();
    assert!(matches!(error, StepError::Limit(LimitError::Nodes(..500))), "{error}");
}
