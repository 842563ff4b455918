//! Where the twins differ, and the table of where they may.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::observed::{Message, Observed, Upstream};

/// One aspect in which two observations are not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// `handshake` and `upstream handshake`, of TLS. Of the client: `answers` (their statuses), `start line`, `field NAME`, `body`, `wholeness`, `end`. Of the upstream:
    /// `upstream requests` (which on which connection), `upstream connections after close` (the same, if it is only that
    /// one side went on after it had sent `Connection: close`), and as above with `upstream` before it, and `upstream
    /// order`. And `log`.
    pub(super) aspect: String,
    pub(super) nginx: String,
    pub(super) lab: String,
}

/// The known differences.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    difference: Vec<Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// The names of the cases that show it. Each has to differ in each of the aspects. Where `*` is all there is, at least
    /// one case has to.
    cases: Vec<String>,
    aspects: Vec<String>,
    /// Why lab does otherwise.
    reason: String,
    /// The RFC section that requires it, if any.
    section: Option<String>,
}

/// All aspects in which two observations of a case differ, each once.
pub(super) fn compare(nginx: &Observed, lab: &Observed) -> Vec<Difference> {
    let mut found = Found::default();
    let statuses = |observed: &Observed| {
        let responses = observed.connections.iter().map(|connection| {
            let statuses = connection.responses.iter().map(|response| response.start_line.get(9..12).unwrap_or("?"));
            statuses.collect::<Vec<_>>().join(" ")
        });
        responses.collect::<Vec<_>>().join(" | ")
    };
    let ends = |observed: &Observed| observed.connections.iter().map(|connection| connection.end).collect::<Vec<_>>();
    found.note("answers", &statuses(nginx), &statuses(lab));
    let handshakes = |observed: &Observed| {
        let outcomes = observed.connections.iter().filter_map(|connection| connection.handshake.clone());
        outcomes.collect::<Vec<_>>().join(" | ")
    };
    found.note("handshake", &handshakes(nginx), &handshakes(lab));
    let handshakes = |observed: &Observed| {
        observed.upstream.iter().filter_map(|upstream| upstream.handshake.clone()).collect::<Vec<_>>().join(" | ")
    };
    found.note("upstream handshake", &handshakes(nginx), &handshakes(lab));
    found.note("end", &ends(nginx).join(", "), &ends(lab).join(", "));
    let requests = |observed: &Observed, splits| describe(&observed.upstream, splits);
    let aspect = match requests(nginx, true) == requests(lab, true) {
        true => "upstream connections after close",
        false => "upstream requests",
    };
    found.note(aspect, &requests(nginx, false), &requests(lab, false));
    // responses with different statuses differ as a whole
    if found.list.is_empty() || found.list[0].aspect != "answers" {
        for (nginx, lab) in nginx.responses().zip(lab.responses()) {
            found.messages("", nginx, lab);
        }
        found.note("log", &nginx.logged.join(" | "), &lab.logged.join(" | "));
    }
    for (nginx, lab) in pairs(nginx.requests(), lab.requests()) {
        found.messages("upstream ", nginx, lab);
    }
    found.list
}

/// The requests of each connection. If `splits`, requests after one that announced the connection's end count as those of
/// another connection.
fn describe(upstream: &[Upstream], splits: bool) -> String {
    let mut lines = Vec::new();
    for connection in upstream {
        let mut text = connection.address.to_owned();
        for request in &connection.requests {
            text.push_str(&format!(" {:?}", request.start_line));
            if splits && request.field("connection") == ["close"] {
                lines.push(std::mem::replace(&mut text, connection.address.to_owned()));
            }
        }
        if text != connection.address || connection.requests.is_empty() {
            lines.push(text);
        }
    }
    lines.join(", ")
}

/// The requests of both sides with the same start line.
fn pairs<'a>(
    nginx: impl Iterator<Item = &'a Message>,
    lab: impl Iterator<Item = &'a Message>,
) -> Vec<(&'a Message, &'a Message)> {
    let mut unpaired: Vec<&Message> = lab.collect();
    let mut found = Vec::new();
    for nginx in nginx {
        if let Some(position) = unpaired.iter().position(|lab| lab.start_line == nginx.start_line) {
            found.push((nginx, unpaired.remove(position)));
        }
    }
    found
}

