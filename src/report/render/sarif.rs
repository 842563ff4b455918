//! Findings of `lab lint` as SARIF 2.1.0 (OASIS, 2020), which code scanning reads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::lint::{Finding, Rule, Severity, SourceLocation};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// A log with one run. `rules` are all rules, broken or not; `texts` are the contents of the files.
///
/// # Errors
/// The serialiser failed.
pub fn render(
    findings: &[Finding],
    rules: &[&Rule],
    texts: &BTreeMap<PathBuf, String>,
) -> Result<String, serde_json::Error> {
    let results: Vec<Value> = findings.iter().map(|finding| result(finding, rules, texts)).collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "lab",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|rule| described(rule)).collect::<Vec<Value>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    serde_json::to_string_pretty(&log)
}

fn described(rule: &Rule) -> Value {
    json!({
        "id": rule.name,
        "shortDescription": { "text": rule.name.replace('-', " ") },
        "fullDescription": { "text": format!("{}.", rule.why) },
        "help": { "text": format!("{}. Source: {}", rule.why, rule.source) },
        "defaultConfiguration": { "level": level(rule.severity) },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Advice => "note",
    }
}

fn result(finding: &Finding, rules: &[&Rule], texts: &BTreeMap<PathBuf, String>) -> Value {
    let Finding { rule, severity, location, message, why, fix, edits } = finding;
    let text = texts.get(&location.file).map_or("", String::as_str);
    let mut result = json!({
        "ruleId": rule,
        "level": level(*severity),
        "message": { "text": format!("{message}: {why}. Fix: {fix}") },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": { "uri": uri(&location.file) },
                "region": region(location, text),
            },
        }],
    });
    if let Some(index) = rules.iter().position(|known| known.name == *rule) {
        result["ruleIndex"] = json!(index);
    }
    if !edits.is_empty() {
        let replacements = edits.iter().map(|edit| {
            json!({
                "deletedRegion": { "byteOffset": edit.span.start, "byteLength": edit.span.len() },
                "insertedContent": { "text": edit.replacement },
            })
        });
        result["fixes"] = json!([{
            "description": { "text": fix },
            "artifactChanges": [{
                "artifactLocation": { "uri": uri(&location.file) },
                "replacements": replacements.collect::<Vec<_>>(),
            }],
        }]);
    }
    result
}

/// Lines and columns, both counted from 1; the end is exclusive.
fn region(location: &SourceLocation, text: &str) -> Value {
    let start = location.span.start.min(text.len());
    let end = location.span.end.clamp(start, text.len());
    // What a block contains says nothing more than its first line.
    let shown = text.get(start..end).unwrap_or_default().lines().next().unwrap_or_default().trim_end();
    if shown.is_empty() {
        return json!({ "startLine": location.line });
    }
    let before = &text[..start];
    let column = 1 + before.rsplit('\n').next().unwrap_or_default().chars().count();
    json!({
        "startLine": location.line,
        "startColumn": column,
        "endColumn": column + shown.chars().count(),
    })
}

/// A path as a reference of RFC 3986: relative ones stay so, for they are relative to the repository.
fn uri(file: &Path) -> String {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let path = file.strip_prefix(".").unwrap_or(file);
    let encoded: String = path
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .map(|byte| if unreserved(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    if file.is_absolute() { format!("file://{encoded}") } else { encoded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_references() {
        assert_eq!(uri(Path::new("./site conf/nginx.conf")), "site%20conf/nginx.conf");
        assert_eq!(uri(Path::new("/etc/nginx.conf")), "file:///etc/nginx.conf");
        assert_eq!(uri(Path::new("ä:b")), "%C3%A4%3Ab");
    }

    #[test]
    fn columns_count_characters_of_the_first_line() {
        let text = "a;\nä {\n  b;\n}\n";
        let span = text.find('ä').unwrap()..text.len() - 1;
        let location = SourceLocation { file: PathBuf::from("f"), line: 2, span };
        assert_eq!(region(&location, text), json!({ "startLine": 2, "startColumn": 1, "endColumn": 4 }));
        let none = SourceLocation { span: 0..0, ..location };
        assert_eq!(region(&none, ""), json!({ "startLine": 2 }));
    }
}
