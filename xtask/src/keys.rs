//! The pages under docs/ that list every key of scenarios and of kinds, made from their JSON Schemas.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::markdown::{HEADER, line};

/// docs/scenario-keys.md
pub(crate) fn scenario() -> String {
    let introduction = "Every key of a scenario, from the types that read the file. [The scenario file](scenario.md) is the \
                        introduction.\n\n\
                        A header such as `[check.expect]` stands for an inline table as well: `expect = { status = 200 }`. `NAME` in \
                        a header is a name of yours. A key that is not listed is refused, with its line and the keys that are \
                        accepted.";
    page("Scenario keys", introduction, &lab::scenario::schema())
}

/// docs/kind-keys.md
pub(crate) fn kind() -> String {
    let introduction = "Every key of a kind, which is a TOML file that describes a server or a proxy, from the types that read the \
                        file. [Add a server](how-to/add-a-server.md) is the introduction. `NAME` in a header is a name of yours. A \
                        key that is not listed is refused, with its line and the keys that are accepted.";
    page("Kind keys", introduction, &lab::catalog::schema())
}

fn page(title: &str, introduction: &str, schema: &str) -> String {
    let schema: Value = serde_json::from_str(schema).expect("lab's own schema is JSON");
    let definitions = schema["definitions"].as_object().expect("a schema with definitions");
    let mut tables = Tables { definitions, found: Vec::new() };
    tables.found.push(Table { definition: None, schema: &schema, headers: Vec::new() });
    tables.collect(&schema, "");
    let mut page = format!("{HEADER}# {title}\n\n{introduction}\n");
    for table in &tables.found {
        tables.section(&mut page, table);
    }
    page
}

/// The tables of a file, in the order in which a reader of the file meets them.
struct Tables<'a> {
    definitions: &'a Map<String, Value>,
    found: Vec<Table<'a>>,
}

struct Table<'a> {
    /// `None` for the file itself.
    definition: Option<&'a str>,
    schema: &'a Value,
    /// Wherever the file may have it; the first one is the title of its section.
    headers: Vec<Header>,
}

/// The header of a table in TOML.
#[derive(PartialEq, Eq)]
struct Header {
    path: String,
    is_array: bool,
}

impl std::fmt::Display for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.is_array {
            true => write!(f, "[[{}]]", self.path),
            false => write!(f, "[{}]", self.path),
        }
    }
}

impl Table<'_> {
    /// The id that mdbook and GitHub give to the heading of this table, if no other has it.
    fn anchor(&self) -> String {
        self.headers.first().map_or_else(String::new, |header| header.path.to_lowercase().replace('.', ""))
    }
}

impl<'a> Tables<'a> {
    /// Finds the tables below a table whose header has this path.
    fn collect(&mut self, schema: &'a Value, path: &str) {
        for (key, property) in properties(schema) {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let mut tables = Vec::new();
            self.tables_of(property, Header { path, is_array: false }, &mut tables);
            for (header, name) in tables {
                match self.found.iter_mut().find(|table| table.definition == Some(name)) {
                    Some(known) if known.headers.contains(&header) => {}
                    Some(known) => known.headers.push(header),
                    None => {
                        let (schema, path) = (&self.definitions[name], header.path.clone());
                        self.found.push(Table { definition: Some(name), schema, headers: vec![header] });
                        self.collect(schema, &path);
                    }
                }
            }
        }
    }

