//! Resolves `expect.json`: rules for values of a JSON document.

use lab_load::wire::JsonQuery;
use serde_json::{Number, Value};
use toml::Spanned;

use super::super::model::{JsonRule, JsonTemplate, TextRule};
use super::super::wire;
use super::extract::json_query;
use super::rules::{contains, exactly_one, lacks, matches, only_true, span_of};
use super::values::{Unique, template};
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::{ByName, Field, Integer};
use crate::document::table::Table as _;

pub(super) fn rules(
    wire: &Spanned<ByName<wire::JsonRule>>,
    extracted: &[String],
    problems: &mut Problems<'_>,
) -> Option<Vec<(JsonQuery, JsonRule)>> {
    let entries = &wire.get_ref().0;
    if entries.is_empty() {
        let hint = "write a rule for each place, such as `{ \"/id\" = 7 }`";
        problems.push(Diagnostic::at(wire.span(), "`json` expects nothing").hint(hint));
        return None;
    }
    let mut places = Unique::new("place");
    let resolved: Vec<_> = entries
        .iter()
        .map(|(place, rule)| {
            places.add(place, problems);
            let query = json_query(place, problems);
            let rule = rule.good().and_then(|rule| json_rule(rule, extracted, problems));
            Some((query?, rule?))
        })
        .collect();
    resolved.into_iter().collect()
}

fn json_rule(wire: &Spanned<wire::JsonRule>, extracted: &[String], problems: &mut Problems<'_>) -> Option<JsonRule> {
    let rule = match wire.get_ref() {
        wire::JsonRule::Equal(value) => return json_template(value, extracted, problems).map(JsonRule::Equal),
        wire::JsonRule::Table(rule) => rule,
    };
    let keys = [
        ("equals", span_of(&rule.equals)),
        ("contains", span_of(&rule.contains)),
        ("matches", span_of(&rule.matches)),
        ("lacks", span_of(&rule.lacks)),
        ("empty", span_of(&rule.empty)),
        ("null", span_of(&rule.null)),
        ("absent", span_of(&rule.absent)),
        ("present", span_of(&rule.present)),
        ("count", span_of(&rule.count)),
        ("at_least", span_of(&rule.at_least)),
        ("at_most", span_of(&rule.at_most)),
        ("not", span_of(&rule.not)),
    ];
    match exactly_one(&keys, wire.span(), rule.has_unknown_keys(), problems)? {
        "equals" => json_template(rule.equals.value()?, extracted, problems).map(JsonRule::Equal),
        "contains" => contains(&rule.contains, extracted, problems).map(JsonRule::Contains),
        "matches" => matches(&rule.matches, problems).map(JsonRule::Text),
        "lacks" => lacks(&rule.lacks, extracted, problems).map(|text| JsonRule::Text(TextRule::Lacks(text))),
        "empty" => only_true(&rule.empty, "empty", problems).map(|()| JsonRule::Empty),
        "null" => only_true(&rule.null, "null", problems).map(|()| JsonRule::Null),
        "absent" => only_true(&rule.absent, "absent", problems).map(|()| JsonRule::Absent),
        "present" => only_true(&rule.present, "present", problems).map(|()| JsonRule::Present),
        "count" => count(rule.count.good()?, problems).map(JsonRule::Count),
        "at_least" => number(&rule.at_least, "at_least", problems).map(JsonRule::AtLeast),
        "at_most" => number(&rule.at_most, "at_most", problems).map(JsonRule::AtMost),
        _ => json_rule(rule.not.good()?, extracted, problems).map(|rule| JsonRule::Not(Box::new(rule))),
    }
}

fn count(number: &Spanned<Integer>, problems: &mut Problems<'_>) -> Option<usize> {
    let count = usize::try_from(number.get_ref().0).ok();
    if count.is_none() {
        let message = format!("`count` cannot be {}", number.get_ref().0);
        problems.push(Diagnostic::at(number.span(), message).hint("accepted: 0 and above"));
    }
    count
}

fn number(field: &Field<wire::JsonValue>, key: &str, problems: &mut Problems<'_>) -> Option<Number> {
    let value = field.good()?;
    match json_template(value.get_ref(), &[], problems)? {
        JsonTemplate::Number(number) => Some(number),
        _ => {
            problems.push(Diagnostic::at(value.span(), format!("`{key}` must be a number")));
            None
        }
    }
}

fn json_template(value: &wire::JsonValue, extracted: &[String], problems: &mut Problems<'_>) -> Option<JsonTemplate> {
    match value {
        wire::JsonValue::Text(text) => template(text, extracted, problems).map(JsonTemplate::Text),
        wire::JsonValue::Integer(integer) => {
            let number = i64::try_from(integer.get_ref().0)
                .map(Number::from)
                .or_else(|_| u64::try_from(integer.get_ref().0).map(Number::from));
            if number.is_err() {
                problems.push(Diagnostic::at(integer.span(), "the number is beyond 64 bits"));
            }
            number.ok().map(JsonTemplate::Number)
        }
        wire::JsonValue::Decimal(number) => match Value::from(*number) {
            Value::Number(number) => Some(JsonTemplate::Number(number)),
            // OK because the reader accepts finite numbers only.
            _ => None,
        },
        wire::JsonValue::Boolean(flag) => Some(JsonTemplate::Boolean(*flag)),
        wire::JsonValue::List(items) => {
            let items: Vec<_> = items.iter().map(|item| json_template(item, extracted, problems)).collect();
            items.into_iter().collect::<Option<_>>().map(JsonTemplate::List)
        }
        wire::JsonValue::Object(members) => {
            let members: Vec<_> = members
                .iter()
                .map(|(name, value)| Some((name.clone(), json_template(value, extracted, problems)?)))
                .collect();
            members.into_iter().collect::<Option<_>>().map(JsonTemplate::Object)
        }
    }
}
