//! Pages of records, most of them in a browser.

use lab::exit::Exit;
use serde_json::{Value, json};

use super::made::{self, FIRST};
use super::page_records::{full_record, page, with_histograms_and_curves};
use super::{GROUPS, folder, report, stdout};
use crate::support::{Browser, Project, assert_exit, requires, short, text, wait_until};

/// axe-core: see `assets/README.md`.
const AXE: &str = include_str!("../../../assets/axe/axe.min.js");

/// What would run as a script, or end an element, where a text is not escaped.
const HOSTILE: &str =
    "\"'><img src=x onerror=\"window.hostile=1\"></script></style><script>window.hostile=1</script><!--{{1}}";

#[test]
fn run_writes_its_page() {
    let project = Project::new(short);
    let output = project.expect(Exit::Ok, &["run", "scenarios/default.toml"]);
    let line = output.lines().find(|line| line.starts_with("page ")).unwrap_or_else(|| panic!("{output}"));
    let file = project.path(line.trim_start_matches("page").trim());
    let page = std::fs::read_to_string(&file).unwrap();
    assert_eq!(file.file_name().unwrap(), "report.html");
    assert!(page.contains("What does the proxy change"), "{}", &page[..2000]);
    let [diagram, protocol] = ["<span class=\"role\">app</span>hello", "</span>http</span>"];
    assert!(page.contains(diagram) && page.contains(protocol), "the path of a request");
    assert!(page.replace("&#x2f;", "/").contains(" run scenarios/default.toml</pre>"), "the exact command");
}

#[test]
fn page_refers_to_no_other_file() {
    let folder = folder();
    let page = std::fs::read_to_string(page(&folder, &full_record())).unwrap();
    let head = page.split("<style>").next().unwrap();
    assert!(head.contains("default-src &#x27;none&#x27;"), "{head}");
    let markup: String = page.split("<script").map(|part| part.split("</script>").last().unwrap()).collect();
    for attribute in ["src=", "href=\"http", "href=\"/", "url(", "@import"] {
        assert!(!markup.contains(attribute), "{attribute}");
    }
}

#[test]
fn several_records_need_a_page() {
    let folder = folder();
    let refused = report(folder.path(), &[".", "."]);
    assert_exit(&refused, Exit::Usage);
    assert!(text(&refused).contains("`--output page.html`"), "{}", text(&refused));
    let page = stdout(folder.path(), &[".", ".", "--format", "html"]);
    assert_eq!(page.matches("<p class=\"answer").count(), 2);
    assert!(page.contains("Do the runs agree?"), "two runs of one scenario");
}

#[test]
fn next_command_helps_with_the_outcome() {
    let folder = folder();
    let version = |name: &str| json!({ "name": name, "is_modified": false });
    let versions = json!({ "base": version("main"), "head": version("the working tree") });
    let rows = [
        ("same", "pass", Value::Null, None),
        ("same", "inconclusive", Value::Null, Some("lab run scenarios/pong.toml --rounds auto")),
        ("changed", "inconclusive", Value::Null, Some("lab snapshot review")),
        ("new", "inconclusive", Value::Null, Some("lab snapshot accept pong")),
        ("same", "inconclusive", versions.clone(), Some("lab compare main scenarios/pong.toml --rounds auto")),
        // More rounds leave the facts as different as they are.
        ("changed", "inconclusive", versions, None),
    ];
    for (facts, verdict, comparison, expected) in rows {
        let mut record = full_record();
        record["gate"]["failed_checks"] = json!(0);
        record["gate"]["facts"] = json!(facts);
        record["gate"]["metrics"][0]["verdict"] = json!(verdict);
        record["comparison"] = comparison;
        let page = std::fs::read_to_string(page(&folder, &record)).unwrap().replace("&#x2f;", "/");
        let named = page.split("<p>Next: <code>").nth(1).and_then(|rest| rest.split("</code>").next());
        assert_eq!(named, expected, "facts {facts}, metric {verdict}");
    }
}