    /// The tables that a value may be or contain, with their headers.
    fn tables_of(&self, schema: &'a Value, header: Header, found: &mut Vec<(Header, &'a str)>) {
        if let Some(name) = reference(schema) {
            match properties(&self.definitions[name]).next() {
                Some(_) => found.push((header, name)),
                None => self.tables_of(&self.definitions[name], header, found),
            }
            return;
        }
        for alternative in ["allOf", "anyOf"].into_iter().flat_map(|key| list(schema, key)) {
            let Header { path, is_array } = &header;
            self.tables_of(alternative, Header { path: path.clone(), is_array: *is_array }, found);
        }
        if let Some(items) = schema.get("items") {
            self.tables_of(items, Header { path: header.path.clone(), is_array: true }, found);
        }
        if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
            self.tables_of(values, Header { path: format!("{}.NAME", header.path), is_array: false }, found);
        }
    }

    fn section(&self, page: &mut String, table: &Table<'a>) {
        let title = match table.headers.first() {
            None => "## The file".to_owned(),
            Some(header) if header.path.contains('.') => format!("### `{header}`"),
            Some(header) => format!("## `{header}`"),
        };
        let mut paragraphs = vec![title, description(table.schema).to_owned(), constraints(table.schema).join(" ")];
        let others: Vec<String> = table.headers.iter().skip(1).map(|header| format!("`{header}`")).collect();
        if !others.is_empty() {
            paragraphs.push(format!("Also at {}.", others.join(", ")));
        }
        for paragraph in paragraphs.iter().filter(|paragraph| !paragraph.is_empty()) {
            // OK because writing to a string cannot fail
            _ = write!(page, "\n{paragraph}\n");
        }
        page.push_str("\n| key | accepted | default | meaning |\n|---|---|---|---|\n");
        let required: Vec<&Value> = list(table.schema, "required").collect();
        for (key, property) in properties(table.schema) {
            let is_required = required.iter().any(|name| *name == key);
            let (meaning, mut default) = split_default(description(property));
            match property.get("default") {
                _ if is_required => default = "required".to_owned(),
                Some(value) => default = literal(value),
                None => {}
            }
            line(page, &[&format!("`{key}`"), &self.accepted(property), &default, &meaning]);
        }
    }

    /// The id of a table's heading. Those after the first of the same name are numbered.
    fn anchor(&self, position: usize) -> String {
        let anchor = self.found[position].anchor();
        match self.found[..position].iter().filter(|earlier| earlier.anchor() == anchor).count() {
            0 => anchor,
            earlier => format!("{anchor}-{earlier}"),
        }
    }

    /// The values that a schema accepts, in words, with their units.
    fn accepted(&self, schema: &'a Value) -> String {
        if let Some(name) = reference(schema) {
            let definition = &self.definitions[name];
            let Some(position) = self.found.iter().position(|table| table.definition == Some(name)) else {
                return self.accepted(definition);
            };
            return format!("[table](#{}){}", self.anchor(position), count_of_keys(schema));
        }
        if let Some(value) = schema.get("const") {
            return literal(value);
        }
        let alternatives = |key| list(schema, key).map(|one| self.accepted(one)).collect::<Vec<_>>();
        let words: Vec<String> = list(schema, "enum").map(literal).collect();
        match (words.as_slice(), alternatives("anyOf").as_slice()) {
            ([], []) => {}
            ([], alternatives) => return or(alternatives),
            (words, _) => return or(words),
        }
        if let [inner] = alternatives("allOf").as_slice() {
            return format!("{inner}{}", count_of_keys(schema));
        }
        let types = match &schema["type"] {
            Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect::<Vec<_>>(),
        };
        match types.as_slice() {
            [] => "any value".to_owned(),
            ["string"] => text(schema),
            ["integer"] => format!("whole number{}", range(schema)),
            ["boolean"] => "`true` or `false`".to_owned(),
            ["array"] => match (schema.get("items"), schema.get("minItems"), schema.get("maxItems")) {
                (Some(items), Some(least), Some(most)) if least == most => {
                    format!("list of {least} × {}", grouped(self.accepted(items)))
                }
                (Some(items), ..) => format!("list of {}", grouped(self.accepted(items))),
                (None, ..) => "list".to_owned(),
            },
            ["object"] => match schema.get("additionalProperties").filter(|values| values.is_object()) {
                Some(values) => format!("table of {} by name", grouped(self.accepted(values))),
                None => "table".to_owned(),
            },
            several => or(&several.iter().map(|name| type_name(name).to_owned()).collect::<Vec<_>>()),
        }
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

fn list<'a>(schema: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    schema.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn description(schema: &Value) -> &str {
    schema.get("description").and_then(Value::as_str).unwrap_or_default()
}

/// The name of the definition that a schema is, by itself or with a description.
fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref").and_then(Value::as_str)?.rsplit('/').next()
}

/// Splits the sentence that starts with `Default: ` off, if there is one.
fn split_default(description: &str) -> (String, String) {
    let Some((before, sentence)) = description.split_once("Default: ") else {
        return (description.to_owned(), String::new());
    };
    let (default, after) = sentence.split_once(". ").unwrap_or((sentence, ""));
    let meaning = format!("{before}{after}");
    (meaning.trim_end().to_owned(), default.trim_end_matches('.').to_owned())
}

/// A value as it is written in TOML, which is as in JSON.
fn literal(value: &Value) -> String {
    format!("`{value}`")
}

fn text(schema: &Value) -> String {
    let Some(pattern) = schema.get("pattern").and_then(Value::as_str) else { return "text".to_owned() };
    let quantity = lab::scenario::QUANTITY_FORMS.iter().find(|(known, _)| *known == pattern);
    quantity.map_or_else(|| format!("text that matches `{pattern}`"), |(_, form)| (*form).to_owned())
}

fn range(schema: &Value) -> String {
    match (schema.get("minimum"), schema.get("maximum")) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        (Some(least), None) => format!(", {least} or more"),
        (None, Some(most)) => format!(", {most} or less"),
        (None, None) => String::new(),
    }
}

fn type_name(name: &str) -> &str {
    match name {
        "string" => "text",
        "array" => "list",
        other => other,
    }
}

/// How many keys a table has to have, to follow the word "table".
fn count_of_keys(schema: &Value) -> &'static str {
    let bound = |key| schema.get(key).and_then(Value::as_u64);
    match (bound("minProperties"), bound("maxProperties")) {
        (Some(1), Some(1)) => " with exactly one key",
        (Some(1), Some(2)) => " with one or two keys",
        (Some(1), None) => " with at least one key",
        _ => "",
    }
}

/// What holds for several keys of a table together, in sentences.
fn constraints(schema: &Value) -> Vec<String> {
    let keys = |one: &Value, word: &str| {
        list(one, "required").filter_map(Value::as_str).map(|key| format!("`{key}`")).collect::<Vec<_>>().join(word)
    };
    let alternatives = |key: &str| list(schema, key).map(|one| keys(one, " with ")).collect::<Vec<_>>();
    let mut sentences = Vec::new();
    for (key, lead) in [("anyOf", "At least one is required"), ("oneOf", "Exactly one is required")] {
        let names = alternatives(key);
        if !names.is_empty() {
            sentences.push(format!("{lead}: {}.", names.join(", or ")));
        }
    }
    if let Some(excluded) = schema.get("not") {
        sentences.push(format!("Not both {}.", keys(excluded, " and ")));
    }
    let count = count_of_keys(schema);
    if !count.is_empty() {
        sentences.push(format!("It is a table{count}."));
    }
    sentences.extend(list(schema, "allOf").flat_map(constraints));
    sentences
}

/// Alternatives in parentheses, where more words follow or precede them.
fn grouped(words: String) -> String {
    if words.contains(" or ") { format!("({words})") } else { words }
}

fn or(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