impl Observed {
    fn responses(&self) -> impl Iterator<Item = &Message> {
        self.connections.iter().flat_map(|connection| &connection.responses)
    }

    fn requests(&self) -> impl Iterator<Item = &Message> {
        self.upstream.iter().flat_map(|upstream| &upstream.requests)
    }
}

#[derive(Default)]
struct Found {
    list: Vec<Difference>,
}

impl Found {
    fn note(&mut self, aspect: &str, nginx: &str, lab: &str) {
        if nginx != lab && !self.list.iter().any(|own| own.aspect == aspect) {
            let difference = Difference { aspect: aspect.to_owned(), nginx: nginx.to_owned(), lab: lab.to_owned() };
            self.list.push(difference);
        }
    }

    fn messages(&mut self, of: &str, nginx: &Message, lab: &Message) {
        self.note(&format!("{of}start line"), &nginx.start_line, &lab.start_line);
        let lower = |message: &Message| message.fields.iter().map(|(name, _)| name.to_lowercase()).collect::<Vec<_>>();
        let names: BTreeSet<String> = lower(nginx).into_iter().chain(lower(lab)).collect();
        for name in &names {
            let lines = |message: &Message| format!("{:?}", message.field(name));
            self.note(&format!("{of}field {name}"), &lines(nginx), &lines(lab));
        }
        // the order of a response's fields means nothing (RFC 9110 §5.3); that of a request is kept
        if !of.is_empty() && BTreeSet::from_iter(lower(nginx)) == BTreeSet::from_iter(lower(lab)) {
            self.note(&format!("{of}order"), &lower(nginx).join(", "), &lower(lab).join(", "));
        }
        self.note(&format!("{of}body"), &nginx.body, &lab.body);
        let whole = |message: &Message| if message.is_whole { "whole" } else { "broken off" };
        self.note(&format!("{of}wholeness"), whole(nginx), whole(lab));
    }
}

impl Row {
    fn covers(&self, case: &str) -> bool {
        self.cases.iter().any(|own| own == case || own == "*")
    }
}

impl Table {
    pub(super) fn read(file: &Path) -> Table {
        let text = std::fs::read_to_string(file).expect("the table of differences");
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    /// The failures: differences without a row and, if all cases but the skipped ones ran, rows without a difference.
    pub(super) fn judge(
        &self,
        found: &BTreeMap<String, Vec<Difference>>,
        skipped: &[String],
        all: bool,
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        for (case, differences) in found {
            for Difference { aspect, nginx, lab } in differences {
                let rows = self.difference.iter().filter(|row| row.covers(case) && row.aspects.contains(aspect));
                match rows.count() {
                    0 => wrong.push(format!("{case}: {aspect}: nginx has\n    {nginx}\n  and lab\n    {lab}")),
                    1 => {}
                    _ => wrong.push(format!("{case}: {aspect}: more than one row of the table explains it")),
                }
            }
        }
        for row in &self.difference {
            assert!(!row.reason.is_empty() && row.section.as_ref().is_none_or(|section| !section.is_empty()));
            let differs = |list: &Vec<Difference>, aspect: &String| list.iter().any(|own| own.aspect == *aspect);
            if row.cases == ["*"] {
                let is_idle = |aspect: &&String| !found.values().any(|list| differs(list, aspect));
                wrong.extend(
                    row.aspects
                        .iter()
                        .filter(is_idle)
                        .filter(|_| all)
                        .map(|aspect| format!("{aspect}: the table has a row for every case, and none differs")),
                );
                continue;
            }
            for (case, aspect) in row.cases.iter().flat_map(|case| row.aspects.iter().map(move |aspect| (case, aspect)))
            {
                let is_skipped = !all || skipped.contains(case);
                if !found.get(case).map_or(is_skipped, |list| differs(list, aspect)) {
                    wrong.push(format!("{case}: {aspect}: the table has a row for it, and there is no difference"));
                }
            }
        }
        wrong
    }
}