#[test]
fn page_works_in_a_browser() {
    requires!(Browser);
    let folder = folder();
    let browser = Browser::start();
    browser.open(&page(&folder, &full_record()));
    let drawn = "return [...document.querySelectorAll('[data-chart]')].map(one => one.querySelectorAll('svg').length)";
    let charts = browser.run(drawn);
    assert!(charts.as_array().unwrap().len() >= 6, "{charts}");
    assert!(charts.as_array().unwrap().iter().all(|count| count.as_u64() > Some(0)), "a chart is missing: {charts}");

    sorts(&browser);
    opens_a_diff(&browser);
    switches_a_stack(&browser);
    assert_eq!(browser.console(), Vec::<String>::new());
}

/// The first column of the table of speeds.
const NAMES: &str =
    "return [...document.querySelector('#speed ~ .runs table').tBodies[0].rows].map(row => row.cells[0].textContent)";

fn sorts(browser: &Browser) {
    let column = "document.querySelector('#speed ~ .runs table').tHead.rows[0].cells[2]";
    let click = format!("{column}.id = 'sorted'; return {column}.textContent");
    assert_eq!(browser.run(&click), json!("req/s"));
    browser.click("#sorted button");
    assert_eq!(browser.run(NAMES), json!(["bjoern (reference)", "fastwsgi", "granian", "wsgiref"]));
    browser.click("#sorted button");
    assert_eq!(browser.run(NAMES), json!(["wsgiref", "granian", "fastwsgi", "bjoern (reference)"]));
    assert_eq!(browser.run(&format!("return {column}.getAttribute('aria-sort')")), json!("ascending"));
    let csv = browser.run("return tableAsCsv(document.querySelector('#speed ~ .runs table')).split('\\r\\n')");
    assert!(csv[0].as_str().unwrap().starts_with("stack,rounds,req/s,"), "{csv}");
    assert!(csv[1].as_str().unwrap().starts_with("wsgiref,6/6,900,"), "{csv}");
}

