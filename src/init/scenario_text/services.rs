//! Writes `[app.services]`.

use std::fmt::Write as _;

use super::super::deployment::Service;
use super::quoted;

pub(super) fn write(text: &mut String, services: &[Service]) {
    for service in services {
        let lines = lines(service);
        // lab does not know how to start one without a kind.
        let mark = if service.kind.is_some() { "" } else { "# " };
        for line in lines.lines() {
            let _ = writeln!(text, "{mark}{line}");
        }
        text.push('\n');
    }
}

fn lines(service: &Service) -> String {
    let Service { name, kind, image, place, then, variables } = service;
    let mut text = format!("[app.services.{name}]   # {place}: {image}\n");
    let _ = match kind {
        Some(kind) => writeln!(text, "kind = {}", quoted(kind)),
        None => writeln!(text, "image = {}   # in a container\nport  = 0   # on which it listens there", quoted(image)),
    };
    if let Some(then) = then {
        let _ = writeln!(text, "then = {}", quoted(then));
    }
    if !variables.is_empty() {
        let pairs: Vec<String> = variables.iter().map(|(name, value)| format!("{name} = {}", quoted(value))).collect();
        let _ = writeln!(text, "env  = {{ {} }}", pairs.join(", "));
    }
    text
}