fn opens_a_diff(browser: &Browser) {
    browser.click(".matrix td[data-stack='granian'] button");
    let shown = browser.run("return document.querySelector('dialog[open]').innerText");
    let shown = shown.as_str().unwrap();
    for part in
        ["differences from bjoern", "upstream.headers.X-Forwarded-For", "203.0.113.9", "What the client got", "502"]
    {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
    browser.click("dialog .close");
    assert_eq!(browser.run("return document.querySelector('dialog[open]')"), Value::Null);
}

fn switches_a_stack(browser: &Browser) {
    let mentions = "return [...document.querySelectorAll('main [data-stack=granian]')].filter(one => !one.hidden).length + \
         [...document.querySelectorAll('svg text')].filter(one => one.textContent.includes('granian')).length";
    assert!(browser.run(mentions).as_u64() > Some(10));
    browser.click("#switches summary");
    browser.click("#switches input[value='granian']");
    assert_eq!(browser.run(mentions), json!(0), "it is gone from every table and chart");
    browser.click("[data-show='all']");
    assert!(browser.run(mentions).as_u64() > Some(10));
}

#[test]
fn charts_show_ranks_and_thresholds() {
    requires!(Browser);
    let folder = folder();
    let browser = Browser::start();
    browser.open(&page(&folder, &full_record()));
    let count = |chart: &str, marks: &str| {
        browser.run(&format!("return document.querySelectorAll(\"[data-chart='run-1-{chart}'] {marks}\").length"))
    };
    assert_eq!(count("throughput-1", "[fill='var(--bad)'] path"), json!(1), "the limit of granian");
    assert_eq!(
        count("gate", "line[stroke='var(--bad)'], [stroke='var(--bad)'] line"),
        json!(1),
        "the margin of its cost"
    );
    let names = browser.run("return document.querySelector(\"[data-chart='run-1-throughput-1'] svg\").textContent");
    for ranked in ["1–2  bjoern", "1–2  fastwsgi", "3  granian", "4  wsgiref"] {
        assert!(names.as_str().unwrap().contains(ranked), "{ranked} in {names}");
    }
}

#[test]
fn links_of_the_page_lead_somewhere() {
    requires!(Browser);
    let folder = folder();
    let browser = Browser::start();
    browser.open(&page(&folder, &full_record()));
    let broken = "return [...document.querySelectorAll('a')].map(one => one.getAttribute('href')) \
                  .filter(target => !target.startsWith('#') || !document.getElementById(target.slice(1)))";
    assert_eq!(browser.run(broken), json!([]));
    let without = "return [...document.querySelectorAll('main h2, figure.chart')].filter(one => !one.querySelector('a.anchor')).length";
    assert_eq!(browser.run(without), json!(0), "every section and figure has a link to itself");
}

#[test]
fn tooltips_are_reached_by_keyboard() {
    requires!(Browser);
    let folder = folder();
    let browser = Browser::start();
    browser.open(&page(&folder, &full_record()));
    let chart = "document.querySelector('[data-chart=run-1-throughput-1]')";
    let press = |key: &str| {
        browser.run(&format!(
            "const cursor = {chart}.querySelector('.cursor'); cursor.focus();
             cursor.dispatchEvent(new KeyboardEvent('keydown', {{ key: '{key}', bubbles: true }}));
             return [document.activeElement === cursor, cursor.getAttribute('aria-valuetext')]"
        ))
    };
    // A tooltip is drawn with the next frame.
    let wait_for_tooltip = |shown: &str| {
        let texts = format!("return {chart}.querySelector('svg').textContent.replaceAll('\\u200b', '')");
        wait_until("the tooltip is shown", || {
            browser.run(&texts).as_str().unwrap().contains(&format!("{shown}median"))
        });
    };
    let first = press("Home");
    assert_eq!(first[0], json!(true), "the cursor takes the focus");
    assert!(first[1].as_str().unwrap().starts_with("bjoern, median 5 000, interval"), "{first}");
    wait_for_tooltip("bjoern");
    let next = press("ArrowDown");
    assert!(next[1].as_str().unwrap().starts_with("fastwsgi, median 4 950, interval"), "{next}");
    wait_for_tooltip("fastwsgi");
    let last = press("End");
    assert!(last[1].as_str().unwrap().starts_with("wsgiref, "), "{last}");
    let cursors =
        "return [...document.querySelectorAll('svg[role=group]')].map(svg => svg.querySelectorAll('.cursor').length)";
    let cursors = browser.run(cursors);
    assert!(cursors.as_array().unwrap().len() >= 6, "{cursors}");
    assert!(cursors.as_array().unwrap().iter().all(|count| *count == 1), "one stop of Tab for a chart: {cursors}");
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn runs_side_by_side_share_their_scales() {
    requires!(Browser);
    let folder = folder();
    // The second run is ten times as slow.
    let slow: Vec<made::Row> = FIRST.iter().map(|(name, per_s, cpu_us)| (*name, per_s / 10.0, cpu_us * 10.0)).collect();
    let mut records = [made::record("fast", &FIRST, GROUPS), made::record("slow", &slow, GROUPS)];
    records.iter_mut().for_each(with_histograms_and_curves);
    for (record, name) in records.iter().zip(["fast.json", "slow.json"]) {
        made::write(folder.path(), name, record);
    }
    stdout(folder.path(), &["fast.json", "slow.json", "--output", "page.html"]);
    let browser = Browser::start();
    browser.open(&folder.path().join("page.html"));
    for section in ["throughput", "cpu_per_request", "latency", "ramp", "memory", "cost"] {
        let ticks = |run: u32| {
            browser.run(&format!(
                "const charts = [...document.querySelectorAll('[data-chart=run-{run}-{section}-1] svg[role]')];
                 const isTick = text => /^[0-9]/.test(text.textContent) && !/  /.test(text.textContent);
                 return charts.map(svg => [...svg.querySelectorAll('text')].filter(isTick).map(text => text.textContent))"
            ))
        };
        let (first, second) = (ticks(1), ticks(2));
        assert!(first[0].as_array().is_some_and(|texts| texts.len() > 2), "{section}: {first}");
        assert_eq!(first, second, "{section}");
    }
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn page_is_accessible_in_both_schemes() {
    requires!(Browser);
    let folder = folder();
    let browser = Browser::start();
    browser.open(&page(&folder, &full_record()));
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        browser.set_colour_scheme(scheme);
        grounds.push(browser.run("return getComputedStyle(document.body).backgroundColor"));
        for opens in ["", "document.querySelector('.matrix td.failed button').click()"] {
            browser.run(opens);
            assert_eq!(serious_faults(&browser), json!([]), "{scheme}");
        }
        browser.run("document.querySelector('dialog').close()");
    }
    assert_ne!(grounds[0], grounds[1], "the page follows the system's setting");
}

/// What axe-core finds on the page.
pub(super) fn serious_faults(browser: &Browser) -> Value {
    browser.run(AXE);
    browser.run_async(
        "axe.run(document, { resultTypes: ['violations'] }).then(found => done(found.violations \
         .filter(one => ['serious', 'critical'].includes(one.impact)) \
         .map(one => one.id + ': ' + one.nodes.map(node => node.html).slice(0, 3).join(' | '))))",
    )
}

#[test]
fn hostile_strings_stay_text() {
    requires!(Browser);
    let folder = folder();
    let mut record = full_record();
    make_hostile(&mut record, "");
    let browser = Browser::start();
    browser.open(&page(&folder, &record));
    let buttons = browser.run("return document.querySelectorAll('[data-details]').length").as_u64().unwrap();
    assert!(buttons >= 4, "{buttons}");
    for button in 0..buttons {
        browser.run(&format!("document.querySelectorAll('[data-details]')[{button}].click()"));
        let shown = browser.run("return document.querySelector('dialog[open]').innerText");
        assert!(shown.as_str().unwrap().contains("onerror="), "{shown}");
        browser.run("document.querySelector('dialog').close()");
    }
    assert_eq!(browser.run("return window.hostile ?? null"), Value::Null, "a text ran as a script");
    assert_eq!(
        browser.run("return document.querySelectorAll('body img, main script, dialog script').length"),
        json!(0)
    );
    let text = browser.run("return document.querySelector('main').textContent");
    let shown = text.as_str().unwrap().matches("onerror=").count();
    assert!(shown > 100, "{shown} hostile texts are shown");
    assert_eq!(browser.console(), Vec::<String>::new());
}

/// Adds the hostile text to every text that is not a word of the record's format.
fn make_hostile(value: &mut Value, key: &str) {
    const WORDS: [&str; 15] = [
        "role",
        "outcome",
        "metric",
        "unit",
        "verdict",
        "facts",
        "histogram",
        "started",
        "ended",
        "resumed",
        "kind",
        "protocol",
        "interface",
        "backend",
        "body",
    ];
    match value {
        Value::String(text) if !WORDS.contains(&key) => text.push_str(HOSTILE),
        // The body of `/headers` has to stay what it is.
        Value::String(text) if key == "body" && text.starts_with('{') => {
            let mut report: Value = serde_json::from_str(text).unwrap();
            make_hostile(&mut report, "");
            *text = report.to_string();
        }
        Value::String(text) if key == "body" => text.push_str(HOSTILE),
        Value::Array(items) => items.iter_mut().for_each(|item| make_hostile(item, key)),
        Value::Object(fields) => fields.iter_mut().for_each(|(key, value)| make_hostile(value, key)),
        _ => {}
    }
}

#[test]
fn page_without_measurements_says_so() {
    requires!(Browser);
    let folder = folder();
    let mut record = full_record();
    for key in ["rounds", "estimates", "places"] {
        record[key] = json!([]);
    }
    let browser = Browser::start();
    browser.open(&page(&folder, &record));
    let text = browser.run("return document.querySelector('main').innerText");
    assert!(text.as_str().unwrap().contains("Nothing was measured."), "{text}");
    assert_eq!(browser.console(), Vec::<String>::new());
}
